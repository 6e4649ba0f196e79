"""The HTTP interface over a Council, as one FastAPI application. Runs without Ray.

From the outside in: `metered.Metered` (counts), `edge.Edge` (ids, problems, safe headers),
`hosts.KnownHosts`, CORS if asked for, `access.Gate` (keys, tickets, origins),
`bodies.StrictBodies`, the routes.
"""

from collections.abc import Callable
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.openapi.utils import get_openapi
from starlette.types import Lifespan

from actors.meters.catalogue import OF_HTTP
from actors.meters.outlet import Outlet, Outlets
from actors.meters.registry import MeterRegistry
from cluster.council import Council
from serve_app.access import Gate
from serve_app.attempts import Attempts
from serve_app.bodies import Large
from serve_app.configuration import ApiConfig
from serve_app.edge import install
from serve_app.hosts import KnownHosts
from serve_app.mcp.endpoint import mcp_router
from serve_app.metered import Metered
from serve_app.ollama import routes as ollama_routes
from serve_app.openai import routes as openai_routes
from serve_app.openai.retries import LostLines
from serve_app.routes import cluster as cluster_routes
from serve_app.routes import council as council_routes
from serve_app.routes import docs, events, metrics, page, tickets, worker
from serve_app.routes.answers import once_each, problem_schema
from serve_app.routes.health import health_router
from serve_app.tickets import Tickets

TITLE = "LLM Council on Ray"
OUR_HEADERS = ("Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID")
MCP_HEADERS = ("Mcp-Session-Id", "MCP-Protocol-Version", "Mcp-Method", "Mcp-Name")
STAINLESS = (
    "Arch", "Async", "Custom-Poll-Interval", "Helper-Method", "Lang", "OS", "Package-Version",
    "Poll-Helper", "Retry-Count", "Runtime", "Runtime-Version", "Timeout",
)  # fmt: skip
"""What OpenAI's own clients say of themselves, each in a header `X-Stainless-…`."""
CLIENT_HEADERS = (
    "OpenAI-Beta", "OpenAI-Organization", "OpenAI-Project", "User-Agent", "X-Requested-With",
    *(f"X-Stainless-{name}" for name in STAINLESS),
)  # fmt: skip
WITH_PICTURES = (
    "/v1/chat/completions", "/v1/responses", "/ollama/api/chat", "/ollama/api/generate",
)  # fmt: skip
"""Ends of paths to which other people's clients send pictures, those of earlier questions too."""
EXPOSED = ("Location", "Retry-After", "X-Request-ID", "Mcp-Session-Id", "X-Council-Session")
STREAM = "/api/council/sessions/{session_id}/events"
SECURITY_SCHEMES = {
    "key": {"type": "http", "scheme": "bearer", "description": "Needed off loopback"},
    "ticket": {
        "type": "apiKey",
        "in": "query",
        "name": "ticket",
        "description": "In place of the key, for one stream; from POST /api/council/tickets",
    },
}


def build_api(
    council: Council | Callable[[], Council],
    config: ApiConfig,
    lifespan: Lifespan[FastAPI] | None = None,
    outlet: Outlet | None = None,
) -> FastAPI:
    """The application. A callable is called once, here. `outlet`: where HTTP's own meters go beside
    `/metrics`."""
    app = FastAPI(
        title=TITLE,
        version=config.version,
        docs_url=None,  # its page loads scripts from elsewhere; routes/docs.py has our own
        redoc_url=None,
        redirect_slashes=False,
        dependencies=[Depends(once_each)],
        lifespan=lifespan,
    )
    app.state.council = council() if callable(council) else council
    app.state.config = config
    app.state.tickets = Tickets()
    app.state.attempts = Attempts()
    app.state.lost_lines = LostLines()
    app.state.meters = MeterRegistry(OF_HTTP)
    app.include_router(council_routes.router)
    app.include_router(cluster_routes.router)
    app.include_router(events.router)
    app.include_router(tickets.router)
    app.include_router(worker.router)
    app.include_router(health_router("/health"))
    app.include_router(health_router("/api/health"))
    app.include_router(metrics.router)
    app.include_router(mcp_router())
    app.include_router(openai_routes.router)
    app.include_router(openai_routes.router, prefix="/ollama")
    app.include_router(page.router)
    app.include_router(docs.router)
    app.include_router(ollama_routes.router)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    app.add_middleware(Gate, config=config, tickets=app.state.tickets, attempts=app.state.attempts)
    if config.cors_origins:
        _allow_origins(app, config.cors_origins)
    app.add_middleware(KnownHosts, hosts=config.hosts)
    install(app, config.max_body, Large(WITH_PICTURES))
    app.add_middleware(Metered, outlet=Outlets(app.state.meters, *((outlet,) if outlet else ())))
    return app


def _allow_origins(app: FastAPI, origins: tuple[str, ...]) -> None:
    app.add_middleware(
        CORSMiddleware,
        allow_origins=list(origins),
        allow_methods=["GET", "POST", "DELETE"],
        allow_headers=[*OUR_HEADERS, *MCP_HEADERS, *CLIENT_HEADERS],
        expose_headers=list(EXPOSED),
    )


def _openapi(app: FastAPI) -> dict[str, Any]:
    """FastAPI's document, with our problems in place of its own validation errors."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, routes=app.routes)
        schemas = document["components"]["schemas"]
        schemas.update(problem_schema())
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        document["components"]["securitySchemes"] = SECURITY_SCHEMES
        document["security"] = [{}, {"key": []}]
        document["paths"][STREAM]["get"]["security"] = [{}, {"key": []}, {"ticket": []}]
        app.openapi_schema = document
    return app.openapi_schema
