"""Which model calls are the same, and under which digest an answer counts."""

from datetime import UTC, datetime
from typing import Any

import pytest

from actors.council.asking.repeats import agreed, digests, fingerprint, repeatable, worth_keeping
from actors.messages.calls import ChatMessage, FollowUp, GenerateCall
from actors.messages.nodes import InstalledModel, NodeReport, OllamaStatus
from actors.messages.requests import ModelOptions
from tests.fake_hosts import answer

SCHEMA = {"properties": {"a": {"type": "string"}, "b": {"type": "integer"}}}
CALL = GenerateCall(
    call_id="s:opinions:agent_1",
    model="alpha:1b",
    messages=(ChatMessage(role="user", content="Why?"),),
    options=ModelOptions(seed=1, num_predict=100),
    format=SCHEMA,
    timeout_s=9.0,
    then=FollowUp(ask="And?", num_predict=10),
)


def report(name: str, *models: tuple[str, str]) -> NodeReport:
    installed = tuple(InstalledModel(name=model, digest=digest) for model, digest in models)
    ollama = OllamaStatus(url="http://127.0.0.1:1", connected=True, installed=installed)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return NodeReport(name=name, ip="127.0.0.1", role="worker", at=at, ollama=ollama)


@pytest.mark.parametrize(
    ("options", "same_again"),
    [
        ({"seed": 0}, True),
        ({"seed": 7, "temperature": 1.5}, True),
        ({"temperature": 0}, True),
        ({"temperature": 0.2}, False),
        ({}, False),
    ],
)
def test_only_a_fixed_seed_or_temperature_0_says_the_same_again(
    options: dict[str, Any], same_again: bool
) -> None:
    call = CALL.model_copy(update={"options": ModelOptions(**options)})
    assert repeatable(call) == same_again


def test_who_asks_and_how_long_it_may_take_makes_no_difference() -> None:
    other = CALL.model_copy(update={"call_id": "t:opinions:agent_9", "timeout_s": 1.0})
    renamed = other.model_copy(update={"model": "copy-of-alpha:latest"})
    assert fingerprint(renamed, "d", 4096) == fingerprint(CALL, "d", 4096)


@pytest.mark.parametrize(
    "change",
    [
        {"messages": (ChatMessage(role="user", content="Why? "),)},
        {"messages": (ChatMessage(role="system", content="Why?"),)},
        {"messages": (*CALL.messages, ChatMessage(role="assistant", content=""))},
        {"options": ModelOptions(seed=2, num_predict=100)},
        {"options": ModelOptions(seed=1, num_predict=101)},
        {"options": ModelOptions(seed=1, num_predict=100, stop=("\n",))},
        {"options": ModelOptions(seed=1, num_predict=100, top_k=1)},
        {"format": None},
        {"format": "json"},
        {"format": {"properties": dict(reversed(SCHEMA["properties"].items()))}},
        {"think": False},
        {"then": None},
        {"then": FollowUp(ask="And?", num_predict=11)},
    ],
    ids=str,
)
def test_whatever_the_model_reads_or_draws_by_makes_another_call(change: dict[str, Any]) -> None:
    """The order of a schema's keys as well: a model writes them in that order."""
    assert fingerprint(CALL.model_copy(update=change), "d", 4096) != fingerprint(CALL, "d", 4096)


def test_another_model_or_context_makes_another_call() -> None:
    keys = {fingerprint(CALL, digest, size) for digest in ("d", "e") for size in (2048, 4096)}
    assert len(keys) == 4


def test_a_text_that_cannot_be_encoded_has_a_key_too() -> None:
    odd = CALL.model_copy(update={"messages": (ChatMessage(role="user", content="\ud800"),)})
    assert fingerprint(odd, "d", 4096) != fingerprint(CALL, "d", 4096)


def test_only_a_whole_answer_is_kept() -> None:
    whole = answer("Because.")
    assert worth_keeping(whole)
    assert not worth_keeping(whole.model_copy(update={"truncated": True}))
    assert not worth_keeping(whole.model_copy(update={"content": ""}))


def test_digests_are_those_of_the_model_whichever_way_its_name_is_written() -> None:
    silent = report("pc3").model_copy(update={"ollama": None})
    reports = (report("pc1", ("x:latest", "d"), ("y:latest", "e")), report("pc2"), silent)
    assert digests(reports, "x") == {"pc1": "d"}


def test_an_answer_counts_only_where_all_pcs_have_the_same_model() -> None:
    one, other, untold = (report(name, ("x", d)) for name, d in (("p", "d"), ("q", "e"), ("r", "")))
    same = report("s", ("x", "d"))
    assert agreed(digests((one, same), "x")) == "d"
    assert agreed(digests((one, other), "x")) == ""
    assert agreed(digests((one, untold), "x")) == ""
    assert agreed(digests((untold,), "x")) == ""
    assert agreed(digests((), "x")) == ""
