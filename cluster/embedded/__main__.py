"""`python -m cluster.embedded`: the embedded engine as a program."""

import argparse
import asyncio
import os
import socket
from pathlib import Path

import uvicorn

from cluster import process_logs
from cluster.embedded.engine import Loader, new_http_client
from cluster.embedded.library import Library
from cluster.embedded.residents import Limits, Residents
from cluster.embedded.server import Service, build

_LEAVE_S = 2
"""How long clients may take to read their last line after SIGTERM."""


class _Server(uvicorn.Server):
    """Ends the models before it waits for answers: those end at once then, with an error line."""

    def __init__(self, config: uvicorn.Config, residents: Residents) -> None:
        super().__init__(config)
        self._residents = residents

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._residents.close()
        await super().shutdown(sockets)


def default_threads() -> int:
    """Half of the CPUs this process may use, at least one.

    llama.cpp's threads wait for each other at every step: with as many threads as CPUs, one other
    busy process stalls single calls for many seconds. Ray and the council need CPUs too.
    """
    return max(1, len(os.sched_getaffinity(0)) // 2)


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m cluster.embedded",
        description="Serves the GGUF models of a folder by Ollama's protocol.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at")
    parser.add_argument("--port", type=int, default=0, help="port to listen at; 0 picks a free one")
    parser.add_argument("--models-dir", type=Path, required=True, help="folder of GGUF files")
    parser.add_argument("--threads", type=int, default=default_threads(), help="threads a model")
    parser.add_argument("--parallel", type=int, default=1, help="answers at once, a model")
    parser.add_argument("--max-loaded", type=int, default=3, help="models in memory at once")
    parser.add_argument("--num-ctx", type=int, default=2048, help="context of each answer, tokens")
    parser.add_argument("--port-file", type=Path, help="where to write the port that was picked")
    return parser


async def serve(given: argparse.Namespace) -> None:
    limits = Limits(given.max_loaded, given.parallel, given.num_ctx)
    async with new_http_client() as http:
        loader = Loader(http, given.parallel, given.threads)
        residents = Residents(loader.load, limits)
        service = Service(Library(given.models_dir), residents)
        config = uvicorn.Config(
            build(service, given.host),
            log_config=None,
            log_level="warning",
            access_log=False,
            lifespan="off",
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=_LEAVE_S,
        )
        family = socket.AF_INET6 if ":" in given.host else socket.AF_INET
        with socket.create_server((given.host, given.port), family=family) as listener:
            # asyncio does this only for sockets it makes itself; without, a first token waits 40 ms
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            port = listener.getsockname()[1]
            host = f"[{given.host}]" if ":" in given.host else given.host
            names = ", ".join(model.name for model in service.library.models()) or "none yet"
            print(f"Embedded engine at http://{host}:{port}, models: {names}", flush=True)
            if given.port_file is not None:
                _write(given.port_file, f"{port}\n")
            try:
                await _Server(config, residents).serve(sockets=[listener])
            finally:
                await residents.close()


def _write(path: Path, text: str) -> None:
    """Whole or not at all: readers never see half a number."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(text)
    draft.replace(path)


def main() -> None:
    given = arguments().parse_args()
    process_logs.install(lambda: "embedded")
    asyncio.run(serve(given))


if __name__ == "__main__":
    main()
