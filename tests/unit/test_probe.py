"""The probe of one PC: vitals and the model server's state in one report, whatever is broken."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from actors import probe as probes
from actors.messages.calls import CallFailed
from actors.messages.nodes import ModelLimits
from actors.pc.pc_meter import PcMeter
from actors.probe import LocalNode, NodeProbe
from tests.fake_hosts import until
from tests.power import NvidiaSmi, count_to, zone

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


def probe(
    handler: Handler, local: LocalNode = LOCAL, meter: Callable[[], PcMeter] = PcMeter
) -> NodeProbe:
    return NodeProbe(
        lambda: local, lambda: httpx.AsyncClient(transport=httpx.MockTransport(handler)), meter
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


async def test_what_the_pc_uses_is_told_where_it_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "ENERGY_S", 30)
    NvidiaSmi(tmp_path, monkeypatch).says("100.00\n")
    counter, times = zone(tmp_path, "intel-rapl:0", "package-0", 0), [1.0, 11.0]
    here = probe(serves, meter=lambda: PcMeter(tmp_path, lambda: times.pop(0)))
    first = (await here.report()).energy
    count_to(counter, 800_000)
    then = (await here.report()).energy
    assert first and (first.joules, first.watts, first.cards) == (0, None, 1)
    assert then and (then.joules, then.watts, then.since) == (1000.8, 100.1, first.since)
    away = LOCAL.model_copy(update={"ollama_url": "http://192.0.2.7:11434"})
    assert (await probe(serves, away, lambda: PcMeter(tmp_path)).report()).energy is None
    silent = probe(serves, meter=lambda: PcMeter(tmp_path / "nowhere"))
    assert (await silent.report()).energy is None


async def test_a_report_does_not_wait_for_cards_that_do_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "ENERGY_S", 0.01)
    smi = NvidiaSmi(tmp_path, monkeypatch)
    smi.says("100.00\n")
    zone(tmp_path, "intel-rapl:0", "package-0", 0)
    here, gate = probe(serves, meter=lambda: PcMeter(tmp_path)), smi.hold()
    reports = [await here.report() for _ in range(3)]
    assert [(one.energy, one.vitals is None) for one in reports] == [(None, False)] * 3
    await until(lambda: smi.asked() == 1)  # one look, however often it is asked
    os.write(gate, b"go\n")
    await until(smi.answered)
    os.write(gate, b"go\n")
    monkeypatch.setattr(probes, "ENERGY_S", 5)
    assert (await here.report()).energy is not None
    os.close(gate)
