"""The keys that open the HTTP API: `api_keys.json` in the council's home holds only their hashes.

A key is 256 random bits and shown once. Its id is the beginning of its hash, so that a line in a
log can be told from a list of keys. PC1's own commands have their copy in `api_key`.
"""

import fcntl
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, TypeAdapter, ValidationError

from cluster.secret_files import KEY, home_directory, keep, random_secret, secret

FILE = "api_keys.json"
OWN = "own"
"""What the key of PC1's own commands is called."""
_ID_LENGTH = 8


class KeyFileUnreadable(Exception):
    """`KeyFileUnreadable(sentence)`: the file is there, but is not ours."""


class ApiKey(BaseModel):
    """`sha256` is the hex digest of the key; `ends_at`: from then on it opens nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    id: str
    name: str
    sha256: str
    created_at: AwareDatetime
    ends_at: AwareDatetime | None = None

    def opens(self, now: datetime) -> bool:
        return self.ends_at is None or now < self.ends_at


Keys = tuple[ApiKey, ...]
_KEYS = TypeAdapter(Keys)


def digest(key: str) -> str:
    return hashlib.sha256(key.encode("latin-1", "replace")).hexdigest()


def fingerprint(secret_text: str) -> str:
    """What may be said of a secret aloud; for a key that is its id."""
    return digest(secret_text)[:_ID_LENGTH]


def described(key: str, name: str, now: datetime) -> ApiKey:
    """What is kept of a key."""
    return ApiKey(id=fingerprint(key), name=name, sha256=digest(key), created_at=now)


def path(home: Path) -> Path:
    return home / FILE


def read(home: Path) -> Keys:
    """The keys of a home; none where there is no file. Raises `KeyFileUnreadable`."""
    try:
        return parsed(path(home).read_bytes())
    except FileNotFoundError:
        return ()


def parsed(raw: bytes) -> Keys:
    try:
        return _KEYS.validate_json(raw)
    except ValidationError:
        raise KeyFileUnreadable(
            f"{FILE} is not a list of keys as ./council key writes it."
        ) from None


def take_in_own(home: Path, now: datetime) -> None:
    """Makes sure that PC1's own key opens: a council from before `api_keys.json` has only that."""
    with _locked(home):
        own, keys = secret(home, KEY), read(home)
        if not any(key.sha256 == digest(own) for key in keys):
            _write(home, (*keys, described(own, OWN, now)))


def add(home: Path, name: str, now: datetime) -> str:
    """A new key, which is told only here."""
    key = random_secret()
    with _locked(home):
        _write(home, (*_going_on(read(home), now), described(key, name, now)))
    return key


def revoke(home: Path, key_id: str, now: datetime) -> ApiKey | None:
    """The key that opens nothing from now on; None if there is none of that id."""
    with _locked(home):
        keys = read(home)
        _write(home, tuple(key for key in _going_on(keys, now) if key.id != key_id))
    return next((key for key in keys if key.id == key_id), None)


def rotate(home: Path, now: datetime, ends_at: datetime) -> ApiKey:
    """Gives PC1's own commands a new key; the one they had opens until `ends_at`. At no moment
    does what stands in `api_key` open nothing, whenever this is cut short."""
    new = random_secret()
    kept = described(new, OWN, now)
    with _locked(home):
        old = digest(secret(home, KEY))
        keys = _going_on(read(home), now)
        _write(home, (*keys, kept))
        keep(home / KEY, new)
        ended = tuple(
            key.model_copy(update={"ends_at": ends_at}) if key.sha256 == old else key
            for key in keys
        )
        _write(home, (*_going_on(ended, now), kept))
    return kept


def is_own(home: Path, key: ApiKey) -> bool:
    return key.sha256 == digest(secret(home, KEY))


def _going_on(keys: Keys, now: datetime) -> Keys:
    return tuple(key for key in keys if key.opens(now))


def _write(home: Path, keys: Keys) -> None:
    listed = [key.model_dump(mode="json", exclude_none=True) for key in keys]
    keep(path(home), json.dumps(listed, indent=2) + "\n")


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    """One change at a time."""
    with (home_directory(home) / f".{FILE}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
