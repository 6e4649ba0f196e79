"""Reads a GGUF file's header: what the model says of itself. Knows nothing of llama.cpp.

Layout (little endian): magic, version, number of tensors, number of metadata entries; then the
entries (key, type, value) and one description a tensor. Of the weights behind, a few places go into
the digest: a model that was trained on has the same header.
Lists are stepped over, but for their length: a vocabulary has 50,000 entries nobody here asks for.
"""

import hashlib
import math
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

Scalar = int | float | bool | str

_FIXED = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?"}
_FIXED |= {10: "<Q", 11: "<q", 12: "<d"}
_STRING, _LIST = 8, 9
_MOST_ENTRIES = 1_000_000
_SAMPLES, _SAMPLE_BYTES = 64, 4096


class NotGguf(Exception):
    """The file is no GGUF, or its header is cut off or damaged."""


@dataclass(frozen=True)
class Header:
    """`values`: the metadata without its lists; `digest`: SHA-256 of the header, the file's size,
    and samples of the weights."""

    values: dict[str, Scalar]
    parameter_count: int
    digest: str

    @property
    def architecture(self) -> str:
        return str(self.values.get("general.architecture", ""))

    @property
    def context_length(self) -> int | None:
        """The longest context the model was trained for."""
        value = self.values.get(f"{self.architecture}.context_length")
        return int(value) if isinstance(value, int | float) else None


def read_header(path: Path) -> Header:
    """Raises NotGguf, and OSError where the file cannot be opened."""
    try:
        with path.open("rb") as file:
            return _Reader(file).header()
    except (ValueError, struct.error, UnicodeDecodeError) as error:
        raise NotGguf(f"{path.name} is not a readable GGUF file: {error}") from error


class _Reader:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = os.fstat(file.fileno()).st_size

    def header(self) -> Header:
        if self._bytes(4) != b"GGUF":
            raise ValueError("the magic number is missing")
        version, (tensors, entries) = int(self._take("<I")), self._counts()
        if version not in (2, 3):
            raise ValueError(f"version {version} is unknown")
        values = {}
        for _ in range(entries):
            key = self._text()
            value = self._value(int(self._take("<I")))
            if value is not None:
                values[key] = value
        parameters = sum(self._tensor() for _ in range(tensors))
        end = self._file.tell()
        return Header(values, parameters, self._digest(end))

    def _digest(self, weights: int) -> str:
        """`weights`: where they begin. Reading all of them would take seconds a GB."""
        self._file.seek(0)
        found = hashlib.sha256(self._bytes(weights) + struct.pack("<Q", self._size))
        for n in range(_SAMPLES):
            self._file.seek(weights + (self._size - weights) * n // _SAMPLES)
            found.update(self._file.read(_SAMPLE_BYTES))
        return found.hexdigest()

    def _counts(self) -> tuple[int, int]:
        tensors, entries = int(self._take("<Q")), int(self._take("<Q"))
        if max(tensors, entries) > _MOST_ENTRIES:
            raise ValueError("the header's counts make no sense")
        return tensors, entries

    def _value(self, kind: int) -> Scalar | None:
        if kind == _STRING:
            return self._text()
        if kind == _LIST:
            self._step_over_list()
            return None
        if kind not in _FIXED:
            raise ValueError(f"type {kind} is unknown")
        return self._take(_FIXED[kind])

    def _step_over_list(self) -> None:
        kind, length = int(self._take("<I")), int(self._take("<Q"))
        if kind in _FIXED:
            self._skip(length * struct.calcsize(_FIXED[kind]))
        elif kind == _STRING:
            for _ in range(length):
                self._skip(int(self._take("<Q")))
        else:
            raise ValueError(f"lists of type {kind} are unknown")

    def _tensor(self) -> int:
        """The number of parameters in the tensor described here."""
        self._text()
        sizes = [int(self._take("<Q")) for _ in range(int(self._take("<I")))]
        self._skip(12)
        return math.prod(sizes)

    def _text(self) -> str:
        return self._bytes(int(self._take("<Q"))).decode()

    def _take(self, fmt: str) -> int | float | bool:
        value: int | float | bool = struct.unpack(fmt, self._bytes(struct.calcsize(fmt)))[0]
        return value

    def _bytes(self, count: int) -> bytes:
        self._check(count)
        return self._file.read(count)

    def _skip(self, count: int) -> None:
        self._check(count)
        self._file.seek(count, os.SEEK_CUR)

    def _check(self, count: int) -> None:
        if self._file.tell() + count > self._size:
            raise ValueError("the file ends within its header")
