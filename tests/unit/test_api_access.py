"""Who gets in off loopback: keys, tickets, and nobody else. Rows 40 and 41 of faults.md."""

import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import Message

from cluster import api_keys
from cluster.api_keys import digest, fingerprint
from serve_app.access import KEY_NAMES, MAX_AUTHORIZATION
from serve_app.attempts import PER_MINUTE
from serve_app.configuration import ApiConfig
from tests.fake_council import FakeCouncil, api

KEY, JOIN = "4f" * 32, "1e" * 32
NOW = datetime.now(UTC)
HOSTS = ("council", "192.168.1.10", "pc1", "fd00::10")
OPEN = ApiConfig("1", "3.11", "2.60", dashboard_url="http://127.0.0.1:8265", hosts=HOSTS)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("home")
    (made / "api_key").write_text(KEY)
    api_keys.take_in_own(made, NOW)
    return made


def locked(home: Path, **more: Any) -> ApiConfig:
    return ApiConfig(
        *("1", "3.11", "2.60"),
        require_key=True,
        keys_file=api_keys.path(home),
        join_token_sha256=digest(JOIN),
        hosts=HOSTS,
        **more,
    )


@pytest.fixture
def app(home: Path) -> FastAPI:
    return api(FakeCouncil(), locked(home))


async def ask(
    app: FastAPI,
    method: str,
    path: str,
    headers: Any = None,
    client: tuple[str, int] = ("10.0.0.7", 1),
    **more: Any,
) -> httpx.Response:
    transport = httpx.ASGITransport(app, client=client)
    async with httpx.AsyncClient(transport=transport, base_url="http://council") as http:
        return await http.request(method, path, headers=headers, **more)


async def shake(
    app: FastAPI, path: str, query: str = "", headers: Any = (), denial: bool = True
) -> list[Message]:
    """What a WebSocket client hears first; it leaves as soon as it is let in."""
    scope = {
        "type": "websocket",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(b"host", b"council"), *headers],
        "client": ("10.0.0.7", 1),
        "subprotocols": [],
        "extensions": {"websocket.http.response": {}} if denial else {},
    }
    told: Iterator[Message] = iter(
        [{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1001}]
    )
    heard: list[Message] = []

    async def receive() -> Message:
        return next(told)

    async def send(message: Message) -> None:
        heard.append(message)

    await app(scope, receive, send)
    return heard


def bearer(key: str) -> tuple[str, str]:
    return "Authorization", f"Bearer {key}"


def refused(response: httpx.Response, status: int = 401) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert (status == 401) == ("www-authenticate" in response.headers)
    assert response.headers["cache-control"] == "no-store"
    body: dict[str, Any] = response.json()
    assert body["status"] == status
    return body


SESSION = "/api/council/sessions/00000000-0000-0000-0000-000000000000"
WS = "/api/council/ws/00000000-0000-0000-0000-000000000000"
EVERY_ROUTE = [
    *(
        ("GET", path)
        for path in ("/docs", "/openapi.json", "/health", "/health/ready", "/api/page")
    ),
    *(("GET", path) for path in ("/health/system", "/health/ollama", "/health/models")),
    *(("GET", path) for path in ("/api/health", "/api/health/ready", "/metrics", "/favicon.ico")),
    *(("GET", path) for path in ("/api/council/models", "/api/council/sessions", SESSION)),
    *(
        ("GET", SESSION + tail)
        for tail in ("/events", "/rendered", "/export", "/export?format=json")
    ),
    *(("POST", f"/api/council/{noun}") for noun in ("query", "sessions", "tickets")),
    *(("POST", path) for path in ("/api/generate", "/api/generate/batch", "/nowhere")),
    *(("DELETE", SESSION), ("DELETE", SESSION + "?purge=true"), ("HEAD", "/health")),
    *(("POST", "/"), ("HEAD", "/"), ("POST", "/web/app.js"), ("GET", "/web/")),
    *(("OPTIONS", "/api/council/query"), ("OPTIONS", "/"), ("TRACE", "/"), ("FROB", "/")),
    *(("GET", path) for path in ("/nowhere", "/%2f", "/..%2f..%2fetc/passwd", "/health/")),
]


@pytest.mark.parametrize(("method", "path"), EVERY_ROUTE)
async def test_row_40_off_loopback_nothing_is_open(app: FastAPI, method: str, path: str) -> None:
    response = await ask(app, method, path)
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert not any(name.startswith("access-control") for name in response.headers)
    assert (await ask(app, method, path, [bearer(KEY)])).status_code not in (401, 429, 500)


async def test_row_40_nor_is_any_route_that_the_document_names(app: FastAPI) -> None:
    """From ever new addresses: each may be wrong ten times a minute."""
    named = [
        (method.upper(), re.sub(r"{\w+}", "x", path))
        for path, operations in app.openapi()["paths"].items()
        for method in operations
    ]
    assert len(named) > 15
    for number, (method, path) in enumerate(named):
        refused(await ask(app, method, path, client=(f"10.0.1.{number}", 1)))


@pytest.mark.parametrize("denial", [True, False])
async def test_row_40_nor_is_the_websocket(app: FastAPI, denial: bool) -> None:
    heard = await shake(app, WS, denial=denial)
    if denial:
        assert heard[0]["type"] == "websocket.http.response.start"
        assert heard[0]["status"] == 401
        assert b"www-authenticate" in dict(heard[0]["headers"])
    else:
        assert heard == [{"type": "websocket.close", "code": 1008, "reason": "unauthorized"}]
    heard = await shake(app, WS, headers=[(b"authorization", f"Bearer {KEY}".encode())])
    assert heard[0]["type"] == "websocket.accept"


WRONG = {
    "wrong": [bearer("5e" * 32)],
    "empty": [bearer("")],
    "longer": [bearer(KEY + "0")],
    "shorter": [bearer(KEY[:-1])],
    "upper case": [bearer(KEY.upper())],
    "its hash": [bearer(digest(KEY))],
    "Basic": [("Authorization", f"Basic {KEY}")],
    "Digest": [("Authorization", f"Digest {KEY}")],
    "no kind": [("Authorization", KEY)],
    "only the kind": [("Authorization", "Bearer")],
    "twice": [bearer(KEY), bearer(KEY)],
    "right and wrong": [bearer(KEY), bearer("5e" * 32)],
    "two in one": [("Authorization", f"Bearer {KEY}, Bearer {KEY}")],
    "20 KB": [bearer("x" * 20_000)],
    "1 MB": [bearer("x" * 1_000_000)],
    "1 MB behind the right one": [bearer(KEY + " " * 1_000_000)],
    "in a cookie": [("Cookie", f"key={KEY}; api_key={KEY}")],
    "in a header of ours": [("X-Api-Key", KEY)],
    "not ASCII": [("Authorization", b"Bearer \xff\xfe".decode("latin-1"))],
    "the join token": [bearer(JOIN)],
}


@pytest.mark.parametrize("headers", WRONG.values(), ids=WRONG)
async def test_row_40_only_one_right_bearer_key_opens(
    app: FastAPI, headers: list[tuple[str, str]], caplog: pytest.LogCaptureFixture
) -> None:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    with caplog.at_level(logging.DEBUG):
        response = await ask(app, "GET", "/api/council/models", raw)
    refused(response)
    assert KEY not in response.text + caplog.text
    assert len(caplog.text) < 400


@pytest.mark.parametrize("name", [*sorted(KEY_NAMES), "Token", "API_KEY"])
@pytest.mark.parametrize("headers", [[], [bearer(KEY)]], ids=["alone", "with the right header"])
async def test_row_40_a_key_in_the_url_is_refused_and_not_logged(
    app: FastAPI, name: str, headers: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        response = await ask(app, "GET", f"/api/council/models?limit=1&{name}={KEY}", headers)
    assert "URL" in refused(response)["detail"]
    assert KEY not in response.text + "".join(r.getMessage() for r in ours(caplog))
    assert fingerprint(KEY) in caplog.text


def ours(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Without what the test's own client logs."""
    return [record for record in caplog.records if record.name.startswith("serve_app")]


async def test_row_40_the_log_has_a_fingerprint_and_one_line_a_second(
    app: FastAPI, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(5):
        await ask(app, "GET", "/health", [bearer("5e" * 32)])
    await ask(app, "GET", "/health", client=("10.0.0.8", 1))
    lines = [record.getMessage() for record in ours(caplog)]
    assert lines == [
        f"refused 10.0.0.7 1 times: key {fingerprint('5e' * 32)}",
        "refused 10.0.0.8 1 times: key none",
    ]


async def test_row_40_who_is_wrong_too_often_waits_and_holds_up_nobody_with_a_key(
    app: FastAPI,
) -> None:
    for _ in range(PER_MINUTE):
        refused(await ask(app, "GET", "/health", [bearer("5e" * 32)]))
    for path in ("/health", "/openapi.json", f"{SESSION}/events?ticket=x"):
        response = await ask(app, "GET", path)
        assert refused(response, 429)["code"] == "too_many_attempts"
        assert 1 <= int(response.headers["retry-after"]) <= 6
    assert (await shake(app, WS))[0]["status"] == 429
    assert (await ask(app, "GET", "/health", [bearer(KEY)])).status_code == 200
    refused(await ask(app, "GET", "/health", client=("10.0.0.8", 1)))


async def test_the_join_token_opens_the_liveness_check_and_nothing_else(app: FastAPI) -> None:
    for path in ("/health", "/api/health"):
        response = await ask(app, "GET", path, [bearer(JOIN)])
        assert set(response.json()) == {"status", "service", "version", "python", "ray"}
    for path in ("/health/ready", "/health/system", "/api/council/models", "/health/"):
        assert (await ask(app, "GET", path, [bearer(JOIN)])).status_code == 401


async def test_without_a_file_of_keys_or_with_another_nobody_gets_in(tmp_path: Path) -> None:
    for content in (None, "", "[]", "{}", '[{"id": "x"}]', "\x00"):
        if content is not None:
            api_keys.path(tmp_path).write_text(content)
        app = api(FakeCouncil(), ApiConfig("1", "3", "2", require_key=True, hosts=HOSTS,
                                           keys_file=api_keys.path(tmp_path)))  # fmt: skip
        for headers in ([bearer("")], [bearer(" ")], [("Authorization", "Bearer")], []):
            refused(await ask(app, "GET", "/health", headers))
        refused(await ask(app, "GET", "/health", [bearer(digest(""))]))


async def test_a_key_that_is_made_or_ended_counts_at_the_next_request(tmp_path: Path) -> None:
    api_keys.take_in_own(tmp_path, NOW)
    app = api(FakeCouncil(), locked(tmp_path))

    async def status(key: str) -> int:
        return (await ask(app, "GET", "/health", [bearer(key)])).status_code

    own = (tmp_path / "api_key").read_text()
    page = api_keys.add(tmp_path, "page", NOW)
    assert [await status(own), await status(page)] == [200, 200]
    api_keys.revoke(tmp_path, fingerprint(page), NOW)
    assert [await status(own), await status(page)] == [200, 401]
    api_keys.rotate(tmp_path, NOW, NOW)
    again = (tmp_path / "api_key").read_text()
    assert [await status(own), await status(again)] == [401, 200]
    api_keys.rotate(tmp_path, NOW, datetime.now(UTC) + timedelta(minutes=5))
    assert [await status(again), await status((tmp_path / "api_key").read_text())] == [200, 200]


class TestTickets:
    async def ticket(self, app: FastAPI) -> str:
        response = await ask(app, "POST", "/api/council/tickets", [bearer(KEY)], json={})
        assert response.status_code == 200
        assert response.json()["expires_in_s"] == 30
        return str(response.json()["ticket"])

    async def test_a_ticket_opens_one_stream_once(self, app: FastAPI) -> None:
        path = f"{SESSION}/events?ticket={await self.ticket(app)}"
        assert (await ask(app, "GET", path)).status_code == 404  # in, but no such session
        refused(await ask(app, "GET", path))

    async def test_a_ticket_opens_one_websocket_once(self, app: FastAPI) -> None:
        query = f"after=0&ticket={await self.ticket(app)}"
        assert (await shake(app, WS, query))[0]["type"] == "websocket.accept"
        assert (await shake(app, WS, query))[0]["status"] == 401

    async def test_a_ticket_opens_nothing_else_and_is_not_used_up_by_trying(
        self, app: FastAPI
    ) -> None:
        ticket = await self.ticket(app)
        for method, path in (
            *(("GET", "/health"), ("GET", SESSION), ("GET", f"{SESSION}/export")),
            *(("DELETE", SESSION), ("POST", "/api/council/tickets"), ("HEAD", f"{SESSION}/events")),
            *(("GET", f"{SESSION}/events/"), ("GET", f"/x{SESSION}/events")),
        ):
            assert (await ask(app, method, f"{path}?ticket={ticket}")).status_code == 401
        assert (await ask(app, "GET", f"{SESSION}/events?ticket={ticket}")).status_code == 404

    async def test_a_ticket_beside_a_wrong_key_or_another_ticket_opens_nothing(
        self, app: FastAPI
    ) -> None:
        one, two = await self.ticket(app), await self.ticket(app)
        path = f"{SESSION}/events?ticket="
        refused(await ask(app, "GET", path + one, [bearer("5e" * 32)]))
        refused(await ask(app, "GET", f"{path}{one}&ticket={two}"))
        refused(await ask(app, "GET", f"{path}{KEY}"))

    async def test_no_ticket_without_a_key(self, app: FastAPI) -> None:
        refused(await ask(app, "POST", "/api/council/tickets", json={}))
        refused(await ask(app, "POST", "/api/council/tickets", [bearer(JOIN)], json={}))


class TestRow41:
    """Foreign Host, foreign Origin, and no CORS."""

    @pytest.mark.parametrize(
        "host",
        [
            *("council", "COUNCIL", "council:8000", "council.", "192.168.1.10:8000", "PC1:80"),
            *("[fd00::10]", "[FD00::10]:8000"),
        ],
    )
    async def test_row_41_our_own_names_are_known(self, host: str) -> None:
        response = await ask(api(FakeCouncil(), OPEN), "GET", "/health", {"Host": host})
        assert response.status_code == 200

    @pytest.mark.parametrize(
        "host",
        [
            *("evil.example", "council.evil.example", "evilcouncil", "127.0.0.1.nip.io", ""),
            *("council:x", "council:", "council:8000:1", "council@evil", "evil@council", "a b"),
            *("192.168.1.11", "127.0.0.1", "localhost", "0", "0x7f000001", "[::ffff:c0a8:10a]"),
            *("council/", "council?", "council,evil", "council\\x00", "[fd00::10", "fd00::10]:1"),
            *("council..", "cöuncil", "*", "null"),
        ],
    )
    @pytest.mark.parametrize("path", ["/health", "/", "/nowhere"])
    async def test_row_41_foreign_host(self, home: Path, host: str, path: str) -> None:
        raw = {"Host": host.encode("latin-1")}
        for config in (OPEN, locked(home)):
            response = await ask(api(FakeCouncil(), config), "GET", path, raw)
            assert refused(response, 400)["code"] == "foreign_host"
            assert "evil" not in response.text

    @pytest.mark.parametrize("hosts", [[], ["council", "council"], ["council", "evil"]])
    async def test_row_41_no_host_or_two(self, hosts: list[str]) -> None:
        heard: list[Message] = []

        async def send(message: Message) -> None:
            heard.append(message)

        async def receive() -> Message:
            return {"type": "http.disconnect"}

        headers = [(b"host", host.encode()) for host in hosts]
        scope = {"type": "http", "method": "GET", "path": "/health", "headers": headers}
        await api(FakeCouncil(), OPEN)(scope, receive, send)
        assert heard[0]["status"] == 400
        assert b"foreign_host" in heard[1]["body"]

    async def test_row_41_foreign_host_on_a_websocket_is_refused_unaccepted(self) -> None:
        app = api(FakeCouncil(), ApiConfig("1", "3", "2"))
        heard = await shake(app, WS)
        assert (heard[0]["type"], heard[0]["status"]) == ("websocket.http.response.start", 400)

    @pytest.mark.parametrize(
        ("origin", "status"),
        [
            ("http://council", 415),
            ("http://evil.example", 403),
            ("http://council.evil.example", 403),
            ("http://council:9999", 403),
            ("null", 403),
            ("", 403),
            ("council", 403),
            ("file://", 403),
        ],
    )
    async def test_row_41_foreign_origin(self, home: Path, origin: str, status: int) -> None:
        """415 = past the gate: the body is missing."""
        council = FakeCouncil()
        for config in (OPEN, locked(home)):
            for method, path in (("POST", "/api/council/sessions"), ("POST", "/api/generate")):
                response = await ask(
                    api(council, config), method, path, [("Origin", origin), bearer(KEY)]
                )
                code = "foreign_origin" if status == 403 else "unsupported_media_type"
                assert refused(response, status)["code"] == code
                assert "access-control-allow-origin" not in response.headers
        assert not council.sittings

    @pytest.mark.parametrize("method", ["DELETE", "PUT", "PATCH", "FROB"])
    async def test_row_41_foreign_origin_on_whatever_may_change_something(
        self, method: str
    ) -> None:
        app = api(FakeCouncil(), OPEN)
        refused(await ask(app, method, SESSION, {"Origin": "http://evil.example"}), 403)

    @pytest.mark.parametrize("origin", ["http://evil.example", "null", "", "http://council:1"])
    async def test_row_41_foreign_origin_on_a_websocket(self, home: Path, origin: str) -> None:
        right = (b"authorization", f"Bearer {KEY}".encode())
        for config in (OPEN, locked(home)):
            headers = [(b"origin", origin.encode()), right]
            heard = await shake(api(FakeCouncil(), config), WS, headers=headers)
            assert (heard[0]["type"], heard[0]["status"]) == ("websocket.http.response.start", 403)
            heard = await shake(api(FakeCouncil(), config), WS, headers=headers, denial=False)
            reason = "foreign_origin"
            assert heard == [{"type": "websocket.close", "code": 1008, "reason": reason}]
            for own in ([(b"origin", b"http://council")], []):
                heard = await shake(api(FakeCouncil(), config), WS, headers=[*own, right])
                assert heard[0]["type"] == "websocket.accept"

    async def test_row_41_a_preflight_gets_no_cors_headers_unless_asked_for(
        self, home: Path
    ) -> None:
        asked = [("Origin", "http://app.example"), ("Access-Control-Request-Method", "POST")]
        path = "/api/council/sessions"
        for config, status in ((OPEN, 405), (locked(home), 401)):
            closed = await ask(api(FakeCouncil(), config), "OPTIONS", path, asked)
            assert closed.status_code == status
            assert not any(name.startswith("access-control") for name in closed.headers)
        config = ApiConfig("1", "3", "2", cors_origins=("http://app.example",), hosts=HOSTS)
        allowed = api(FakeCouncil(), config)
        preflight = await ask(allowed, "OPTIONS", path, asked)
        assert preflight.headers["access-control-allow-origin"] == "http://app.example"
        assert (await ask(allowed, "POST", path, asked)).status_code == 415
        other = [("Origin", "http://evil.example"), ("Access-Control-Request-Method", "POST")]
        response = await ask(allowed, "OPTIONS", path, other)
        assert "access-control-allow-origin" not in response.headers

    async def test_a_page_that_may_call_may_do_so_by_openais_and_ollamas_clients(self) -> None:
        config = ApiConfig("1", "3", "2", cors_origins=("http://app.example",), hosts=HOSTS)
        allowed = api(FakeCouncil(), config)
        asked = [
            ("Origin", "http://app.example"),
            ("Access-Control-Request-Method", "POST"),
            (
                "Access-Control-Request-Headers",
                "authorization,content-type,user-agent,x-stainless-arch,x-stainless-lang,x-stainless-os"
                ",x-stainless-package-version,x-stainless-retry-count,x-stainless-runtime"
                ",x-stainless-runtime-version,x-stainless-timeout",
            ),
        ]
        for path in ("/v1/chat/completions", "/ollama/api/chat"):
            assert (await ask(allowed, "OPTIONS", path, asked)).status_code == 200
        listed = await ask(allowed, "GET", "/v1/models", asked[:1])
        assert "X-Council-Session" in listed.headers["access-control-expose-headers"]


async def test_a_key_without_end_is_no_key_on_loopback_either() -> None:
    app = api(FakeCouncil(), OPEN)
    refused(await ask(app, "GET", "/health", [bearer("x" * (MAX_AUTHORIZATION + 1))]))
    assert (await ask(app, "GET", "/health", [bearer("x" * 100)])).status_code == 200
