"""What a benchmark's runs say: intervals, paired tests, costs, and the advice in words."""

import io
import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from serve_app.bench import report
from serve_app.bench.contestants import Contestant, Kind, complete, contestants
from serve_app.bench.plot import plot
from serve_app.bench.recommendation import advise, clearly_worse
from serve_app.bench.runs import Run, SeatAsked, Voice
from serve_app.bench.statistics import Paired, paired, wilson

SEATS = (
    SeatAsked(agent_id="agent_1", name="Ada", model="big"),
    SeatAsked(agent_id="agent_2", name="Bob", model="small"),
)


def run(item: str, mode: str = "standard", *right: bool, **changes: object) -> Run:
    """`right`: of each seat, the council last."""
    *seats, council = right or (True, False, True)
    voices = tuple(
        Voice(agent_id=s.agent_id, text="x", correct=r, tokens=10 * n, seconds=n)
        for n, (s, r) in enumerate(zip(SEATS, seats, strict=False), 1)
    )
    made = Run(
        item_id=item, mode=mode, session_id="s", error_code=None, seats=SEATS, voices=voices,
        best="agent_2", reviewed=True, best_tokens=60, best_seconds=5, answer="x", correct=council,
        tokens=100, seconds=8,
        joules={"opinions": 30.0, "review": 20.0, "synthesis": 10.0},
    )  # fmt: skip
    return made.model_copy(update=changes)


def one(name: str, right: int, wrong: int, seconds: float, kind: Kind = "seat") -> Contestant:
    marks = {f"q{n}": n < right for n in range(right + wrong)}
    return Contestant(kind, name, "", marks, 10 * seconds, seconds)


def test_the_interval_is_wilsons() -> None:
    """From Newcombe (1998), table I: 81 of 263, and 0 of 20."""
    assert (round(wilson(81, 263).low, 4), round(wilson(81, 263).high, 4)) == (0.2553, 0.3662)
    assert (wilson(0, 20).low, round(wilson(0, 20).high, 4)) == (0, 0.1611)
    assert (wilson(0, 0).low, wilson(0, 0).high) == (0, 1)


def test_mcnemars_test_is_the_exact_one() -> None:
    assert Paired(6, 0, 40).p == pytest.approx(2 * 0.5**6)
    assert Paired(5, 1, 40).p == pytest.approx(2 * (1 + 6) / 64)
    assert Paired(3, 3, 40).p == 1.0
    assert Paired(0, 0, 40).p == 1.0


def test_only_questions_that_both_were_asked_are_compared() -> None:
    found = paired({"a": True, "b": True, "c": False}, {"b": False, "c": False, "d": True})
    assert (found.wins, found.losses, found.asked) == (1, 0, 2)


def test_the_interval_of_a_difference_holds_the_truth_nineteen_times_out_of_twenty() -> None:
    chance, hits = random.Random(1), 0
    for _ in range(2000):
        draws = [chance.random() for _ in range(80)]
        pair = Paired(sum(d < 0.2 for d in draws), sum(d > 0.9 for d in draws), 80)
        hits += pair.interval.low <= 0.1 <= pair.interval.high
    assert 0.93 < hits / 2000 < 0.98


def test_as_many_questions_as_it_says_show_the_difference_four_times_out_of_five() -> None:
    chance, found = random.Random(2), 0
    needed = Paired(200, 100, 1000).needed_for_difference(0.1)
    for _ in range(600):
        draws = [chance.random() for _ in range(needed)]
        found += Paired(sum(d < 0.2 for d in draws), sum(d > 0.9 for d in draws), needed).p < 0.05
    assert 0.72 < found / 600 < 0.88


def test_each_seat_the_best_of_them_and_the_council_compete() -> None:
    items, left_out = complete([run("a"), run("b", "standard", False, True, True)], ["standard"])
    ada, bob, best, council = contestants(items, ["standard"])
    assert left_out == 0
    assert (ada.title, ada.correct, ada.asked, ada.tokens, ada.seconds) == (
        "Ada (big)",
        1,
        2,
        10,
        1,
    )
    assert (bob.correct, bob.seconds) == (1, 2)
    assert (best.name, best.correct, best.tokens, best.joules) == ("best of N, standard", 1, 60, 50)
    assert (council.correct, council.tokens, council.joules) == (2, 100, 60)
    assert ada.joules is None, "what one of several seats used cannot be told"


def test_seats_go_by_the_first_mode_and_a_mode_without_reviews_has_no_best_of_them() -> None:
    runs = [
        run("a", "fast", False, False, True, reviewed=False),
        run("a", "standard", True, True, True),
    ]
    items, _ = complete(runs, ["fast", "standard"])
    found = {c.name: c.correct for c in contestants(items, ["fast", "standard"])}
    assert found == {
        "Ada": 0, "Bob": 0, "council, fast": 1, "best of N, standard": 1, "council, standard": 1,
    }  # fmt: skip


def test_an_absent_seat_and_a_failed_session_are_wrong_answers() -> None:
    failed = run("a", voices=(), best=None, answer=None, correct=False, error_code="no_opinions")
    items, _ = complete([failed, run("b", "standard", True, True, True)], ["standard"])
    found = {c.name: (c.correct, c.asked) for c in contestants(items, ["standard"])}
    assert set(found.values()) == {(1, 2)}


def test_where_one_opinion_came_it_is_the_best_of_them() -> None:
    alone = run("b", best=None, voices=run("b").voices[:1])
    items, _ = complete([run("a"), alone], ["standard"])
    assert {c.name: c.correct for c in contestants(items, ["standard"])}["best of N, standard"] == 1


def test_what_was_not_judged_or_not_run_in_all_modes_is_left_out() -> None:
    runs = [run("a", "fast"), run("a"), run("b", "fast"), run("b", correct=None), run("c")]
    items, left_out = complete(runs, ["fast", "standard"])
    assert [item[0].item_id for item in items] == ["a"] and left_out == 1


def test_a_council_that_leads_by_far_is_worth_it() -> None:
    advice = advise([one("Ada", 40, 40, 2), one("council, standard", 70, 10, 9, "council")])
    assert (
        "worth it. It is right in 88 %, Ada alone in 50 % (p = 0.000), at 4.5 times the time."
        in (advice.sentences[0])
    )
    assert advice.sentences[0].startswith("Council, standard: worth it")
    assert advice.smallest.kind == "council" and advice.enough


def test_a_council_that_is_behind_is_not_worth_it() -> None:
    advice = advise([one("Ada", 70, 10, 2), one("council, standard", 40, 40, 9, "council")])
    assert "not worth it" in advice.sentences[0]
    assert advice.smallest.name == "Ada" and advice.enough


def test_the_cheapest_that_is_not_clearly_worse_is_recommended_and_doubt_is_said() -> None:
    found = [one("Ada", 59, 21, 2), one("council, fast", 62, 18, 3, "council")]
    advice = advise(found)
    assert advice.smallest.name == "Ada" and advice.best.name == "council, fast"
    assert not advice.enough
    assert "80 questions cannot tell" in advice.sentences[0]
    assert "not settled: after 80 questions it may still be up to" in advice.sentences[-1]


def test_with_many_questions_the_same_difference_is_settled() -> None:
    found = [one("Ada", 590, 210, 2), one("council, fast", 600, 200, 3, "council")]
    advice = advise(found)
    assert advice.smallest.name == "Ada" and advice.enough
    assert clearly_worse(one("Eve", 500, 300, 1), advice.best)


def test_a_cheaper_one_that_may_be_behind_by_chance_is_named() -> None:
    seat, council = one("Ada", 60, 20, 2), one("council, standard", 65, 15, 9, "council")
    shifted = {f"q{n}": n >= 15 for n in range(80)}
    advice = advise([seat, replace(council, marks=shifted)])
    assert advice.smallest.name == "council, standard" and not advice.enough
    assert "Ada is cheaper, and 6 points behind the best may be chance" in advice.sentences[-1]


def test_from_a_handful_of_questions_nothing_is_recommended_but_more_questions() -> None:
    advice = advise([one("Ada", 3, 2, 2), one("council, fast", 4, 1, 3, "council")])
    assert not advice.enough
    assert advice.sentences[-1].startswith("5 questions are too few to recommend anything")
    assert "would show" not in advice.sentences[0], "from so few not even that can be said"


def results(**changes: object) -> report.Results:
    items, left_out = complete([run("a"), run("b")], ["standard"])
    found = report.ordered(contestants(items, ["standard"]))
    given = {"left_out": left_out, "failures": {}} | changes
    return report.Results("my|own $1", found, advise(found), 2, **given)  # type: ignore[arg-type]


def test_the_table_has_a_line_for_each_contestant() -> None:
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(report.table(results()))
    shown = console.export_text()
    assert "Ada (big)" in shown and "2/2" in shown and "100 % (34–100)" in shown


def test_what_one_must_know_is_said() -> None:
    told = report.notes(results(left_out=3, failures={"no_opinions": 2}))
    assert "no_opinions (2)" in told[3] and told[4].startswith("3 questions left out")
    assert told[2] == report.ENERGY_NOTE


def test_markdown_and_json_say_the_same() -> None:
    text, whole = report.markdown(results(), True), report.as_json(results())
    assert "| Ada (big) | 2/2 |" in text and "my\\|own" in text and "accuracy.svg" in text
    json.dumps(whole)
    assert [c["correct"] for c in whole["contestants"]] == [2, 0, 0, 2]
    assert whole["contestants"][1]["against_best_seat"] == {"wins": 0, "losses": 2, "p": 0.5}
    assert whole["smallest_useful"] == "Ada (big)" and whole["enough_questions"] is False


def test_the_picture_is_drawn_without_a_screen(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    assert [file.name for file in plot(results(), tmp_path)] == ["accuracy.svg", "accuracy.png"]
    assert "<svg" in (tmp_path / "accuracy.svg").read_text()
    assert (tmp_path / "accuracy.png").read_bytes().startswith(b"\x89PNG")
