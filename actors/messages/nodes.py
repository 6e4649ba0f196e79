"""What a PC tells of itself: vitals, and what its Ollama has. Sizes in bytes unless said."""

from datetime import datetime
from typing import Literal

from actors.messages.message import Message

Duty = Literal["serving", "draining", "drained"]
"""draining = it is being taken out: it serves only what no other PC can; drained = nothing more."""


BreakerState = Literal["closed", "open", "half_open"]
"""open = its model server could not be reached so often that nobody is sent there; half_open = the
server answers its version again, the next call decides."""


class MemoryUse(Message):
    total: int
    used: int
    percent: float


class NodeVitals(Message):
    cpu_percent: float
    memory: MemoryUse
    disk: MemoryUse
    uptime_s: int


class NodeEnergy(Message):
    """What a PC uses, all that runs there: its processor with its memory, and `cards` NVIDIA cards.
    `joules` since `since`, `watts` now (None at first). Not in it: disks, fans, other cards."""

    joules: float
    since: datetime
    watts: float | None
    cards: int = 0


class InstalledModel(Message):
    """A model on disk. `size` in bytes; `parameter_size` as Ollama writes it (`"3.2B"`)."""

    name: str
    size: int = 0
    digest: str = ""
    parameter_size: str = ""
    family: str = ""
    quantization_level: str = ""
    modified_at: datetime | None = None


class ModelLimits(Message):
    """What a model can do. `context_length` in tokens; capabilities such as `"completion"`,
    `"thinking"`, `"embedding"`; empty where an old version does not tell."""

    context_length: int | None = None
    capabilities: tuple[str, ...] = ()


class LoadedModel(Message):
    """A model in memory. `expires_at` None = kept until unloaded."""

    name: str
    size: int = 0
    size_vram: int = 0
    context_length: int | None = None
    expires_at: datetime | None = None


class ServerCaution(Message):
    """A warning about a model server by its code. `old_version`: `values` = its version, and the
    first one that is safe."""

    code: Literal["old_version"]
    values: tuple[str, ...] = ()


class OllamaStatus(Message):
    """One model server as its PC sees it. `error` says why it is not connected. `cautions`: the
    warnings by codes, in their order."""

    url: str
    connected: bool
    version: str | None = None
    installed: tuple[InstalledModel, ...] = ()
    loaded: tuple[LoadedModel, ...] = ()
    error_code: str | None = None
    error: str | None = None
    warnings: tuple[str, ...] = ()
    cautions: tuple[ServerCaution, ...] = ()


class ClockReading(Message):
    """How many seconds a PC's clock is ahead of PC1's, to within `bound_s`."""

    ahead_s: float
    bound_s: float


class NodeReport(Message):
    """All of one PC, as of `at` by its own clock, told within `took_s` seconds. `max_models` =
    models its Ollama may keep loaded; `num_parallel` = generations at once per model. `clock` is
    added by who hears the report."""

    name: str
    ip: str
    role: Literal["head", "worker"]
    at: datetime
    took_s: float = 0.0
    clock: ClockReading | None = None
    python: str = ""
    ray: str = ""
    vitals: NodeVitals | None = None
    energy: NodeEnergy | None = None
    ollama: OllamaStatus | None = None
    max_models: int = 0
    num_parallel: int = 1
    agents: tuple[str, ...] = ()
    """Models for which an OllamaAgent sits on this PC."""
    breaker: BreakerState = "closed"
    duty: Duty = "serving"


class NodeStanding(Message):
    """How a PC takes part. `calls` = model calls that run there now; `agents` = models that sit
    there, `loading` = those of them that are not in memory yet; `owed` = models that open councils
    may still ask for and find nowhere else."""

    name: str
    ip: str
    role: Literal["head", "worker"]
    state: Duty
    breaker_open: bool
    calls: int
    max_models: int
    agents: tuple[str, ...] = ()
    loading: tuple[str, ...] = ()
    owed: tuple[str, ...] = ()


class RecommendedModel(Message):
    name: str
    display_name: str
    size: str
    description: str
    recommended_role: str
    installed: bool = False


class ModelCatalogue(Message):
    """`nodes`: model name -> names of the PCs that have it on disk."""

    recommended: tuple[RecommendedModel, ...]
    installed: tuple[str, ...]
    nodes: dict[str, tuple[str, ...]]
