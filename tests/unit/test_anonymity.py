"""Labels hide the seats evenly and the same way each time; mentions of them are found again."""

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.council.asking.anonymity import MENTION_WORD, begins_mention, cited, labels, reveal

NAMES = {"A": "Expert_Alpha", "B": "Expert_Beta", "C": "Expert_Gamma"}
SEATS = {"agent_3": "A", "agent_1": "B", "agent_2": "C"}
ids = st.lists(st.text(min_size=1, max_size=8), unique=True, max_size=60)


@given(ids, st.integers())
def test_labels_are_unique_and_in_order_of_presentation(agent_ids: list[str], seed: int) -> None:
    named = labels(agent_ids, seed)
    assert set(named) == set(agent_ids)
    assert len(set(named.values())) == len(agent_ids)
    assert list(named.values()) == sorted(named.values(), key=lambda label: (len(label), label))


@given(ids, st.integers(), st.randoms())
def test_labels_do_not_depend_on_the_order_the_seats_come_in(
    agent_ids: list[str], seed: int, chance: object
) -> None:
    shuffled = list(agent_ids)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert list(labels(shuffled, seed).items()) == list(labels(agent_ids, seed).items())


def test_every_seat_comes_first_about_as_often() -> None:
    seats = ["agent_1", "agent_2", "agent_3"]
    first = Counter(next(iter(labels(seats, seed))) for seed in range(3000))
    assert all(900 < first[seat] < 1100 for seat in seats)


def test_after_z_comes_aa() -> None:
    assert list(labels([f"agent_{n}" for n in range(28)], 1).values())[24:] == [
        *("Y", "Z", "AA", "AB")
    ]


@pytest.mark.parametrize(
    ("text", "revealed"),
    [
        ("as [A] says", "as [Expert_Alpha] says"),
        ("[A, B] [A][C]", "[Expert_Alpha, Expert_Beta] [Expert_Alpha][Expert_Gamma]"),
        ("[Response A; Response B]", "[Expert_Alpha; Expert_Beta]"),
        ("【B】[A and C]", "【Expert_Beta】[Expert_Alpha and Expert_Gamma]"),
        ("**Response A**: no", "**Expert_Alpha**: no"),
        ("Response B's view", "Expert_Beta's view"),
        ("la Réponse C a été", "la Expert_Gamma a été"),
        ("re\u0301ponse C", "Expert_Gamma"),
        (
            "Responses A, B, and C agree",
            "Expert_Alpha, Expert_Beta, and Expert_Gamma agree",
        ),
        ("Answer A, A thing", "Expert_Alpha, A thing"),
    ],
)
def test_mentions_become_names(text: str, revealed: str) -> None:
    assert reveal(text, NAMES) == revealed


@pytest.mark.parametrize(
    "text",
    [
        "A thing, a [Z], une réponse a été donnée",
        "array[A] and `[A]` and [A](https://example.org)",
        "```py\nx = [A]\n```",
        "```\nResponse A, never closed",
        "Response AB, response able, Responses Z and Y",
    ],
)
def test_what_is_no_mention_stays(text: str) -> None:
    assert reveal(text, NAMES) == text
    assert cited(text, SEATS) == ()


def test_unknown_labels_stay_beside_known_ones() -> None:
    assert reveal("[A, Z]", NAMES) == "[Expert_Alpha, Z]"


def test_a_name_that_looks_like_a_label_is_not_replaced_again() -> None:
    assert reveal("[A] [B]", {"A": "[B]", "B": "[A]"}) == "[[B]] [[A]]"


def test_cited_gives_the_seats_once_in_order_of_first_mention() -> None:
    text = "[B] first, Responses C and B, then [A] and [Z]; `[A]`"
    assert cited(text, SEATS) == ("agent_1", "agent_2", "agent_3")


@given(st.text(alphabet="[]AB,`( )Response\n", max_size=300))
def test_no_text_is_too_odd(text: str) -> None:
    assert set(cited(text, SEATS)) <= set(SEATS)
    assert isinstance(reveal(text, NAMES), str)


@pytest.mark.parametrize(
    "word", ["Response", "réponses", "Re\u0301ponse", "AVIS", "antwort", "Agent"]
)
def test_what_may_become_a_mention_is_known_letter_by_letter(word: str) -> None:
    assert re.fullmatch(MENTION_WORD, word, re.IGNORECASE)
    assert all(begins_mention(word[:end]) for end in range(1, len(word) + 1))
    assert not begins_mention(f"{word}x") and not begins_mention("scatters")
