"""One loaded model as the server sees it: starts its runner, asks it, ends it."""

import asyncio
import json
import logging
import re
import secrets
import signal
import sys
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from cluster.embedded.faults import EngineError, LoadFailed, RunnerDied
from cluster.embedded.library import ModelFile
from cluster.embedded.protocol import refusal
from cluster.embedded.runner import Spec

log = logging.getLogger(__name__)

_LOAD_S = 300.0
_STOP_S = 3.0
_KEPT_OUTPUT = 4_000
_ROOT = Path(__file__).parents[2]
_STAMP = re.compile(r"^[\d.]+ [A-Z] ")


def new_http_client() -> httpx.AsyncClient:
    """For the runners: loopback only, no limit on silence (a long prompt is evaluated silently)."""
    return httpx.AsyncClient(
        timeout=httpx.Timeout(None, connect=10.0),
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
        trust_env=False,
        verify=False,  # plain HTTP: saves building a TLS context
    )


@dataclass(frozen=True)
class Loader:
    """What every engine is loaded with."""

    http: httpx.AsyncClient
    num_parallel: int
    threads: int

    async def load(self, model: ModelFile, num_ctx: int) -> "Engine":
        """Raises LoadFailed. If cancelled, the runner is ended before this returns."""
        key = secrets.token_hex(16)
        spec = Spec(str(model.path), num_ctx, self.num_parallel, self.threads, key)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "cluster.embedded.runner"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=_ROOT,
        )
        engine = Engine(self.http, process, key)
        try:
            async with asyncio.timeout(_LOAD_S):
                await engine.start(spec)
        except TimeoutError:
            raise EngineError(500, "timed out waiting for llama-server to start") from None
        finally:
            if not engine.address:
                await engine.stop()
        return engine


class Engine:
    """A runner process and the way to talk to it."""

    def __init__(
        self, http: httpx.AsyncClient, process: asyncio.subprocess.Process, key: str
    ) -> None:
        self.address = ""
        self._http = http
        self._process = process
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._output = b""
        self._listening = asyncio.create_task(self._listen())

    async def start(self, spec: Spec) -> None:
        """Returns when the model is loaded; raises LoadFailed with what llama.cpp said."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(spec.line())
        address = (await self._process.stdout.readline()).decode().strip()
        if not address:
            await self._process.wait()
            await self._listening
            raise LoadFailed(self.ending, last_words(self._output.decode(errors="replace")))
        self.address = address

    async def stream(self, path: str, body: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        """llama.cpp's events. Raises EngineError; closing it early cancels the generation."""
        asked = self._http.stream(
            "POST", self.address + path, content=json.dumps(body), headers=self._headers
        )
        try:
            async with asked as response:
                if response.status_code != 200:
                    raise refusal(response.status_code, (await response.aread()).decode())
                async for line in response.aiter_lines():
                    name, _, data = line.partition(": ")
                    if name == "data" and data != "[DONE]":
                        yield json.loads(data)
        except httpx.TransportError:
            raise RunnerDied(await self._soon_ended()) from None

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    @property
    def ending(self) -> str:
        """How the process ended, in words."""
        code = self._process.returncode
        if code is None:
            return "still running"
        return f"signal: {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"

    def memory(self) -> int:
        """Bytes of memory in use; 0 if the process has gone."""
        try:
            return int(psutil.Process(self._process.pid).memory_info().rss)
        except psutil.Error:
            return 0

    async def stop(self) -> None:
        """Ends the runner; it has ended when this returns, also when this is cancelled."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(_STOP_S if self.address else 0):
                await self._process.wait()
        except TimeoutError:
            log.debug("runner %d does not leave by itself", self._process.pid)
        finally:
            if self.alive:
                self._process.kill()
        await self._process.wait()
        await self._listening

    async def _soon_ended(self) -> str:
        """A broken connection is mostly a process about to be seen as ended."""
        try:
            async with asyncio.timeout(1.0):
                await self._process.wait()
        except TimeoutError:
            return "the connection broke"
        return self.ending

    async def _listen(self) -> None:
        """Keeps the end of what llama.cpp writes. Never logged: it might quote a prompt."""
        assert self._process.stderr is not None
        while data := await self._process.stderr.read(4096):
            self._output = (self._output + data)[-_KEPT_OUTPUT:]


def last_words(output: str) -> str:
    """The last lines of llama.cpp's output, without their time stamps."""
    lines = [_STAMP.sub("", line).strip() for line in output.splitlines() if line.strip()]
    return "; ".join(lines[-3:])
