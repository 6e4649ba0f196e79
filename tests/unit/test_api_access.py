"""Who may come in: keys off loopback, origins, and what the pages tell a browser."""

import hashlib

import httpx
import pytest

from serve_app.configuration import ApiConfig
from tests.fake_council import FakeCouncil, api

KEY, JOIN = "the-api-key", "the-join-token"


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


OPEN = ApiConfig("1", "3.11", "2.60", dashboard_url="http://127.0.0.1:8265")
LOCKED = ApiConfig(
    "1", "3.11", "2.60", require_key=True, key_sha256=digest(KEY), join_token_sha256=digest(JOIN)
)


async def ask(
    config: ApiConfig, method: str, path: str, headers: list[tuple[str, str]] | None = None
) -> httpx.Response:
    transport = httpx.ASGITransport(api(FakeCouncil(), config))
    async with httpx.AsyncClient(transport=transport, base_url="http://council") as http:
        return await http.request(method, path, headers=headers)


def bearer(key: str) -> tuple[str, str]:
    return "Authorization", f"Bearer {key}"


EVERYWHERE = ["/", "/docs", "/openapi.json", "/health", "/health/ready", "/api/council/models"]
EVERYWHERE += ["/api/council/sessions", "/nowhere"]


@pytest.mark.parametrize("path", EVERYWHERE)
async def test_off_loopback_nothing_is_open(path: str) -> None:
    response = await ask(LOCKED, "GET", path)
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert response.headers["content-type"] == "application/problem+json"
    assert (await ask(LOCKED, "GET", path, [bearer(KEY)])).status_code in (200, 404)


@pytest.mark.parametrize(
    "headers",
    [
        [bearer("wrong")],
        [bearer("")],
        [bearer(KEY + "x")],
        [bearer(KEY[:-1])],
        [("Authorization", f"Basic {KEY}")],
        [("Authorization", KEY)],
        [bearer(KEY), bearer(KEY)],
        [bearer("x" * 20_000)],
        [("Cookie", f"key={KEY}")],
        [("Authorization", b"Bearer \xff\xfe".decode("latin-1"))],
    ],
)
async def test_only_the_one_right_key_opens(headers: list[tuple[str, str]]) -> None:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    response = await ask(LOCKED, "GET", "/api/council/models", raw)  # type: ignore[arg-type]
    assert response.status_code == 401
    assert KEY not in response.text


@pytest.mark.parametrize("name", ["token", "key", "api_key", "access_token"])
async def test_a_key_in_the_url_is_no_key(name: str) -> None:
    assert (await ask(LOCKED, "GET", f"/api/council/models?{name}={KEY}")).status_code == 401


async def test_the_join_token_opens_the_liveness_check_and_nothing_else() -> None:
    for path in ("/health", "/api/health"):
        response = await ask(LOCKED, "GET", path, [bearer(JOIN)])
        assert response.json()["ray"] == "2.60"
    for path in ("/health/ready", "/health/system", "/api/council/models", "/health/"):
        assert (await ask(LOCKED, "GET", path, [bearer(JOIN)])).status_code == 401


async def test_an_empty_hash_lets_nobody_in() -> None:
    unset = ApiConfig("1", "3", "2", require_key=True)
    for headers in ([bearer("")], [bearer(" ")], [("Authorization", "Bearer")], []):
        assert (await ask(unset, "GET", "/health", headers)).status_code == 401


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://council", 415),
        ("http://evil.example", 403),
        ("http://council.evil.example", 403),
        ("http://council:9999", 403),
        ("null", 403),
        ("", 403),
    ],
)
async def test_a_page_from_elsewhere_may_not_post(origin: str, status: int) -> None:
    """415 = past the gate: the body is missing."""
    response = await ask(OPEN, "POST", "/api/council/sessions", [("Origin", origin)])
    assert response.status_code == status
    assert "access-control-allow-origin" not in response.headers


async def test_there_is_no_cors_unless_it_was_asked_for() -> None:
    asked = [("Origin", "http://app.example"), ("Access-Control-Request-Method", "POST")]
    path = "/api/council/sessions"
    closed = await ask(OPEN, "OPTIONS", path, asked)
    assert not any(name.startswith("access-control") for name in closed.headers)
    allowed = ApiConfig("1", "3", "2", cors_origins=("http://app.example",))
    preflight = await ask(allowed, "OPTIONS", path, asked)
    assert preflight.headers["access-control-allow-origin"] == "http://app.example"
    assert (await ask(allowed, "POST", path, asked)).status_code == 415
    other = [("Origin", "http://evil.example"), ("Access-Control-Request-Method", "POST")]
    assert "access-control-allow-origin" not in (await ask(allowed, "OPTIONS", path, other)).headers


@pytest.mark.parametrize("path", ["/", "/docs"])
async def test_pages_run_no_script_and_fetch_nothing(path: str) -> None:
    response = await ask(OPEN, "GET", path)
    assert response.status_code == 200
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["x-frame-options"] == "DENY"
    assert "<script" not in response.text and "src=" not in response.text


async def test_the_index_leads_to_docs_and_dashboard() -> None:
    page = (await ask(OPEN, "GET", "/")).text
    assert 'href="/docs"' in page and 'href="http://127.0.0.1:8265"' in page
    assert "/api/council/query" in (await ask(OPEN, "GET", "/docs")).text
