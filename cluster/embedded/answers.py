"""One question, line by line. Knows nothing of HTTP: lines out, EngineError for what went wrong."""

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime

from cluster.embedded.asks import ChatAsk, GenerateAsk, SaidMessage
from cluster.embedded.engine import Engine
from cluster.embedded.faults import EngineError, PromptTooLong
from cluster.embedded.library import ModelFile
from cluster.embedded.protocol import (
    Counts,
    Line,
    Piece,
    bare_line,
    check,
    last_line,
    llama_request,
    read_chunk,
    shortened,
    text_line,
)
from cluster.embedded.residents import Residents


async def lines(
    ask: ChatAsk | GenerateAsk, model: ModelFile, residents: Residents
) -> AsyncGenerator[Line, None]:
    """Closing it early stops the generation and gives the slot back."""
    began = time.perf_counter_ns()
    check(ask, model.capabilities)
    if not ask.conversation and ask.keep_alive == 0:
        residents.unload(model.name)
        yield bare_line(ask, "unload", _now())
        return
    async with residents.use(model, ask.options.num_ctx, ask.keep_alive) as (resident, engine):
        if not ask.conversation:
            yield bare_line(ask, "load", _now())
            return
        async with resident.slots:
            load_ns = time.perf_counter_ns() - began
            reason, counts = None, None
            async with aclosing(_pieces(ask, engine)) as pieces:
                async for piece in pieces:
                    reason, counts = piece.reason or reason, piece.counts or counts
                    if piece.text or piece.thinking:
                        yield text_line(ask, piece, _now())
            total_ns = time.perf_counter_ns() - began
            yield _ending(ask, reason, counts, total_ns, load_ns)


async def _pieces(ask: ChatAsk | GenerateAsk, engine: Engine) -> AsyncGenerator[Piece, None]:
    """Asks again without the oldest message while llama.cpp says that the prompt is too long."""
    said: Sequence[SaidMessage] = ask.conversation
    while True:
        path, body = llama_request(ask, said)
        try:
            async with aclosing(engine.stream(path, body)) as chunks:
                async for chunk in chunks:
                    yield read_chunk(chunk)
            return
        except PromptTooLong:
            shorter = shortened(said) if ask.truncate else None
            if shorter is None:
                raise
            said = shorter


def _ending(
    ask: ChatAsk | GenerateAsk,
    reason: str | None,
    counts: Counts | None,
    total_ns: int,
    load_ns: int,
) -> Line:
    if reason is None or counts is None:
        raise EngineError(500, "the model runner ended the answer without saying why")
    return last_line(ask, reason, _now(), counts, total_ns, load_ns)


def _now() -> datetime:
    return datetime.now(UTC)
