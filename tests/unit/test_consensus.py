"""The opinion that is most like the others is found by words alone, whoever wrote it."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.council.judging.consensus import CUT_OFF, LOOKED_AT, consensus, likeness

texts = st.text(max_size=300) | st.text(alphabet="ab c.\n一二é'", max_size=80)
opinions_ = st.dictionaries(st.text(min_size=1, max_size=3), texts, max_size=6)

RAYLEIGH = {
    "qwen": "The sky is blue because air molecules scatter short blue wavelengths of sunlight "
    "more than long red ones. This is called Rayleigh scattering.",
    "llama": "Sunlight contains all colours. Air molecules scatter blue light more strongly than "
    "red light, an effect known as Rayleigh scattering, so the sky looks blue.",
    "phi": "It is Rayleigh scattering: molecules in the air scatter the short wavelengths, blue "
    "light, much more than the long wavelengths of red light.",
    "smollm": "The sky is blue because it reflects the colour of the oceans, which cover most of "
    "the Earth.",
}


def best(opinions: dict[str, str]) -> str:
    found = consensus(opinions)
    return max(found, key=lambda agent_id: found[agent_id])


def test_the_odd_one_out_is_last() -> None:
    found = consensus(RAYLEIGH)
    assert min(found, key=lambda agent_id: found[agent_id]) == "smollm"


def test_french_opinions_with_and_without_accents_agree() -> None:
    found = consensus(
        {
            "a": "La Révolution française a commencé en 1789 avec la prise de la Bastille.",
            "b": "La revolution francaise commence en 1789, a la prise de la Bastille.",
            "c": "Elle a eu lieu sous Napoléon, au début du dix-neuvième siècle.",
        }
    )
    assert min(found["a"], found["b"]) > 2 * found["c"]


def test_chinese_opinions_are_compared_by_characters() -> None:
    found = consensus(
        {
            "a": "天空是蓝色的，因为空气分子散射蓝光。",
            "b": "因为空气分子对蓝光的散射更强，所以天空是蓝色的。",
            "c": "海洋反射了颜色。",
        }
    )
    assert found["a"] > 3 * found["c"] and found["b"] > 3 * found["c"]


@pytest.mark.parametrize(
    "nothing",
    [
        "",
        "   \n…!",
        "I don't know.",
        "I’m sorry, but I can't help with that.",
        "Sorry, I do not have enough information.",
        "As an AI language model, I have no opinion on the sky.",
        "I am not sure why the sky is blue.",
        "Je ne sais pas pourquoi le ciel est bleu.",
        "Désolé, je ne peux pas répondre.",
        "Ich weiß es leider nicht.",
        "No lo sé.",
        "我不知道。",
    ],
)
def test_who_says_nothing_gets_nothing_and_takes_nothing(nothing: str) -> None:
    without = consensus(RAYLEIGH)
    for silent in ({"x": nothing}, {"x": nothing, "y": nothing, "z": nothing}):
        found = consensus(RAYLEIGH | silent)
        assert {agent_id: found[agent_id] for agent_id in RAYLEIGH} == without
        assert not any(found[agent_id] for agent_id in silent)


def test_the_only_one_with_something_to_say_has_all() -> None:
    assert consensus({"a": "I don't know.", "b": "Paris", "c": "I do not know"}) == dict(
        a=0.0, b=1.0, c=0.0
    )


def test_where_nobody_knows_they_are_compared_all_the_same() -> None:
    found = consensus({"a": "I don't know.", "b": "I don't know.", "c": "I cannot say"})
    assert found["a"] == found["b"] > found["c"]
    assert consensus({"a": "", "b": ""}) == {"a": 0.0, "b": 0.0}


def test_an_apology_with_a_long_answer_is_an_answer() -> None:
    long = "Sorry for being long. " + " ".join(RAYLEIGH.values())
    assert consensus(RAYLEIGH | {"x": long})["x"] > 0.2


def test_of_two_alike_the_one_that_was_cut_off_is_behind() -> None:
    whole = "Rayleigh scattering. Blue light is scattered more than red light."
    found = consensus({"a": whole, "b": whole.rstrip("."), "c": RAYLEIGH["phi"]})
    assert found["b"] == pytest.approx(CUT_OFF * found["a"])
    shorter = whole[: len(whole) * 3 // 4]
    assert best({"a": whole, "b": shorter, "c": RAYLEIGH["phi"]}) == "a"


@pytest.mark.parametrize("text", ["42", "Paris", "These. Are:\n- red\n- blue", "So. | a | b |"])
def test_what_needs_no_full_stop_is_not_cut_off(text: str) -> None:
    assert consensus({"a": text}) == {"a": 1.0}


def test_no_opinion_no_consensus() -> None:
    assert consensus({}) == {}


@given(st.integers(2, 20))
def test_repeating_everything_gains_nothing(times: int) -> None:
    loud = "\n".join([RAYLEIGH["smollm"]] * times)
    assert consensus(RAYLEIGH | {"smollm": loud}) == consensus(RAYLEIGH)


@given(st.lists(st.sampled_from(sorted(RAYLEIGH)), min_size=1))
def test_repeating_within_the_line_gains_next_to_nothing(times: list[str]) -> None:
    loud = " ".join([RAYLEIGH["smollm"]] * len(times))
    assert consensus(RAYLEIGH | {"smollm": loud})["smollm"] <= consensus(RAYLEIGH)["smollm"]


def test_only_the_beginning_of_an_enormous_text_is_read() -> None:
    start = "blue light " * 2_000
    assert consensus({"a": start + "x " * 10_000_000, "b": start}) == consensus(
        {"a": start[:LOOKED_AT], "b": start[:LOOKED_AT]}
    )


@given(opinions_, st.randoms())
def test_the_order_of_opinions_makes_no_difference(
    opinions: dict[str, str], chance: object
) -> None:
    shuffled = list(opinions.items())
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    found = consensus(opinions)
    assert list(consensus(dict(shuffled)).items()) == list(found.items())
    assert list(found) == sorted(opinions)
    assert all(0 <= one <= 1 for one in found.values())


@given(texts, texts)
def test_likeness_is_a_share_and_goes_either_way(one: str, other: str) -> None:
    assert likeness(one, other) == likeness(other, one)
    assert 0 <= likeness(one, other) <= 1


@pytest.mark.parametrize("text", ["Paris", "Le ciel est bleu", "天空", "ภาษาไทย", "42"])
def test_a_text_is_wholly_like_itself_in_any_case_and_form(text: str) -> None:
    assert likeness(text, f" **{text.upper()}**!") == 1
    assert likeness(text, unicodedata.normalize("NFD", text)) == 1
    assert likeness(text, "nothing of it") == 0
