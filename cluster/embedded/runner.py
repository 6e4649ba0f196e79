"""One loaded model: llama.cpp's own HTTP server in a process of its own. Knows nothing of Ollama.

`python -m cluster.embedded.runner` reads a `Spec` as one JSON line on its standard input, loads,
and answers with one line on its standard output: the address it listens at. It ends when its
input ends, so it never outlives the engine. A process a model, because llama.cpp holds Python's
lock while it loads, gives memory back only at its end, and a crash takes its process along.
"""

import ctypes
import json
import os
import signal
import sys
from dataclasses import asdict, dataclass
from typing import Any

_BATCH = 256
"""Tokens evaluated at once. A cancelled prompt stops, and another slot's tokens flow, only between
batches: 256 take 2.5 s on one slow core. 2,048 (llama.cpp's default) are no faster there."""

_CACHE_MIB = 256
"""Memory for prompts that lost their slot. llama.cpp's default of 8 GiB is most of a small PC."""

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Spec:
    """What to load. `num_ctx` tokens for each of `num_parallel` slots; `key` guards the server."""

    path: str
    num_ctx: int
    num_parallel: int
    threads: int
    key: str

    def line(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the engine's to handle
    _die_with_parent()
    with os.fdopen(os.dup(1), "w") as answer:
        os.dup2(2, 1)  # whatever llama.cpp prints must not be taken for the answer
        spec = Spec(**json.loads(sys.stdin.readline()))
        server = _load(spec)
        answer.write(server.listening_address + "\n")
    sys.stdin.read()
    os._exit(0)  # at once, without waiting for the batch that runs


def _load(spec: Spec) -> Any:
    import xllamacpp  # here, so that reading a Spec needs no llama.cpp

    params = xllamacpp.CommonParams()
    params.model.path = spec.path
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [spec.key]
    params.n_parallel = spec.num_parallel
    params.n_ctx = spec.num_ctx * spec.num_parallel
    params.n_batch = params.n_ubatch = _BATCH
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = spec.threads
    params.cache_ram_mib = _CACHE_MIB
    params.fit_params = False  # the context is what was asked for, or the load fails
    params.ctx_shift = False  # an answer ends at the context's end, nothing is forgotten
    params.ui = False
    params.verbosity = 1  # errors only
    try:
        return xllamacpp.Server(params)
    except RuntimeError:
        os._exit(1)  # llama.cpp has said why on standard error


def _die_with_parent() -> None:
    """Linux ends this process with its parent, also while llama.cpp loads and reads no input."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main()
