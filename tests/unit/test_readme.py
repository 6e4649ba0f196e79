"""The README's tree names every file of the three packages, and no file that is gone."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
KINDS = {".py", ".html", ".css", ".js", ".svg"}


def named() -> set[str]:
    """The files that the tree names, as paths from the root."""
    paths, folders = set(), []
    text = (ROOT / "README.md").read_text()
    for line in text.split("```\n")[-2].splitlines():
        name = line.split()[0]
        folders = folders[: (len(line) - len(line.lstrip())) // 2]
        if name.endswith("/"):
            folders.append(name)
        else:
            paths.add("".join(folders) + name)
    return paths


def test_the_tree_names_every_file_and_no_other() -> None:
    there = {
        path.relative_to(ROOT).as_posix()
        for room in ("actors", "cluster", "serve_app")
        for path in (ROOT / room).rglob("*.*")
        if path.suffix in KINDS and path.name != "__init__.py"
    }
    in_rooms = {
        path for path in named() if path.split("/")[0] in ("actors", "cluster", "serve_app")
    }
    assert in_rooms == there
