"""Seats: what was asked for, what is installed, and refusals that say what to mend."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.council.table.personas import PERSONAS
from actors.council.table.seating import Seating, SeatingDefaults, seat
from actors.errors import FieldReason, InvalidRequest, ModelNotInstalled, NoModelServer
from actors.messages.nodes import InstalledModel
from actors.messages.requests import AgentSpec, CouncilRequest, ModelOptions

DEFAULTS = SeatingDefaults()
ASKED = CouncilRequest(query="Why is the sky blue?")


def disk(*names: str) -> list[InstalledModel]:
    """Models on disk, each larger than the one before."""
    return [InstalledModel(name=name, size=index) for index, name in enumerate(names)]


def asked(*models: str, names: tuple[str | None, ...] = ()) -> CouncilRequest:
    padded = (*names, *[None] * (len(models) - len(names)))
    specs = tuple(AgentSpec(model=m, name=n) for m, n in zip(models, padded, strict=True))
    return CouncilRequest(query="Why?", selected_agents=specs)


def models(seating: Seating) -> list[str]:
    return [one.model for one in seating.seats]


def names(seating: Seating) -> list[str]:
    return [one.name for one in seating.seats]


def test_what_is_asked_for_is_seated_with_ids_in_order() -> None:
    options = ModelOptions(temperature=0.3, seed=7)
    request = CouncilRequest(
        query="Why?",
        selected_agents=(
            AgentSpec(name="Ann", model="a", system="You are a physicist.", options=options),
            AgentSpec(model="b:1"),
        ),
        chairman_model="b:1",
    )
    seating = seat(request, disk("a:latest", "b:1"), DEFAULTS)
    first, second = seating.seats
    assert (first.agent_id, first.name, first.model) == ("agent_1", "Ann", "a:latest")
    assert (first.system, first.options) == ("You are a physicist.", options)
    assert (second.agent_id, second.name, second.system) == ("agent_2", "Expert_Beta", None)
    assert seating.chairman_model == "b:1"


def test_the_same_model_twice_is_two_seats_as_asked() -> None:
    seating = seat(asked("a", "a"), disk("a:latest"), DEFAULTS)
    assert [one.agent_id for one in seating.seats] == ["agent_1", "agent_2"]
    assert [one.system for one in seating.seats] == [None, None]


def test_recommended_models_are_seated_first_then_the_smallest() -> None:
    installed = disk("big:70b", "gemma2:2b", "qwen2.5:0.5b", "nomic-embed-text", "x:cloud")
    assert models(seat(ASKED, installed, DEFAULTS)) == ["qwen2.5:0.5b", "gemma2:2b", "big:70b"]
    installed = disk("a", "b", "c", "d")[::-1]
    assert models(seat(ASKED, installed, DEFAULTS)) == ["a", "b", "c"]


def test_one_model_fills_three_seats_with_different_tempers() -> None:
    seats = seat(ASKED, disk("smollm2:135m"), DEFAULTS).seats
    assert [one.model for one in seats] == ["smollm2:135m"] * 3
    for values in (
        {one.system for one in seats},
        {one.options.temperature for one in seats},
        {one.options.seed for one in seats},
        {one.name for one in seats},
    ):
        assert len(values) == 3
    assert all("language of the question" in persona.system for persona in PERSONAS)


def test_of_two_models_only_the_one_that_sits_twice_gets_personas() -> None:
    seats = seat(ASKED, disk("a", "b"), DEFAULTS).seats
    assert [one.model for one in seats] == ["a", "b", "a"]
    assert [one.system is None for one in seats] == [False, True, False]


def test_configured_models_sit_where_none_are_named() -> None:
    defaults = SeatingDefaults(models=("b", "b", "b", "b", "a", "a"), max_agents=5)
    seating = seat(ASKED, disk("a:latest", "b:latest"), defaults)
    assert models(seating) == ["b:latest"] * 4 + ["a:latest"]
    assert len({one.options.seed for one in seating.seats[:4]}) == 4


def test_fewer_seats_where_fewer_may_sit() -> None:
    assert len(seat(ASKED, disk("a"), SeatingDefaults(max_agents=2)).seats) == 2


@pytest.mark.parametrize(
    ("given_names", "seated"),
    [
        ((None, None, None), ["Expert_Alpha", "Expert_Beta", "Expert_Gamma"]),
        (("x", "x", "X"), ["x", "x_2", "X_3"]),
        (("Expert_Beta", None, "\u200b"), ["Expert_Beta", "Expert_Beta_2", "Expert_Gamma"]),
        (("x", "x", "x_2"), ["x", "x_3", "x_2"]),
        (("a\nb\u202e  c", "d", "e"), ["a b c", "d", "e"]),
    ],
)
def test_names_are_unique_and_on_one_line(
    given_names: tuple[str | None, ...], seated: list[str]
) -> None:
    seating = seat(asked("a", "a", "a", names=given_names), disk("a"), DEFAULTS)
    assert names(seating) == seated


@given(
    st.lists(st.sampled_from([None, "x", "X", "x_2", "x_3", "Expert_Beta"]), min_size=1, max_size=8)
)
def test_names_are_always_unique(given_names: list[str | None]) -> None:
    defaults = SeatingDefaults(max_agents=1000)
    request = asked(*["a"] * len(given_names), names=tuple(given_names))
    folded = [name.casefold() for name in names(seat(request, disk("a"), defaults))]
    assert len(set(folded)) == len(folded)


def test_an_eleventh_seat_has_a_name_too() -> None:
    seating = seat(asked(*["a"] * 11), disk("a"), SeatingDefaults(max_agents=11))
    assert names(seating)[-1] == "Expert_11"


def test_the_chairman_asked_for_then_configured_then_recommended_then_the_largest() -> None:
    installed = disk("a", "b", "phi3.5:latest", "c")
    configured = SeatingDefaults(chairman_model="b")
    request = asked("a").model_copy(update={"chairman_model": "c"})
    assert seat(request, installed, configured).chairman_model == "c"
    assert seat(asked("a"), installed, configured).chairman_model == "b"
    assert seat(asked("a"), installed, DEFAULTS).chairman_model == "phi3.5:latest"
    assert seat(asked("a", "b"), disk("a", "b", "c"), DEFAULTS).chairman_model == "b"


def test_a_model_on_two_pcs_is_one_model() -> None:
    assert models(seat(ASKED, [*disk("a", "b"), *disk("a")], DEFAULTS)) == ["a", "b", "a"]


@pytest.mark.parametrize(
    ("request_", "defaults"),
    [
        (asked("gpt-9"), DEFAULTS),
        (ASKED.model_copy(update={"chairman_model": "gpt-9"}), DEFAULTS),
        (ASKED, SeatingDefaults(models=("gpt-9",))),
        (ASKED, SeatingDefaults(chairman_model="gpt-9")),
    ],
)
def test_a_model_nobody_has_is_named_with_what_there_is(
    request_: CouncilRequest, defaults: SeatingDefaults
) -> None:
    with pytest.raises(ModelNotInstalled) as refused:
        seat(request_, disk("b:1", "a:latest"), defaults)
    assert "gpt-9" in refused.value.detail
    assert refused.value.values == ("gpt-9",)
    assert "a:latest, b:1" in refused.value.detail


def test_models_that_cannot_chat_are_not_seated_unasked() -> None:
    with pytest.raises(ModelNotInstalled, match="nomic-embed-text"):
        seat(ASKED, disk("nomic-embed-text"), DEFAULTS)


def test_without_any_model_there_is_no_server_to_ask() -> None:
    with pytest.raises(NoModelServer, match="ollama pull"):
        seat(ASKED, [], DEFAULTS)


@pytest.mark.parametrize(
    ("request_", "locs"),
    [
        (CouncilRequest(query=" \n\u200b\u00ad"), [["query"]]),
        (CouncilRequest(query="x" * 32_001), [["query"]]),
        (CouncilRequest(query="a\x00b"), [["query"]]),
        (asked(*["a"] * 6), [["selected_agents"]]),
        (
            asked(*["a"] * 6).model_copy(update={"query": " "}),
            [["query"], ["selected_agents"]],
        ),
        (asked("a", names=("\x00",)), [["selected_agents", 0, "name"]]),
        (
            CouncilRequest(
                query="Why?",
                selected_agents=(
                    AgentSpec(model="a"),
                    AgentSpec(model="a", system="\x00", options=ModelOptions(stop=("x", "\x00"))),
                ),
            ),
            [
                ["selected_agents", 1, "system"],
                ["selected_agents", 1, "options", "stop"],
            ],
        ),
    ],
)
def test_a_wrong_field_is_refused_with_its_path(
    request_: CouncilRequest, locs: list[list[str | int]]
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        seat(request_, disk("a"), DEFAULTS)
    assert [error["loc"] for error in refused.value.errors] == locs
    assert all(error["reason"] in get_args(FieldReason) for error in refused.value.errors)
    assert all(error["msg"] in refused.value.detail for error in refused.value.errors)


@pytest.mark.parametrize("query", ["?", "🎉", "מדוע השמיים כחולים", "a\tb\nc\x1b", "x" * 32_000])
def test_odd_questions_are_questions(query: str) -> None:
    assert seat(CouncilRequest(query=query), disk("a"), DEFAULTS).seats
