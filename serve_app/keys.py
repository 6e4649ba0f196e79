"""Whether a key opens, by the hashes in the council's home. Knows nothing of requests.

The file is read again when it has changed, so that `./council key` takes effect at once and without
a restart; until then a check costs one `stat`.
"""

import hmac
import logging
from datetime import datetime
from pathlib import Path

from cluster.api_keys import KeyFileUnreadable, Keys, digest, parsed

Stamp = tuple[int, int, int] | None

log = logging.getLogger(__name__)


class KeyRing:
    """The keys of one file; no file, or one that is not ours, opens nothing."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._stamp: Stamp = None
        self._keys: Keys = ()

    def opens(self, key: str, now: datetime) -> bool:
        """Compares with every hash, each in constant time."""
        self._refresh()
        given = digest(key)
        return any(
            [hmac.compare_digest(given, one.sha256) and one.opens(now) for one in self._keys]
        )

    def _refresh(self) -> None:
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return
        self._stamp, self._keys = stamp, ()
        if self._path is None or stamp is None:
            return
        try:
            self._keys = parsed(self._path.read_bytes())
        except (OSError, KeyFileUnreadable) as error:
            log.error("no key opens any more: %s", error)


def _stamp(path: Path | None) -> Stamp:
    """Changes whenever the file does: it is always replaced, never written over."""
    try:
        found = path.stat() if path is not None else None
    except OSError:
        return None
    return found and (found.st_ino, found.st_mtime_ns, found.st_size)
