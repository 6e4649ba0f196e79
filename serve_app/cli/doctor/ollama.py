"""Checks of the settings that Ollama runs with on this PC.

It tells them to nobody: they are read from its process or its service, where this user may; where
not, that is what is said. How long a model stays and its context need no check: the council sends
both with each request.
"""

import shlex
import subprocess
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

import psutil

from cluster.ollama_url import OddUrl, model_server_url
from cluster.settings import Settings
from serve_app.cli.doctor.finding import Finding, ok, warning

Environment = Mapping[str, str]

SYSTEMCTL = ("systemctl", "show", "ollama.service", "--property=ActiveState,Environment")
SYSTEMCTL_S = 5
DEFAULT_PARALLEL, DEFAULT_LOADED = 1, 3
"""Ollama's own, on a CPU; with several graphics cards it keeps three models on each."""


def check(settings: Settings) -> Iterator[Finding]:
    """Where Ollama answers on this PC."""
    environment = of_process(settings.ollama_url)
    if environment is None:
        environment = of_service()
    if environment is None:
        yield unseen(settings)
    else:
        yield parallel(_number(environment, "OLLAMA_NUM_PARALLEL"), settings.num_parallel)
        yield loaded(_number(environment, "OLLAMA_MAX_LOADED_MODELS"), settings.max_loaded_models)


def unseen(settings: Settings) -> Finding:
    says = (
        "whether its OLLAMA_NUM_PARALLEL and OLLAMA_MAX_LOADED_MODELS are those of the council"
        f" ({settings.num_parallel} and {settings.max_loaded_models}) cannot be seen from here"
    )
    return Finding("Ollama", "ok", says, "Look: systemctl cat ollama")


def parallel(its: int, ours: int) -> Finding:
    """`its` 0 = not set."""
    its = its or DEFAULT_PARALLEL
    says = f"answers {its} at once a model, the council sends it {ours} (OLLAMA_NUM_PARALLEL)"
    if ours > its:
        mend = f"Start Ollama with OLLAMA_NUM_PARALLEL={ours}, or the council with {its}."
        return warning("Ollama", f"{says}: the others wait where nobody counts them", mend)
    if ours < its:
        mend = f"To use them all: OLLAMA_NUM_PARALLEL={its} for ./council too."
        return Finding("Ollama", "ok", says, mend)
    return ok("Ollama", says)


def loaded(its: int, ours: int) -> Finding:
    """`its` 0 = not set."""
    says = f"keeps {its or DEFAULT_LOADED} models in memory, the council counts on {ours}"
    says += " (OLLAMA_MAX_LOADED_MODELS)"
    if ours > (its or DEFAULT_LOADED):
        mend = f"Start Ollama with OLLAMA_MAX_LOADED_MODELS={ours}, or the council with"
        mend += f" --slots {its or DEFAULT_LOADED}."
        return warning("Ollama", f"{says}: models push each other out", mend)
    return ok("Ollama", says)


def of_process(url: str) -> Environment | None:
    """The environment of the `ollama serve` that has that port; None where it may not be read."""
    for process in psutil.process_iter():
        try:
            if process.name() == "ollama" and "serve" in process.cmdline():
                environment = process.environ()
                if _port(model_server_url(environment.get("OLLAMA_HOST", ""))) == _port(url):
                    return environment
        except (psutil.Error, OddUrl, OSError):
            continue
    return None


def of_service() -> Environment | None:
    """What systemd gives to Ollama's service, if it runs."""
    try:
        done = subprocess.run(SYSTEMCTL, capture_output=True, text=True, timeout=SYSTEMCTL_S)
    except (OSError, subprocess.SubprocessError):
        return None
    return shown(done.stdout)


def shown(properties: str) -> Environment | None:
    """From the lines of `systemctl show`."""
    told = dict(line.split("=", 1) for line in properties.splitlines() if "=" in line)
    if told.get("ActiveState") != "active":
        return None
    try:
        words = shlex.split(told.get("Environment", ""))
    except ValueError:
        return None
    return dict(word.split("=", 1) for word in words if "=" in word)


def _number(environment: Environment, name: str) -> int:
    text = environment.get(name, "").strip().strip("\"'")
    return int(text) if text.isascii() and text.isdigit() else 0


def _port(url: str) -> int | None:
    return urlsplit(url).port
