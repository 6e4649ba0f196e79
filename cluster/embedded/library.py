"""Which models there are: the GGUF files of one folder. Knows nothing of loading them."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cluster.embedded.gguf import Header, NotGguf, read_header
from cluster.embedded.names import full_name, model_name

log = logging.getLogger(__name__)

# llama.cpp's numbers for how a file's weights are stored (general.file_type).
_FILE_TYPES = {0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1"}
_FILE_TYPES |= {10: "Q2_K", 11: "Q3_K_S", 12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M"}
_FILE_TYPES |= {16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 32: "BF16", 38: "MXFP4"}


@dataclass(frozen=True)
class ModelFile:
    """One model on disk. `size` in bytes."""

    name: str
    path: Path
    size: int
    modified_at: datetime
    header: Header

    @property
    def capabilities(self) -> tuple[str, ...]:
        """`completion`, with `thinking` where the chat template knows of it; or `embedding`."""
        if f"{self.header.architecture}.pooling_type" in self.header.values:
            return ("embedding",)
        thinks = "</think>" in self.template or "enable_thinking" in self.template
        return ("completion", "thinking") if thinks else ("completion",)

    @property
    def template(self) -> str:
        return str(self.header.values.get("tokenizer.chat_template", ""))

    @property
    def quantisation(self) -> str:
        kind = self.header.values.get("general.file_type")
        return _FILE_TYPES.get(kind, "unknown") if isinstance(kind, int) else "unknown"


class Library:
    """Looks at the folder anew each time, so that a file put there is offered at once. A header is
    read again only when its file has changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[Path, tuple[tuple[int, int], ModelFile | None]] = {}

    def models(self) -> tuple[ModelFile, ...]:
        """In order of name. Of two files that give one name, the first in the folder's order."""
        found: dict[str, ModelFile] = {}
        for path in sorted(self._folder.glob("*")):
            model = self._model(path)
            if model is not None:
                found.setdefault(model.name, model)
        return tuple(found[name] for name in sorted(found))

    def find(self, asked: str) -> ModelFile | None:
        name = full_name(asked)
        return next((model for model in self.models() if model.name == name), None)

    def _model(self, path: Path) -> ModelFile | None:
        name = model_name(path.name)
        if name is None or not path.is_file():
            return None
        state = path.stat()
        stamp = (state.st_mtime_ns, state.st_size)
        if path not in self._read or self._read[path][0] != stamp:
            changed = datetime.fromtimestamp(state.st_mtime, UTC)
            self._read[path] = (stamp, _look(path, name, state.st_size, changed))
        return self._read[path][1]


def _look(path: Path, name: str, size: int, changed: datetime) -> ModelFile | None:
    try:
        return ModelFile(name, path, size, changed, read_header(path))
    except (NotGguf, OSError) as error:
        log.warning("not offered as a model: %s", error)
        return None
