"""The model server of this PC: Ollama where it answers, else the embedded engine."""

import time
from dataclasses import dataclass
from typing import Any

import httpx

from cluster import processes
from cluster.embedded import process as embedded
from cluster.ollama_url import host_of
from cluster.ports import is_free
from cluster.ray_node import ray_environment
from cluster.settings import Settings, inherited_environment
from serve_app.cli.lan import is_this_pc
from serve_app.cli.terminal import Stop, note, printable, step


@dataclass(frozen=True)
class ModelServer:
    """`kind` for people: "Ollama 0.12" or "the built-in engine"."""

    url: str
    kind: str
    models: tuple[str, ...]


def find_or_start(settings: Settings, want_embedded: bool) -> ModelServer:
    """Raises `Stop`. An engine that is started here carries our mark."""
    if want_embedded:
        return start_embedded(settings)
    found = _wait_for(settings.ollama_url, settings.ollama_wait_s)
    if found is not None and found.models:
        names = ", ".join(found.models[:6]) + (", …" if len(found.models) > 6 else "")
        with step("Looking for Ollama", f"{found.kind} at {found.url}: {names}"):
            return found
    if found is not None:
        _no_models(settings, found)
    elif not is_this_pc(host_of(settings.ollama_url)):
        raise Stop(
            f"Nothing answers as Ollama at {settings.ollama_url}.",
            "Is it running there, and does it listen on the LAN (OLLAMA_HOST=0.0.0.0 there)?",
            "Or use the built-in engine: add --embedded",
        )
    elif "ollama_url" in settings.model_fields_set:
        note(f"No Ollama answers at {settings.ollama_url}: the built-in engine stands in.")
    return start_embedded(settings)


def find(url: str) -> ModelServer | None:
    """The Ollama at a URL; None if none answers there."""
    try:
        with httpx.Client(trust_env=False, timeout=5) as http:
            version = http.get(f"{url}/api/version").json()["version"]
            tags = http.get(f"{url}/api/tags").json()["models"]
            return ModelServer(url, f"Ollama {printable(str(version))[:30]}", _names(tags))
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError):
        return None


def _wait_for(url: str, wait_s: float) -> ModelServer | None:
    until = time.monotonic() + wait_s
    if (found := find(url)) is None and wait_s:
        note(f"No Ollama answers at {url} yet: it has {wait_s:.0f} s to start.")
    while found is None and time.monotonic() < until:
        time.sleep(0.5)
        found = find(url)
    return found


def start_embedded(settings: Settings) -> ModelServer:
    """Raises `Stop`."""
    folder = settings.home / "embedded"
    embedded.offer_packaged_model(folder)
    if not any(folder.glob("*.gguf")):
        raise Stop(
            "There is no model: no Ollama answers here, and no built-in model is installed.",
            "Either install Ollama and type: ollama pull qwen2.5:0.5b",
            f"or put a GGUF file into {folder}",
            "or try again when the network is there: ./council up downloads the built-in model.",
        )
    options = embedded.EngineOptions(
        models_dir=folder,
        log=settings.home / "logs" / "embedded.log",
        port=settings.embedded_port if is_free(settings.embedded_port, "127.0.0.1") else 0,
        parallel=settings.num_parallel,
        max_loaded=settings.max_loaded_models,
        num_ctx=settings.num_ctx,
        threads=settings.embedded_threads,
    )
    environment = {
        **inherited_environment(),
        **ray_environment(settings),
        processes.NODE: settings.node_name,
    }
    with step("Starting the built-in engine", "Built-in engine (llama.cpp; no Ollama needed)"):
        try:
            engine = embedded.start(options, environment)
        except embedded.EngineDidNotStart as error:
            raise Stop(str(error), f"All that it said: {options.log}") from None
        found = find(engine.url)
    return ModelServer(engine.url, "the built-in engine", found.models if found else ())


def _names(tags: Any) -> tuple[str, ...]:
    return tuple(sorted(printable(str(tag["name"]))[:200] for tag in tags))


def _no_models(settings: Settings, found: ModelServer) -> None:
    if not is_this_pc(host_of(settings.ollama_url)):
        raise Stop(
            f"{found.kind} at {found.url} has no model yet.",
            "Type there: ollama pull qwen2.5:0.5b",
        )
    note(
        f"{found.kind} answers at {found.url} but has no model: the built-in engine stands in."
        " To use Ollama: ollama pull qwen2.5:0.5b, ./council down, ./council up"
    )
