"""Questions are read from JSONL; a bad line is named with what to mend. And the shipped ones."""

import json
from collections import Counter

import pytest

from serve_app.bench.items import BadItems, Item, drawn, read_items
from serve_app.bench.matching import is_right
from serve_app.cli.bench import SHIPPED


def test_a_line_has_answers_or_a_judge() -> None:
    lines = [
        '{"id": "a", "question": "6 × 7?", "answers": ["42"], "kind": "sums"}',
        "",
        '{"id": "b", "question": "Why?", "judge": "It names scattering.", "language": "en"}',
    ]
    first, second = read_items(lines)
    assert first.answers == ("42",) and first.query.startswith("6 × 7?\n\nEnd with one line")
    assert second.query == "Why?", "a judge reads all of the text: no form is asked for"
    french = Item(id="c", question="6 × 7 ?", answers=("42",), language="fr")
    assert "Réponse : <" in french.query


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "Line 2: this is not JSON"),
        ("[1]", "Line 2: it is no object"),
        ('{"id": "b", "answers": ["x"]}', 'Line 2: "question" is missing.'),
        ('{"id": "b", "question": "?"}', 'Line 2: give either "answers" or "judge"'),
        (
            '{"id": "b", "question": "?", "answers": ["x"], "judge": "y"}',
            'Line 2: give either "answers" or "judge"',
        ),
        ('{"id": "b", "question": "?", "answers": []}', 'Line 2: "answers": '),
        ('{"id": "b", "question": "?", "answers": "x"}', 'Line 2: "answers": '),
        ('{"id": "b", "question": "?", "answers": ["…"]}', "has no letter and no digit"),
        ('{"id": 7, "question": "?", "answers": ["x"]}', 'Line 2: "id": '),
        ('{"id": "b", "question": "?", "answer": ["x"]}', '"answer" is no field of a question'),
        ('{"id": "a", "question": "?", "answers": ["x"]}', "is that of line 1, too"),
    ],
)
def test_a_bad_line_is_named_with_what_to_mend(line: str, said: str) -> None:
    good = '{"id": "a", "question": "?", "answers": ["x"]}'
    with pytest.raises(BadItems) as bad:
        read_items([good, line])
    assert said in "\n".join(map(str, bad.value.args))


def test_many_bad_lines_are_told_at_once_but_not_all() -> None:
    with pytest.raises(BadItems) as bad:
        read_items(["{"] * 9)
    assert len(bad.value.args) == 6 and bad.value.args[-1] == "And 4 more."


def test_a_file_without_a_question_is_refused() -> None:
    with pytest.raises(BadItems, match="no question"):
        read_items(["", "  "])


def test_a_greater_limit_adds_to_a_smaller() -> None:
    items = read_items(SHIPPED.read_text(encoding="utf-8").splitlines())
    assert drawn(items, 1, 30)[:10] == drawn(items, 1, 10)
    assert drawn(items, 1, 10) != drawn(items, 2, 10)
    assert len(drawn(items, 1, None)) == len(items)


def test_the_shipped_questions_are_as_many_in_english_as_in_french() -> None:
    items = read_items(SHIPPED.read_text(encoding="utf-8").splitlines())
    assert len(items) == 80
    assert set(Counter((i.language, i.kind) for i in items).values()) == {10}
    assert all(item.answers for item in items)


def test_each_shipped_answer_is_right_as_a_model_may_give_it_and_other_choices_are_not() -> None:
    items = read_items(SHIPPED.read_text(encoding="utf-8").splitlines())
    for item in items:
        mark = "Réponse" if item.language == "fr" else "Answer"
        for answer in item.answers or ():
            assert is_right(f"{mark} : {answer}", item), item.id
            assert is_right(f"Hm, hm.\n\n**{mark} :** {answer}.", item), item.id
            assert is_right(answer, item), item.id
        others = [c for c in item.choices if c not in (item.answers or ())]
        for other in others:
            assert not is_right(f"{mark} : {other}", item), item.id
        if item.choices:
            assert not is_right(f"{mark} : {', '.join(item.choices)}", item), item.id
        assert not is_right(item.question, item), item.id
        assert not is_right(item.query, item), item.id


def test_the_shipped_questions_are_one_object_a_line() -> None:
    for line in SHIPPED.read_text(encoding="utf-8").splitlines():
        assert json.dumps(json.loads(line), ensure_ascii=False) == line
