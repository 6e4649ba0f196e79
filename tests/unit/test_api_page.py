"""The page's files: their types, their policy, how they are kept; what is open without a key."""

import re
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from cluster import api_keys
from serve_app.configuration import ApiConfig
from serve_app.routes.council import _set_off
from serve_app.routes.page import TYPES, WEB
from tests.fake_council import FakeCouncil, api

KEY = "right-key-4711"
FILES = sorted(path.name for path in WEB.iterdir())
OPEN = ApiConfig("1.2.3", "3.11", "2.60", dashboard_url="http://127.0.0.1:8265")
ASK = {"query": "Why?", "selected_agents": [{"model": "smollm2:135m"}]}


def client(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")


@pytest.fixture
def locked(tmp_path: Path) -> ApiConfig:
    (tmp_path / "api_key").write_text(KEY)
    api_keys.take_in_own(tmp_path, datetime.now(UTC))
    return ApiConfig("1", "3.11", "2.60", require_key=True, keys_file=tmp_path / "api_keys.json")


def address(name: str) -> str:
    return "/" if name == "index.html" else f"/web/{name}"


@pytest.mark.parametrize("name", FILES)
async def test_each_file_has_its_type_and_the_policy(name: str) -> None:
    async with client(api(FakeCouncil(), OPEN)) as http:
        answer = await http.get(address(name))
    assert answer.status_code == 200
    assert answer.content == (WEB / name).read_bytes()
    assert answer.headers["content-type"] == TYPES[Path(name).suffix]
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'self';")
    for rule in ("object-src", "base-uri", "form-action", "frame-ancestors"):
        assert f"{rule} 'none'" in policy
    assert "unsafe" not in policy and "http" not in policy and "*" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-dns-prefetch-control"] == "off"


@pytest.mark.parametrize("name", FILES)
async def test_a_browser_that_has_it_is_not_sent_it_again(name: str) -> None:
    async with client(api(FakeCouncil(), OPEN)) as http:
        first = await http.get(address(name))
        tag = first.headers["etag"]
        for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            again = await http.get(address(name), headers={"If-None-Match": known})
            assert again.status_code == 304 and again.content == b""
            for header in ("content-security-policy", "etag", "cache-control"):
                assert again.headers[header] == first.headers[header]
        other = await http.get(address(name), headers={"If-None-Match": '"other"'})
    assert other.status_code == 200 and first.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("name", FILES)
async def test_off_loopback_the_files_are_open_and_the_same(name: str, locked: ApiConfig) -> None:
    async with client(api(FakeCouncil(), locked)) as http:
        answer = await http.get(address(name))
    assert answer.status_code == 200 and answer.content == (WEB / name).read_bytes()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", path) for path in ("/api/page", "/docs", "/openapi.json", "/web", "/web/")),
        *(
            ("GET", f"/web/{name}")
            for name in ("app.py", "../app.js", "a/b.js", "app.js/", "%2e.js")
        ),
        *(("GET", path) for path in ("/web/app.js.map", "/favicon.ico", "/health/system")),
        *((method, path) for method in ("POST", "HEAD", "DELETE") for path in ("/", "/web/app.js")),
    ],
)
async def test_off_loopback_nothing_else_is(method: str, path: str, locked: ApiConfig) -> None:
    async with client(api(FakeCouncil(), locked)) as http:
        assert (await http.request(method, path)).status_code == 401


async def test_a_key_in_the_pages_url_is_refused(locked: ApiConfig) -> None:
    async with client(api(FakeCouncil(), locked)) as http:
        assert (await http.get(f"/?key={KEY}")).status_code == 401


async def test_an_unknown_file_is_not_there() -> None:
    async with client(api(FakeCouncil(), OPEN)) as http:
        for name in ("nothing.js", "index.py", "..%2fapi.py", "%00.js"):
            assert (await http.get(f"/web/{name}")).status_code == 404


def test_the_files_have_no_inline_script_or_style_and_nothing_from_elsewhere() -> None:
    page = (WEB / "index.html").read_text()
    assert re.findall(r"<script[^>]*>(.*?)</script>", page, re.DOTALL) == [""]
    assert "<style" not in page and " style=" not in page
    assert not re.search(r"\son\w+=", page)
    for name in FILES:
        text = (WEB / name).read_text().replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text and "https://" not in text, name


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".js")])
def test_a_script_says_what_it_is_for_makes_no_markup_of_text_and_is_short(name: str) -> None:
    text = (WEB / name).read_text()
    assert text.startswith("// ")
    assert len(text.splitlines()) <= 250
    for way in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "Function(",
    ):
        assert way not in text
    for found in re.findall(r'from "\./(\w+\.js)"', text):
        assert found in FILES


def test_every_word_that_the_page_says_is_there_in_both_languages() -> None:
    words = set(re.findall(r"^  (\w+): \[\"", (WEB / "words.js").read_text(), re.MULTILINE))
    pairs = re.findall(r"^  \w+: \[", (WEB / "words.js").read_text(), re.MULTILINE)
    assert len(pairs) == len(words) > 100
    for name in FILES:
        text = (WEB / name).read_text()
        said = set(re.findall(r'\bsay\("(\w+)"', text)) | set(
            re.findall(r'data-word="(\w+)"', text)
        )
        assert said <= words, name


async def test_what_the_page_is_told_of_this_council(locked: ApiConfig) -> None:
    async with client(api(FakeCouncil(), OPEN)) as http:
        told = (await http.get("/api/page")).json()
    assert told == {
        "version": "1.2.3",
        "locked": False,
        "mode": "standard",
        "dashboard_url": "http://127.0.0.1:8265",
        "join_line": None,
    }
    async with client(api(FakeCouncil(), locked)) as http:
        answer = await http.get("/api/page", headers={"Authorization": f"Bearer {KEY}"})
    assert answer.json()["locked"] is True


@pytest.mark.parametrize("fence", ["", "```\n", "```json\n"])
def test_a_ballot_in_a_judges_words_is_set_off_as_code_once(fence: str) -> None:
    ballot = '{"rankings": [{"agent_id": "A", "score": 7}]}'
    told = _set_off(f"Good.\n\n{fence}{ballot}{fence and chr(10) + '```'}")
    assert told == f"Good.\n\n{fence or '```json' + chr(10)}{ballot}\n```"


async def test_texts_of_a_session_come_rendered() -> None:
    async with client(api(FakeCouncil(), OPEN)) as http:
        session = (await http.post("/api/council/query", json=ASK)).json()
        path = f"/api/council/sessions/{session['session_id']}/rendered"
        told = (await http.get(path)).json()
        missing = await http.get(
            path.replace(session["session_id"], "0" * 8 + "-0000" * 3 + "-" + "0" * 12)
        )
    assert told["final_answer"] == "<p>It scatters.</p>\n"
    assert told["opinions"] == {"agent_1": "<p>Blue light scatters.</p>\n"}
    assert told["lost_synthesis"] is None
    assert told["revisions"] == told["critiques"] == {}
    assert missing.status_code == 404
