"""The HTTP interface for people to read, made from the OpenAPI document. No script, nothing from
elsewhere."""

from html import escape
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

router = APIRouter(include_in_schema=False)

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;"
    "color:#222;background:#fff}code{background:#eee;padding:.1em .3em}dd{margin:0 0 1em 1.5em}"
    "@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}code{background:#333}"
    "a{color:#8bf}}"
)


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    document = request.app.openapi()
    entries = [
        _entry(method, path, operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    intro = (
        '<p><a href="/">The page</a>. Made from <a href="/openapi.json">/openapi.json</a>, which '
        "has every schema. Errors are <code>application/problem+json</code>. The events of a "
        "session also come over <code>WS /api/council/ws/{session_id}?after=</code>.</p>"
    )
    return _page("HTTP interface", f"{intro}<dl>{''.join(entries)}</dl>")


def _entry(method: str, path: str, operation: dict[str, Any]) -> str:
    parameters = ", ".join(
        f"<code>{escape(one['name'])}</code> ({escape(one['in'])})"
        for one in operation.get("parameters", [])
    )
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    body = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
    statuses = ", ".join(map(escape, operation["responses"]))
    return (
        f"<dt><code>{method.upper()} {escape(path)}</code></dt>"
        f"<dd>{escape(operation.get('description', ''))}"
        + (f"<br>Parameters: {parameters}" if parameters else "")
        + (f"<br>Body: <code>{escape(body)}</code>" if body else "")
        + f"<br>Answers: {statuses}</dd>"
    )


def _page(title: str, body: str) -> HTMLResponse:
    return HTMLResponse(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style></head><body><main><h1>{title}</h1>{body}</main></body></html>",
        headers={"Content-Security-Policy": POLICY},
    )
