"""The HTTP interface over a Council, as one FastAPI application. Runs without Ray.

From the outside in: `edge.Edge` (ids, problems), CORS if asked for, `access.Gate` (keys and
origins), `bodies.StrictBodies`, the routes.
"""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.openapi.utils import get_openapi
from starlette.types import Lifespan

from cluster.council import Council
from serve_app.access import Gate
from serve_app.configuration import ApiConfig
from serve_app.edge import install
from serve_app.routes import cluster as cluster_routes
from serve_app.routes import council as council_routes
from serve_app.routes import events, index, worker
from serve_app.routes.answers import problem_schema
from serve_app.routes.health import health_router

TITLE = "LLM Council on Ray"


def build_api(
    council: Council | Callable[[], Council],
    config: ApiConfig,
    lifespan: Lifespan[FastAPI] | None = None,
) -> FastAPI:
    """The application. A callable is called once, here."""
    app = FastAPI(
        title=TITLE,
        version=config.version,
        docs_url=None,  # its page loads scripts from elsewhere; routes/index.py has our own
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    app.state.council = council() if callable(council) else council
    app.state.config = config
    app.include_router(council_routes.router)
    app.include_router(cluster_routes.router)
    app.include_router(events.router)
    app.include_router(worker.router)
    app.include_router(health_router("/health"))
    app.include_router(health_router("/api/health"))
    app.include_router(index.router)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    app.add_middleware(Gate, config=config)
    if config.cors_origins:
        _allow_origins(app, config.cors_origins)
    install(app, config.max_body)
    return app


def _allow_origins(app: FastAPI, origins: tuple[str, ...]) -> None:
    app.add_middleware(
        CORSMiddleware,
        allow_origins=list(origins),
        allow_methods=["GET", "POST", "DELETE"],
        allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID"],
        expose_headers=["Location", "Retry-After", "X-Request-ID"],
    )


def _openapi(app: FastAPI) -> dict[str, Any]:
    """FastAPI's document, with our problems in place of its own validation errors."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, routes=app.routes)
        schemas = document["components"]["schemas"]
        schemas.update(problem_schema())
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        bearer = {"type": "http", "scheme": "bearer", "description": "Needed off loopback"}
        document["components"]["securitySchemes"] = {"key": bearer}
        document["security"] = [{}, {"key": []}]
        app.openapi_schema = document
    return app.openapi_schema
