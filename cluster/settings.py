"""Every setting of the council, once, frozen. The only place that reads the environment.

Names: `COUNCIL_<FIELD>`, and Ollama's own (`OLLAMA_HOST`, `OLLAMA_MAX_LOADED_MODELS`,
`OLLAMA_NUM_PARALLEL`) and the requirement's `GENERATION_TIMEOUT`. `./council up --port 9000` and
its like change the tree and hand it on to Ray's processes by `environment()`.
"""

import os
import socket
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AliasChoices,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from actors.messages.judgement import RankingMethod
from actors.messages.procedure import Mode, ReviewMethod
from actors.messages.requests import ModelName
from actors.telemetry.logs import LogFormat, LogLevel
from cluster.ollama_url import DEFAULT_URL, model_server_url

JOIN_TOKEN = "COUNCIL_JOIN_TOKEN"
"""In place of `join --token`, which every user of the PC can read while it is typed."""


class InvalidSettings(Exception):
    """`InvalidSettings(sentence)`: names the variable, what is wrong with it, and what it takes."""


def _listed(value: Any) -> Any:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _unquoted(value: Any) -> Any:
    """Ollama strips quotes around its values, and so do we."""
    return value.strip().strip("\"'") if isinstance(value, str) else value


Port = Annotated[int, Field(ge=1, le=65535)]
NodeName = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$")]


class Settings(BaseSettings):
    """Times in seconds, lengths in characters, sizes in tokens (`num_…`) or bytes (`…_bytes`)."""

    model_config = SettingsConfigDict(
        env_prefix="COUNCIL_",
        frozen=True,
        extra="ignore",
        env_ignore_empty=True,
        populate_by_name=True,
        hide_input_in_errors=True,
    )

    home: Path = Field(default_factory=lambda: Path.home() / ".llm-council")
    """All that is kept: sessions.db, answers.db (a cache), ray_token, api_key, api_keys.json,
    embedded/, logs/."""

    prices: Path | None = None
    """The table of cloud prices that sessions are compared with; None = `prices.toml` in the home
    if it is there, else the shipped one (`cluster/prices.py`)."""

    # The HTTP API
    host: str = "127.0.0.1"
    """Where the API listens; another address than loopback requires a key (`./council key`)."""
    port: Port = 8000
    cors_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)] = ()
    allowed_hosts: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)] = ()
    """Names that the API may be asked for by, beside this PC's own (behind a proxy, say)."""

    # The council
    max_agents: int = Field(default=5, ge=1, le=50)
    max_query: int = Field(default=32_000, ge=1, le=10_000_000)
    models: Annotated[tuple[ModelName, ...], NoDecode, BeforeValidator(_listed)] = ()
    """The seats when a request names none; empty = chosen from what is installed."""
    chairman_model: ModelName | None = None
    num_ctx: int = Field(default=4096, ge=256, le=1_048_576)
    num_predict: int = Field(default=1024, ge=1, le=32_768)
    deadline_s: float = Field(default=600, gt=0, le=86_400, allow_inf_nan=False)
    max_queue_s: float | None = Field(default=None, gt=0, le=86_400, allow_inf_nan=False)
    """How long a question that is accepted may have to wait for its PCs, as far as is known; beyond
    it is refused (429). None = half of `deadline_s`, so that the other half is left to answer."""
    max_open: int = Field(default=500, ge=1, le=100_000)
    """Questions and single generations that may be open at once, however short the wait."""
    ranking: RankingMethod = "adjusted"
    """How places are made of ballots: `actors/council/judging/ranking.py` says what each does."""
    mode: Mode = "standard"
    """How much a question that names no mode is worth: `fast`, `standard` or `thorough`."""
    review: ReviewMethod = "listwise"
    """In `standard`: a reviewer judges all other answers at once, or (`pairwise`) one a call."""
    guard: bool = True
    """Whether the synthesis must not lose against the best opinion (two short calls a judge)."""
    early_stop: bool = True
    """Whether reviews end, in `standard`, once none can change who is first."""
    cache_ttl_s: float = Field(default=3600, ge=0, le=31_536_000, allow_inf_nan=False)
    """How long the answer to a model call (with a fixed seed or temperature 0) stands for the next
    one that is the same, of the same model by its digest. 0 = each is asked anew."""
    task_model: ModelName | None = None
    """Answers what chat front ends ask beside a question (titles, tags, …); None = the smallest."""
    task_markers: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)] = ()
    """Words by which such requests are known, beside those that are documented."""
    stream_answer: Literal["written", "judged"] = "written"
    """What clients of OpenAI's and Ollama's protocols get in a stream: the synthesis as the
    chairman writes it, and behind it the opinion that judges prefer, if they do; or the final
    answer alone, once it was judged."""
    generation_timeout_s: float = Field(
        default=120,
        gt=0,
        le=86_400,
        allow_inf_nan=False,
        validation_alias=AliasChoices("GENERATION_TIMEOUT", "COUNCIL_GENERATION_TIMEOUT_S"),
    )

    # This PC
    node_name: NodeName = Field(default_factory=lambda: default_node_name(socket.gethostname()))
    ollama_url: str = Field(
        default=DEFAULT_URL, validation_alias=AliasChoices("COUNCIL_OLLAMA_URL", "OLLAMA_HOST")
    )
    ollama_wait_s: float = Field(default=0, ge=0, le=3600, allow_inf_nan=False)
    """How long an Ollama that does not answer yet (after a boot, say) is waited for before the
    embedded engine stands in."""
    max_loaded_models: Annotated[int, BeforeValidator(_unquoted)] = Field(
        default=3, ge=0, le=1000, validation_alias=AliasChoices("OLLAMA_MAX_LOADED_MODELS")
    )
    num_parallel: Annotated[int, BeforeValidator(_unquoted)] = Field(
        default=1, ge=0, le=1000, validation_alias=AliasChoices("OLLAMA_NUM_PARALLEL")
    )
    embedded_port: Port = 11435
    embedded_threads: int | None = Field(default=None, ge=1, le=1024)
    """Threads of the embedded engine; None = the engine's own choice."""

    # Ray
    ray_address: str = "127.0.0.1:6379"
    """Where PC1's Ray answers (host:port)."""
    ray_port: Port | None = None
    """First port of this PC's Ray processes; None = 6379, or the next free block after it."""
    dashboard_port: Port | None = None
    """Ray's dashboard; None = 8265, or the next free one."""
    object_store_bytes: int = Field(default=150_000_000, ge=80_000_000)

    # What it tells of itself
    log_format: LogFormat = "auto"
    """Lines of JSON, or text for people; `auto` = text on a terminal only."""
    log_level: LogLevel = "INFO"
    """At `DEBUG` the log may hold what was asked and answered."""
    otel: dict[str, SecretStr] = Field(default_factory=lambda: _opentelemetry())
    """OpenTelemetry's own variables (`OTEL_…`), word for word; there may be a key in them."""

    @classmethod
    def load(cls) -> Self:
        """The settings as the environment has them. Raises `InvalidSettings`."""
        return cls.having()

    @classmethod
    def having(cls, **changes: Any) -> Self:
        """The environment's settings with these fields changed, checked the same way."""
        try:
            return cls(**changes)
        except ValidationError as error:
            raise InvalidSettings(_sentence(error)) from None

    def environment(self, only: Collection[str] | None = None) -> dict[str, str]:
        """What makes `load()` in another process give this very tree; or `only` these fields."""
        given = {name: getattr(self, name) for name in only or type(self).model_fields}
        otel = {name: text.get_secret_value() for name, text in given.pop("otel", {}).items()}
        return otel | {
            _variables(name)[0]: _text(value) for name, value in given.items() if value is not None
        }

    @contextmanager
    def opentelemetry(self) -> Iterator[Mapping[str, str]]:
        """OpenTelemetry's variables as they are here, and in this process's environment while it
        lasts: its SDK reads them from there only."""
        before = _opentelemetry()
        told = self.environment(["otel"])
        _replace_environment(before, told)
        try:
            yield told
        finally:
            _replace_environment(told, {n: text.get_secret_value() for n, text in before.items()})

    @property
    def lan(self) -> bool:
        """Whether other PCs can reach the API: then every request needs the key."""
        return self.host not in ("127.0.0.1", "localhost", "::1")

    @property
    def api_url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @field_validator("home", "prices")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return path and path.expanduser().absolute()

    @field_validator("ollama_url", mode="before")
    @classmethod
    def _plain_url(cls, url: Any) -> Any:
        return model_server_url(url) if isinstance(url, str) else url

    @field_validator("max_loaded_models", "num_parallel")
    @classmethod
    def _zero_is_default(cls, number: int, info: Any) -> int:
        """Ollama reads 0 as "choose yourself"; these are its choices on CPU."""
        return number or {"max_loaded_models": 3, "num_parallel": 1}[info.field_name]


def inherited_environment() -> dict[str, str]:
    """The environment for a child process: this one's, without another Ray's address or token, and
    without the token that `join` was given."""
    foreign = ("RAY_ADDRESS", "RAY_AUTH_TOKEN", "RAY_NAMESPACE", "RAY_RUNTIME_ENV", JOIN_TOKEN)
    return {name: value for name, value in os.environ.items() if name not in foreign}


def _opentelemetry() -> dict[str, SecretStr]:
    return {n: SecretStr(text) for n, text in os.environ.items() if n.startswith("OTEL_")}


def _replace_environment(old: Collection[str], new: Mapping[str, str]) -> None:
    for name in old:
        os.environ.pop(name, None)
    os.environ.update(new)


def default_node_name(host: str) -> str:
    """A host's name or address as a node's name: letters, digits, dots and dashes."""
    name = "".join(c if c.isascii() and c.isalnum() or c in ".-" else "-" for c in host)
    return name[:63].strip(".-") or "pc"


def _variables(field: str) -> tuple[str, ...]:
    """The environment variables that set a field; the first wins."""
    alias = Settings.model_fields[field].validation_alias
    if isinstance(alias, AliasChoices):
        return tuple(str(choice) for choice in alias.choices)
    return (f"COUNCIL_{field.upper()}",)


def _text(value: Any) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _sentence(error: ValidationError) -> str:
    lines = ["A setting cannot be used."]
    for fault in error.errors(include_url=False, include_input=False):
        place = str(fault["loc"][0])
        field = next((f for f in Settings.model_fields if place in (f, *_variables(f))), place)
        names = " or ".join(_variables(field)) if field in Settings.model_fields else place
        lines.append(f"{names}: {fault['msg'].removeprefix('Value error, ')}.")
    return " ".join(lines)
