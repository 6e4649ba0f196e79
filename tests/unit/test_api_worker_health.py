"""Single generations and health over HTTP, without Ray."""

import httpx
import pytest

from actors.errors import CouncilUnavailable, ServerBusy
from serve_app.configuration import ApiConfig
from tests.fake_council import MODEL, FakeCouncil, api

CONFIG = ApiConfig(version="1.2.3", python_version="3.11.7", ray_version="2.60.0")


def client(council: FakeCouncil) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(api(council, CONFIG))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost")


async def test_one_generation() -> None:
    async with client(FakeCouncil()) as http:
        result = (await http.post("/api/generate", json={"model": MODEL, "prompt": "hi"})).json()
    assert result["content"] == "HI" and result["done"]
    assert {"total_duration", "prompt_eval_count", "eval_count"} <= set(result)


async def test_a_model_that_fails_is_a_problem_with_its_code() -> None:
    council = FakeCouncil()
    async with client(council) as http:
        missing = await http.post("/api/generate", json={"model": "other", "prompt": "hi"})
        assert (missing.status_code, missing.json()["code"]) == (422, "model_not_available")
        council.failure = ServerBusy("Busy.")
        busy = await http.post("/api/generate", json={"model": MODEL, "prompt": "hi"})
        assert (busy.status_code, busy.json()["code"]) == (503, "server_busy")


async def test_one_failure_of_a_batch_does_not_fail_the_others() -> None:
    models = [MODEL, "other", MODEL]
    requests = [{"model": model, "prompt": str(n)} for n, model in enumerate(models)]
    async with client(FakeCouncil()) as http:
        response = await http.post("/api/generate/batch", json={"requests": requests})
    assert response.status_code == 200
    body = response.json()
    assert (body["success_count"], body["error_count"]) == (2, 1)
    assert [result["content"] for result in body["results"]] == ["0", "", "2"]
    assert body["results"][1]["error_code"] == "model_not_available"


@pytest.mark.parametrize("count", [0, 6])
async def test_a_batch_has_one_to_five_requests(count: int) -> None:
    requests = [{"model": MODEL, "prompt": "x"}] * count
    async with client(FakeCouncil()) as http:
        response = await http.post("/api/generate/batch", json={"requests": requests})
    assert response.status_code == 422
    assert response.json()["errors"][0]["loc"] == ["requests"]


@pytest.mark.parametrize("prefix", ["/health", "/api/health"])
async def test_liveness_asks_nobody(prefix: str) -> None:
    council = FakeCouncil()
    council.failure = CouncilUnavailable("Gone.")
    async with client(council) as http:
        live = await http.get(prefix)
        assert live.status_code == 200
        assert live.json() == {
            "status": "ok",
            "service": "llm-council-on-ray",
            "version": "1.2.3",
            "python": "3.11.7",
            "ray": "2.60.0",
        }
        for path in ("ready", "system", "ollama", "models"):
            gone = await http.get(f"{prefix}/{path}")
            assert (gone.status_code, gone.headers["retry-after"]) == (503, "2")


@pytest.mark.parametrize(
    ("checks", "code"),
    [
        ({"store": False, "agents": True}, "store_unavailable"),
        ({"store": True, "agents": False}, "no_model_server"),
    ],
)
async def test_what_is_not_ready_says_why(checks: dict[str, bool], code: str) -> None:
    council = FakeCouncil()
    async with client(council) as http:
        ready = await http.get("/health/ready")
        assert ready.json() == {"status": "ready", "checks": {"store": True, "agents": True}}
        council.ready = checks
        not_ready = await http.get("/health/ready")
        assert (not_ready.status_code, not_ready.json()["code"]) == (503, code)


async def test_each_pc_tells_of_itself() -> None:
    async with client(FakeCouncil()) as http:
        system = (await http.get("/api/health/system")).json()["nodes"]
        ollama = (await http.get("/api/health/ollama")).json()["nodes"]
        models = (await http.get("/api/health/models")).json()["nodes"]
    assert [(node["name"], node["role"]) for node in system] == [("pc1", "head"), ("pc2", "worker")]
    assert system[0]["memory"] == {"total": 100, "used": 50, "percent": 50.0}
    assert (system[0]["energy"]["watts"], system[1]["energy"]) == (41.7, None)
    assert [node["connected"] for node in ollama] == [True, False]
    assert [[model["name"] for model in node["models"]] for node in models] == [[MODEL], []]
