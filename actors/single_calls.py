"""Single calls to a model, outside of any session: admitted by the work that waits already, made
(`worker.py`), counted. Knows nothing of sessions.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from actors import worker
from actors.admission import Admission
from actors.batches import Batch, Batches
from actors.council.asking.briefs import Limits
from actors.messages.calls import Generated
from actors.messages.chats import LocalChat, LocalEmbedding
from actors.messages.nodes import ModelLimits
from actors.messages.requests import ModelOptions, Origin, WorkerRequest, WorkerResult
from actors.meters.orchestrator import OrchestratorMeters
from actors.pool import Pool
from actors.store.answers import AnswerCache
from actors.summons import Summons

VECTORS = ModelOptions(num_predict=1)
"""What making vectors is counted as: the prompt is all of the work."""


class SingleCalls:
    """Every method raises only `CouncilError`s. `timeout_s`: how long a call may take."""

    def __init__(
        self,
        pool: Pool,
        cache: AnswerCache,
        summons: Summons,
        admission: Admission,
        meters: OrchestratorMeters,
        limits: Limits,
        timeout_s: float,
    ) -> None:
        self._pool = pool
        self._cache = cache
        self._summons = summons
        self._admission = admission
        self._meters = meters
        self._limits = limits
        self._timeout_s = timeout_s

    async def generate(self, request: WorkerRequest, origin: Origin) -> WorkerResult:
        """One stateless generation. Raises `QueueFull` too."""
        model = await self._summons.model(request.model)
        with self._admission.call(
            (request.prompt, request.system or ""), request.options, model
        ) as counted:
            answer = await worker.generate(self._line(model, origin), request, self._limits)
            counted(answer)
            self._meters.generated(model, answer)
        return worker.result(model, answer)

    async def chat(self, request: LocalChat, origin: Origin) -> AsyncGenerator[Batch, None]:
        """What a local model says, several pieces at a time, in the end its `Generated`; an empty
        batch is a sign of life. Raises as `generate` does, also in the middle."""
        model = await self._summons.model(request.model)
        texts = (message.content for message in request.messages)
        with self._admission.call(texts, request.options, model) as counted:
            said = Batches(worker.chat(self._line(model, origin), request))
            async with aclosing(aiter(said)) as batches:  # type: ignore[type-var]
                async for batch in batches:
                    for event in batch:
                        if isinstance(event, Generated):
                            counted(event)
                            self._meters.generated(model, event)
                    yield batch

    async def embed(self, request: LocalEmbedding, origin: Origin) -> Generated:
        """A vector for each text. Raises as `generate` does."""
        model = await self._summons.model(request.model)
        with self._admission.call(request.inputs, VECTORS, model):
            answer = await worker.embed(self._line(model, origin), request)
        self._meters.generated(model, answer)
        return answer

    async def limits(self, model: str) -> ModelLimits:
        """What a PC that has the model tells of it."""
        return await self._pool.limits(await self._summons.model(model))

    def _line(self, model: str, origin: Origin) -> worker.Line:
        return worker.Line(self._pool, self._cache, model, self._timeout_s, origin)
