"""SECURITY.md says what listens where: every port that we or Ray listen at, and links that lead
somewhere."""

import re
from pathlib import Path

from cluster.ports import block
from cluster.settings import Settings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "SECURITY.md").read_text()


def ports_named() -> set[int]:
    """Of the first column of the table, ranges spelt out."""
    cells = re.findall(r"^\| (\d+)(?:–(\d+))? \|", PAGE, re.MULTILINE)
    return {port for low, high in cells for port in range(int(low), int(high or low) + 1)}


def test_the_table_names_every_port_that_is_listened_at() -> None:
    ours = {Settings.model_fields[name].default for name in ("port", "embedded_port")}
    assert ours | set(block(0).all()) <= ports_named()
    assert len(ports_named()) < len(block(0).all()) + 10


def test_its_links_lead_to_files_and_the_readme_leads_to_it() -> None:
    links = set(re.findall(r"\]\(([^)]+)\)", PAGE))
    assert links and all((ROOT / link).is_file() for link in links)
    assert "(SECURITY.md)" in (ROOT / "README.md").read_text()


def test_what_it_says_to_type_exists() -> None:
    typed = set(re.findall(r"`\./council (\w+)", PAGE))
    program = "\n".join(path.read_text() for path in (ROOT / "serve_app/cli").rglob("*.py"))
    assert {"up", "key", "down"} <= typed
    assert all(f"def {word}(" in program or f'name="{word}"' in program for word in typed)
