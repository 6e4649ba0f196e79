"""`./council bench`: is my council worth it? Questions with known answers, put to it as it runs."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actors.pc.energy import Meter
from serve_app.bench import report
from serve_app.bench.contestants import complete, contestants
from serve_app.bench.items import BadItems, Item, drawn, read_items
from serve_app.bench.plot import plot
from serve_app.bench.recommendation import advise
from serve_app.bench.runs import Run
from serve_app.cli.ask import seats_of
from serve_app.cli.benching.folder import Folder, Options, opened
from serve_app.cli.benching.progress import Told, progress
from serve_app.cli.benching.trials import Trials
from serve_app.cli.client import Client
from serve_app.cli.fitting import Fitting
from serve_app.cli.terminal import Stop, note, out, say, tell

SHIPPED = Path(report.__file__).with_name("questions.jsonl")
GO_ON = "What was asked is kept. To go on: the same command again."
DONE, INTERRUPTED = 0, 130


@dataclass(frozen=True)
class Wanted:
    """What was typed. `file` None = the questions that come with the council."""

    file: Path | None
    modes: tuple[str, ...]
    agents: tuple[str, ...]
    chairman: str | None
    judge: str | None
    limit: int | None
    folder: Path | None
    seed: int


def bench(client: Client, wanted: Wanted, home: Path) -> int:
    """The exit code. Raises `Stop` where it cannot go on."""
    file = wanted.file or SHIPPED
    content = _content(file)
    items = drawn(_items(file, content), wanted.seed, wanted.limit)
    name = "shipped" if wanted.file is None else file.stem
    options = Options(
        file=file.name, sha256=hashlib.sha256(content.encode()).hexdigest(), modes=wanted.modes,
        agents=wanted.agents, chairman=wanted.chairman, judge=wanted.judge, seed=wanted.seed,
    )  # fmt: skip
    client.get("/api/council/models")  # who is not there, or knows no such key, says so at once
    with opened(wanted.folder or home / "bench" / name, options) as folder:
        try:
            _ask_all(client, wanted, items, folder)
        except KeyboardInterrupt:
            tell(f"Stopped. {GO_ON}")
            return INTERRUPTED
        except Stop as stop:
            raise Stop(*stop.lines, GO_ON) from None
        chosen = {item.id for item in items}
        _conclude(folder, name, [r for r in folder.runs if r.item_id in chosen], wanted.modes)
    return DONE


def schedule(items: Sequence[Item], modes: Sequence[str]) -> list[tuple[Item, str]]:
    """Each item in each mode; which mode is the first goes round, since what comes second may find
    its prompts in the models' caches."""
    turns = [(*modes[n % len(modes) :], *modes[: n % len(modes)]) for n in range(len(items))]
    return [(item, mode) for item, turn in zip(items, turns, strict=True) for mode in turn]


def _ask_all(client: Client, wanted: Wanted, items: Sequence[Item], folder: Folder) -> None:
    all_trials = schedule(items, wanted.modes)
    ran = {run.key for run in folder.runs}
    owed = [(item, mode) for item, mode in all_trials if (item.id, mode) not in ran]
    if ran and owed:
        tell(f"Going on in {folder.path}: {len(all_trials) - len(owed)} of {len(all_trials)} ran.")
    common = {"selected_agents": seats_of(list(wanted.agents)), "chairman_model": wanted.chairman}
    request = {name: value for name, value in common.items() if value is not None}
    with progress(len(all_trials), len(all_trials) - len(owed)) as told:
        trials = _trials(client, request, wanted, told)
        for item, mode in owed:
            run = trials.run(item, mode)
            folder.add(run)
            told.ran(run)


def _trials(client: Client, request: dict[str, Any], wanted: Wanted, told: Told) -> Trials:
    return Trials(client, request, wanted.judge, wanted.seed, Meter(), told.wait)


def _conclude(folder: Folder, name: str, runs: Sequence[Run], modes: Sequence[str]) -> None:
    """The table, the advice, and the files with both."""
    whole, left_out = complete(runs, modes)
    if not whole:
        raise Stop("The judge gave no verdict on any question.", "Try another one: --judge MODEL")
    found = report.ordered(contestants(whole, modes))
    failures = Counter(run.error_code for item in whole for run in item if run.error_code)
    results = report.Results(name, found, advise(found), len(whole), left_out, dict(failures))
    plotted = _plotted(results, folder)
    folder.write("results.md", report.markdown(results, plotted))
    folder.write("results.json", json.dumps(report.as_json(results), indent=2, ensure_ascii=False))
    _show(results)
    say(f"\nIn {folder.path}: results.md, results.json{', accuracy.png' if plotted else ''}")


def _plotted(results: report.Results, folder: Folder) -> bool:
    try:
        plot(results, folder.path)
    except ImportError:
        note("There is no picture: matplotlib is not installed.")
        return False
    return True


def _show(results: report.Results) -> None:
    out.print(Fitting(report.table(results)))
    for line in report.notes(results):
        say(line, style="dim")
    say("")
    for sentence in results.advice.sentences:
        say(sentence, style="bold")


def _content(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise Stop(f"{file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise Stop(f"{file} is not UTF-8 text.", "Save it as UTF-8.") from None


def _items(file: Path, content: str) -> tuple[Item, ...]:
    try:
        return read_items(content.split("\n"))
    except BadItems as bad:
        raise Stop(f"{file} cannot be used.", *map(str, bad.args)) from None
