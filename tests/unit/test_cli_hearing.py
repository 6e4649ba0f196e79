"""Folding a session's events into what a display shows, and drawing it."""

import re
from typing import Any

import pytest
from rich.console import Console, ConsoleDimensions

from serve_app.cli.session import costs, scores, views
from serve_app.cli.session.folding import heard
from serve_app.cli.session.hearing import Hearing, of_stage
from serve_app.cli.session.matrix import matrix
from serve_app.cli.session.panels import facts, panel


def sitting(*events: dict[str, Any]) -> Hearing:
    hearing = heard(
        Hearing(),
        {
            "kind": "session_started",
            "seq": 1,
            "chairman_model": "c:3b",
            "seats": [
                {"agent_id": "agent_1", "name": "Alpha", "model": "a:1b"},
                {"agent_id": "agent_2", "name": "Beta", "model": "b:2b"},
            ],
        },
    )
    for event in events:
        hearing = heard(hearing, event)
    return hearing


SIZE = ConsoleDimensions(100, 24)
OPINIONS = {"kind": "stage_started", "seq": 2, "stage": "opinions"}
REVIEW = {"kind": "stage_started", "seq": 5, "stage": "review"}


def delta(text: str, offset: int, **more: Any) -> dict[str, Any]:
    kind = more.pop("kind", "opinion_delta")
    return {"kind": kind, "seq": 2, "agent_id": "agent_1", "text": text, "offset": offset, **more}


def drawn(drawing: Any, width: int = 100) -> str:
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    with console.file:
        console.print(drawing)
    return console.export_text()


def test_every_seat_has_a_voice_as_soon_as_the_stage_begins() -> None:
    voices = of_stage(sitting(OPINIONS), "opinions")
    assert [(voice.name, voice.model, voice.state) for voice in voices] == [
        ("Alpha", "a:1b", "waiting"),
        ("Beta", "b:2b", "waiting"),
    ]


def test_who_waits_sees_the_place_until_the_first_seat_is_asked() -> None:
    waiting = heard(sitting(OPINIONS), {"kind": "queued", "place": 3, "eta_s": 40.2})
    assert drawn(views.live(waiting, SIZE)).split() == ["⠋", "Queued:", "3rd,", "about", "40", "s"]
    started = {
        "kind": "agent_started", "seq": 3, "agent_id": "agent_1", "stage": "opinions",
        "node": "pc2",
    }  # fmt: skip
    assert "Alpha" in drawn(views.live(heard(waiting, started), SIZE))


@pytest.mark.parametrize(
    ("place", "said"),
    [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (12, "12th"), (23, "23rd"),
     (111, "111th"), (121, "121st")],
)  # fmt: skip
def test_a_place_is_said_as_people_say_it(place: int, said: str) -> None:
    assert views.queued({"place": place, "eta_s": 0.2}) == f"Queued: {said}"


def test_deltas_are_put_together() -> None:
    hearing = sitting(OPINIONS, delta("Because", 0), delta(" of light", 7))
    assert of_stage(hearing, "opinions")[0].text == "Because of light"


def test_after_a_reconnection_the_text_so_far_is_not_doubled() -> None:
    hearing = sitting(OPINIONS, delta("Because", 0), delta("Because of", 0), delta(" light", 10))
    assert of_stage(hearing, "opinions")[0].text == "Because of light"


def test_a_second_attempt_begins_anew() -> None:
    again = {
        "kind": "agent_started", "seq": 3, "agent_id": "agent_1", "stage": "opinions",
        "node": "pc2", "attempt": 2, "former": {"detail": "it crashed"},
    }  # fmt: skip
    voice = of_stage(sitting(OPINIONS, delta("Bec", 0), again, delta("Light", 0)), "opinions")[0]
    assert (voice.text, voice.node, voice.again) == ("Light", "pc2", "attempt 2: it crashed")


def test_that_a_seat_thinks_is_shown_and_not_what() -> None:
    thinks = sitting(OPINIONS, delta("hmmm", 0, thinking=True))
    shown = drawn(views.live(thinks, SIZE))
    assert "thinking …" in shown and "hmmm" not in shown
    writes = heard(heard(thinks, delta("Light", 0)), delta("h", 4, thinking=True))
    assert of_stage(writes, "opinions")[0].text == "Light"
    assert "thinking" not in drawn(views.live(writes, SIZE))


def test_a_seat_that_waits_for_its_model_says_so_until_it_is_asked() -> None:
    loading = sitting(OPINIONS, {"kind": "loading", "models": ["b:2b"]})
    shown = drawn(views.live(loading, SIZE))
    assert "loading b:2b …" in shown and "waiting …" in shown and "loading a:1b" not in shown
    queue = {"kind": "queued", "place": 1, "eta_s": 0.0}
    assert "loading b:2b …" in drawn(views.live(heard(loading, queue), SIZE))
    asked = {"kind": "agent_started", "seq": 3, "agent_id": "agent_2", "stage": "opinions",
             "node": "pc2"}  # fmt: skip
    assert "loading" not in drawn(views.live(heard(loading, asked), SIZE))


def test_how_fast_a_seat_writes_is_told_of_what_came_since_it_was_listened_to() -> None:
    hearing = sitting(OPINIONS)
    for text, offset, now in (("x" * 400, 0, 7.0), ("y" * 40, 400, 7.5), ("z" * 40, 440, 9.0)):
        assert of_stage(hearing, "opinions")[0].speed == 0
        hearing = heard(hearing, delta(text, offset), now)
    assert "about 10 tokens/s" in drawn(views.live(hearing, SIZE))


def test_a_seat_that_is_done_says_how_much_and_how_fast_on_any_width() -> None:
    opinion = {
        "kind": "opinion", "seq": 3, "agent_id": "agent_1", "content": "Light.", "node": "pc1",
        "usage": {"completion_tokens": 50, "total_tokens": 1230}, "truncated": True,
        "timing": {"generate_ms": 4000}, "attempts": 1,
    }  # fmt: skip
    (voice, _) = of_stage(sitting(OPINIONS, opinion), "opinions")
    told = "1,230 tokens · 12.5 tokens/s · cut at the output limit"
    assert " · ".join(facts(voice)) == told
    assert told in drawn(panel(voice, 100))
    narrow = drawn(panel(voice, 40), 40)
    assert told in " ".join(narrow.replace("│", " ").split())
    assert max(map(len, narrow.splitlines())) == 40


def test_who_was_at_it_when_the_session_ended_was_stopped() -> None:
    closed = {"kind": "session_closed", "seq": 9, "outcome": "error"}
    shown = drawn(views.stage_end(sitting(OPINIONS, delta("Bec", 0), closed), "opinions"))
    assert shown.count("stopped") == 2 and "waiting" not in shown


@pytest.mark.parametrize("cached", [True, False])
def test_an_opinion_from_the_cache_says_so(cached: bool) -> None:
    opinion = {
        "kind": "opinion", "seq": 3, "agent_id": "agent_1", "content": "Light.", "node": "pc1",
        "cached": cached,
    }  # fmt: skip
    shown = drawn(views.stage_end(sitting(OPINIONS, opinion), "opinions"))
    assert "Alpha · a:1b · pc1" in shown
    assert ("from the cache" in shown) == cached


def test_a_review_is_shown_as_scores_of_names() -> None:
    review = {
        "kind": "review", "seq": 6, "agent_id": "agent_1", "rejected": [],
        "rankings": [{"agent_id": "agent_2", "score": 8, "reasoning": "clear"}],
    }  # fmt: skip
    hearing = sitting(OPINIONS, REVIEW, delta('{"rank', 0, kind="review_delta"), review)
    assert of_stage(hearing, "review")[0].text == "Beta 8/10"


def test_an_abstention_says_why() -> None:
    review = {
        "kind": "review", "seq": 6, "agent_id": "agent_1", "rankings": [],
        "rejected": ["no JSON in it"],
    }  # fmt: skip
    assert of_stage(sitting(REVIEW, review), "review")[0].text == "abstains: no JSON in it"


def test_an_absence_says_why() -> None:
    absence = {
        "kind": "absence", "seq": 3, "agent_id": "agent_2", "stage": "opinions",
        "code": "timeout", "detail": "it took too long",
    }  # fmt: skip
    voice = of_stage(sitting(OPINIONS, absence), "opinions")[1]
    assert (voice.state, voice.detail) == ("absent", "timeout: it took too long")


def test_the_position_is_the_last_stored_event_and_unknown_kinds_are_passed_over() -> None:
    assert sitting(OPINIONS, delta("x", 0), {"kind": "new_in_2030", "seq": 9}).last_seq == 9


def test_stages_that_are_over_are_drawn_once_each_under_a_name() -> None:
    ranking = {
        "kind": "ranking", "seq": 8,
        "ranking": [
            {"agent_id": "agent_2", "place": 1, "mean_score": 8.0, "votes": 1},
            {"agent_id": "agent_1", "place": 2, "mean_score": 0.0, "votes": 0},
        ],
    }  # fmt: skip
    assert [name for name, _ in views.finished(sitting(OPINIONS))] == []
    assert [name for name, _ in views.finished(sitting(OPINIONS, REVIEW))] == ["opinions"]
    review = {
        "kind": "review", "seq": 6, "agent_id": "agent_1", "rankings": [], "rejected": ["no JSON"],
    }  # fmt: skip
    hearing = sitting(OPINIONS, REVIEW, review, ranking)
    assert [name for name, _ in views.finished(hearing)] == ["opinions", "review", "scores"]
    table = drawn(scores.table(hearing))
    assert "Beta" in table and "8.0" in table and "–" in table


def test_of_a_fast_council_opinions_come_first_and_then_who_agrees_most() -> None:
    line = {"agent_id": "agent_2", "place": 1, "mean_score": 0.0, "votes": 0, "points": 0.61}
    count = {"kind": "number", "answers": {"agent_1": "42", "agent_2": "42"}, "winner": "42",
             "votes": 2}  # fmt: skip
    ranking = {
        "kind": "ranking", "seq": 4, "method": "consensus", "ranking": [line], "count": count,
    }  # fmt: skip
    hearing = sitting(OPINIONS, ranking)
    assert [name for name, _ in views.finished(hearing)] == ["opinions", "scores"]
    told = scores.plain(hearing)
    assert told == (
        "1. Beta: 0.61 points, by how much it agrees with the others\n2 of 2 opinions answer 42."
    )
    undecided = {**count, "winner": None, "votes": 0, "answers": {"agent_1": "41", "agent_2": "42"}}
    split = sitting(OPINIONS, {**ranking, "count": undecided})
    assert "The opinions answer 41, 42: none of them most often." in scores.plain(split)
    alone = sitting(OPINIONS, {**ranking, "count": {**undecided, "answers": {"agent_1": "41"}}})
    assert "Only one of the opinions states an answer: 41." in scores.plain(alone)


BALLOTS: tuple[dict[str, Any], ...] = (
    {
        "kind": "review", "seq": 6, "agent_id": "agent_1", "rejected": ["a score of 11"],
        "rankings": [{"agent_id": "agent_2", "score": 8, "reasoning": "It is [bold]clear."}],
    },
    {
        "kind": "absence", "seq": 7, "agent_id": "agent_2", "stage": "review", "code": "timeout",
        "detail": "it took too long",
    },
)  # fmt: skip


def test_reviews_are_a_matrix_with_abstentions_and_reasons_where_they_are_wanted() -> None:
    hearing = sitting(OPINIONS, REVIEW, *BALLOTS)
    bare = drawn(matrix(hearing, with_reasons=False))
    assert re.search(r"│ Alpha │ +│ +8 │", bare) and re.search(r"│ Beta +│ no vote │ +│", bare)
    assert "Beta abstains: it took too long" in bare and "--reasons" in bare
    whole = drawn(matrix(hearing, with_reasons=True))
    assert "Alpha gave Beta 8 of 10: It is [bold]clear." in whole and "clear" not in bare
    assert "Of Alpha's ballot does not count: a score of 11" in whole and "--reasons" not in whole


def test_judges_words_can_be_read_by_who_is_meant_by_which_label() -> None:
    ballot, absence = BALLOTS
    labelled = {**ballot, "labels": {"agent_1": "B", "agent_2": "A"}}
    whole = drawn(matrix(sitting(OPINIONS, REVIEW, labelled, absence), with_reasons=True))
    assert "The judges saw the answers without names: A = Beta, B = Alpha." in whole
    old = drawn(matrix(sitting(OPINIONS, REVIEW, *BALLOTS), with_reasons=True))
    assert "without names" not in old


def test_a_judge_that_gives_no_reasons_is_quoted_without_its_ballot() -> None:
    ballot = '{"rankings": [{"agent_id": "A", "score": 8}]}'
    review = {
        "kind": "review", "seq": 6, "agent_id": "agent_1", "rejected": ["a score of 11"],
        "rankings": [{"agent_id": "agent_2", "score": 8}],
        "content": f"Both are fine.\nThe first is short.\n\n```json\n{ballot}\n```",
    }  # fmt: skip
    hearing = sitting(OPINIONS, REVIEW, review)
    assert "--reasons" in drawn(matrix(hearing, with_reasons=False))
    whole = drawn(matrix(hearing, with_reasons=True))
    assert "Alpha, in its own words: Both are fine. The first is short." in whole
    assert "rankings" not in whole and "no reason given" not in whole
    assert "Of Alpha's ballot does not count: a score of 11" in whole
    wordless = sitting(OPINIONS, REVIEW, review | {"content": ballot, "rejected": []})
    assert "Alpha gave Beta 8 of 10: no reason given" in drawn(matrix(wordless, True))


def test_a_matrix_that_does_not_fit_is_a_paragraph_a_judge() -> None:
    narrow = drawn(matrix(sitting(OPINIONS, REVIEW, *BALLOTS), with_reasons=False), 20)
    assert "Alpha\n  Beta 8" in re.sub(" +\n", "\n", narrow)


def test_reviews_of_one_opinion_each_are_gathered_by_their_reviewer() -> None:
    def review(about: str, score: int) -> dict[str, Any]:
        votes = [{"agent_id": about, "score": score}]
        return {"kind": "review", "seq": 6, "agent_id": "agent_1", "about": about,
                "rankings": votes, "rejected": []}  # fmt: skip

    hearing = sitting(OPINIONS, REVIEW, review("agent_2", 8), review("agent_3", 5))
    assert of_stage(hearing, "review")[0].text == "Beta 8/10, agent_3 5/10"


def test_revisions_and_the_guard_have_panels_of_those_who_speak() -> None:
    def stage(name: str, seq: int) -> dict[str, Any]:
        return {"kind": "stage_started", "seq": seq, "stage": name}

    def compared(better: str | None, seq: int) -> dict[str, Any]:
        used = {"completion_tokens": 4, "total_tokens": 50}
        return {"kind": "guard_ballot", "seq": seq, "agent_id": "agent_2", "better": better,
                "usage": used}  # fmt: skip

    revised = {"kind": "revision", "seq": 8, "agent_id": "agent_1", "content": "Better words."}
    draft = {"kind": "synthesis", "seq": 10, "agent_id": "chairman", "content": "So it is."}
    hearing = sitting(OPINIONS, REVIEW, stage("revision", 7), revised, stage("synthesis", 9))
    assert [voice.name for voice in of_stage(hearing, "revision")] == ["Alpha"]
    assert "revision" in [name for name, _ in views.finished(hearing)]
    hearing = heard(hearing, draft)
    assert of_stage(hearing, "synthesis")[0].text == "So it is."
    for event in (stage("guard", 11), compared("synthesis", 12), compared(None, 13)):
        hearing = heard(hearing, event)
    (voice,) = of_stage(hearing, "guard")
    assert voice.text == "the synthesis, then nothing that could be read"
    assert voice.tokens == 100, "of both calls"
    assert "Guard" in drawn(views.live(hearing, SIZE))
    ended = heard(hearing, {"kind": "session_closed", "seq": 14, "outcome": "complete"})
    assert [name for name, _ in views.finished(ended)][-1] == "guard"


def test_what_a_model_writes_is_neither_markup_nor_a_terminal_command() -> None:
    text = "[bold]x[/bold] [link=http://evil]y[/link]\x1b]0;owned\x07\x1b[2J\x9b31m"
    shown = drawn(views.live(sitting(OPINIONS, delta(text, 0)), SIZE))
    assert "[bold]x[/bold]" in shown
    assert not set("\x1b\x07\x9b") & set(shown)


def test_the_live_view_fits_the_terminal() -> None:
    hearing = sitting(OPINIONS, delta("line\n" * 500, 0))
    assert len(drawn(views.live(hearing, SIZE)).splitlines()) <= 24


def test_the_live_view_shows_the_end_of_what_was_said_without_losing_a_word() -> None:
    words = [f"word{number}" for number in range(400)]
    shown = drawn(views.live(sitting(OPINIONS, delta(" ".join(words), 0)), SIZE)).split()
    last = [word for word in shown if word.startswith("word")]
    assert last == words[-len(last) :] and len(last) > 20


def test_tokens_and_times_are_those_of_the_requirement() -> None:
    stages = {
        "stage1_opinions": (244, 256, 500, 2100),
        "stage2_review": (1293, 594, 1887, 4000),
        "stage3_synthesis": (501, 352, 853, 3300),
    }
    usage: dict[str, Any] = {
        name: {
            "total_prompt_tokens": prompt,
            "total_completion_tokens": completion,
            "total_tokens": total,
            "by_model": {},
        }
        for name, (prompt, completion, total, _) in stages.items()
    }
    usage |= {
        "total_prompt_tokens": 2038, "total_completion_tokens": 1202, "total_tokens": 3240,
    }  # fmt: skip
    latency: dict[str, Any] = {name: {"total_duration_ms": ms} for name, (*_, ms) in stages.items()}
    latency["total_duration_ms"] = 9400
    session = {"token_usage": usage, "latency_stats": latency}
    assert costs.rows(session) == [
        ("Opinions", "244", "256", "500", "2.1 s"),
        ("Review", "1,293", "594", "1,887", "4.0 s"),
        ("Synthesis", "501", "352", "853", "3.3 s"),
        ("Total", "2,038", "1,202", "3,240", "9.4 s"),
    ]


def test_a_stage_of_several_models_says_what_each_took() -> None:
    used = {"a:1b": (10, 3), "b:2b": (2000, 20)}
    models = {
        name: {"prompt_tokens": prompt, "completion_tokens": completion}
        for name, (prompt, completion) in used.items()
    }
    total = {"total_prompt_tokens": 2010, "total_completion_tokens": 23}
    stage = {"total_duration_ms": 900}
    session = {
        "token_usage": {**total, "stage1_opinions": {**total, "by_model": models}},
        "latency_stats": {**stage, "stage1_opinions": stage},
    }
    assert costs.plain(session).splitlines() == [
        "Opinions: 2,033 tokens (2,010 prompt + 23 completion), 0.9 s",
        "  a:1b: 13 tokens (10 prompt + 3 completion)",
        "  b:2b: 2,020 tokens (2,000 prompt + 20 completion)",
        "Total: 2,033 tokens (2,010 prompt + 23 completion), 0.9 s",
    ]
    assert "  b:2b" in drawn(costs.table(session))


def test_the_scores_say_how_sure_a_place_is_and_how_far_judges_agree() -> None:
    line = {"agent_id": "agent_1", "place": 1, "mean_score": 8.0, "votes": 2, "points": 7.5}
    sure = {**line, "interval": {"best": 1, "worst": 2}}
    said = {"sentence": "2 of 3 judges put Alpha first; first and second are too close to call."}
    hearing = sitting({"kind": "ranking", "seq": 8, "ranking": [sure], "agreement": said})
    table = drawn(scores.table(hearing))
    assert "1 (1–2)" in table and "7.50" in table
    assert "too close to call" in table
    certain = {**line, "interval": {"best": 1, "worst": 1}}
    assert [scores.place(each) for each in (line, certain)] == ["1", "1"]
    first, agreed = scores.plain(hearing).splitlines()
    assert first == "1 (1–2). Alpha: 7.50 points, mean 8.0 of 10 from 2 votes"
    assert agreed == said["sentence"]
