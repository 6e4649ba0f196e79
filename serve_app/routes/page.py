"""The page: its files, as they are on disk, and what it has to be told of this council.

The files are the same for everybody and show nothing of the council, so they need no key
(`access.py`); everything that is shown in them comes over the HTTP interface, with the key.
"""

from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Header, Response
from starlette.exceptions import HTTPException

from actors.messages.message import Message
from actors.messages.procedure import Mode
from serve_app.routes.answers import Config, json_answer, refusals

WEB = Path(__file__).parents[1] / "web"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""No inline script or style, nothing from elsewhere."""
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-cache",  # kept, and asked for again each time: an upgrade shows at once
    "X-DNS-Prefetch-Control": "off",  # a link in a model's text is looked up when it is clicked
}

router = APIRouter()


class PageFacts(Message):
    """`locked` = every request needs a key. `dashboard_url` is on PC1's loopback. `join_line` asks
    for the token where it is typed; None = not known, or nobody can join. `mode` = that of a
    question which names none."""

    version: str
    locked: bool
    mode: Mode
    dashboard_url: str | None
    join_line: str | None


@dataclass(frozen=True)
class PageFile:
    content: bytes
    media_type: str
    etag: str


@cache
def page_files() -> dict[str, PageFile]:
    """By name, read once."""
    return {path.name: _read(path) for path in sorted(WEB.iterdir()) if path.suffix in TYPES}


@router.get("/", include_in_schema=False)
async def page(if_none_match: Annotated[str | None, Header()] = None) -> Response:
    return _answer(page_files()["index.html"], if_none_match)


@router.get("/web/{name}", include_in_schema=False)
async def web(name: str, if_none_match: Annotated[str | None, Header()] = None) -> Response:
    file = page_files().get(name)
    if file is None:
        raise HTTPException(404)
    return _answer(file, if_none_match)


@router.get("/api/page", response_model=PageFacts, responses=refusals(), tags=["page"])
async def facts(config: Config) -> Response:
    """What the page says of this council in its footer, and how another PC joins it."""
    told = PageFacts(
        version=config.version,
        locked=config.require_key,
        mode=config.mode,
        dashboard_url=config.dashboard_url,
        join_line=config.join_line,
    )
    return json_answer(told)


def _read(path: Path) -> PageFile:
    content = path.read_bytes()
    return PageFile(content, TYPES[path.suffix], f'"{sha256(content).hexdigest()[:32]}"')


def _answer(file: PageFile, known: str | None) -> Response:
    """The 304 has the same headers: a browser puts them in the place of those it kept."""
    headers = {**HEADERS, "ETag": file.etag}
    tags = [tag.strip().removeprefix("W/") for tag in (known or "").split(",")]
    if file.etag in tags or "*" in tags:
        return Response(status_code=304, headers=headers)
    return Response(file.content, headers=headers, media_type=file.media_type)
