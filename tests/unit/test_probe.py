"""The probe of one PC: vitals and the model server's state in one report, whatever is broken."""

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from actors.messages.calls import CallFailed
from actors.ollama.status import ModelLimits
from actors.probe import LocalNode, NodeProbe

LOCAL = LocalNode(
    name="pc2",
    ip="10.0.0.2",
    role="worker",
    ollama_url="http://127.0.0.1:11434",
    max_models=3,
    num_parallel=2,
)
ANSWERS = {
    "/api/version": {"version": "0.20.1"},
    "/api/tags": {"models": [{"name": "qwen2.5:0.5b", "size": 400}]},
    "/api/ps": {"models": [{"name": "qwen2.5:0.5b", "size": 500}]},
    "/api/show": {"model_info": {"general.architecture": "qwen2", "qwen2.context_length": 32768}},
}

Handler = Callable[[httpx.Request], httpx.Response]


def probe(handler: Handler, local: LocalNode = LOCAL) -> NodeProbe:
    return NodeProbe(
        lambda: local, lambda: httpx.AsyncClient(transport=httpx.MockTransport(handler))
    )


def answer(status: int, value: object) -> httpx.Response:
    """As from a wire: with a body that is still to be read."""
    return httpx.Response(status, stream=httpx.ByteStream(json.dumps(value).encode()))


def serves(request: httpx.Request) -> httpx.Response:
    return answer(200, ANSWERS[request.url.path])


def lacks(request: httpx.Request) -> httpx.Response:
    return answer(404, {"error": "model 'x' not found"})


def down(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused")


async def test_a_report_has_the_pc_and_its_model_server() -> None:
    report = await probe(serves).report()
    assert (report.name, report.ip, report.role) == ("pc2", "10.0.0.2", "worker")
    assert (report.max_models, report.num_parallel) == (3, 2)
    assert report.at.utcoffset() is not None
    assert report.vitals is not None
    assert report.vitals.memory.total > 0
    assert report.ollama is not None
    assert (report.ollama.connected, report.ollama.version) == (True, "0.20.1")
    assert [model.name for model in report.ollama.installed] == ["qwen2.5:0.5b"]
    assert [model.name for model in report.ollama.loaded] == ["qwen2.5:0.5b"]


async def test_a_server_that_is_down_is_said_beside_the_vitals() -> None:
    report = await probe(down).report()
    assert report.vitals is not None
    assert report.ollama is not None
    assert (report.ollama.connected, report.ollama.error_code) == (False, "node_unreachable")


async def test_a_disk_that_cannot_be_read_leaves_the_rest_of_the_report() -> None:
    report = await probe(serves, LOCAL.model_copy(update={"disk": Path("/no/such")})).report()
    assert report.vitals is None
    assert report.ollama is not None
    assert report.ollama.connected


async def test_settings_are_read_once_where_the_probe_is_made() -> None:
    calls: list[str] = []

    def local() -> LocalNode:
        calls.append("read")
        return LOCAL

    made = NodeProbe(local, lambda: httpx.AsyncClient(transport=httpx.MockTransport(serves)))
    await made.report()
    await made.report()
    assert calls == ["read"]


@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        (serves, ModelLimits(context_length=32768, capabilities=())),
        (lacks, "model_not_available"),
        (down, "node_unreachable"),
    ],
)
async def test_a_models_limits_or_why_not(handler: Handler, expected: object) -> None:
    told = await probe(handler).show("x")
    assert (told.code if isinstance(told, CallFailed) else told) == expected
