"""Values of labels, bounded: every label value is a series that Prometheus keeps for weeks."""

from collections.abc import Iterator

from actors.errors import CouncilError

OTHER = "other"
MOST = 200
"""More PCs, and more models, than any council has."""
INTERNAL = "internal"
"""The code of a mistake of ours."""


class Bounded:
    """The first `most` values as they are, all that come later as `other`."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._known: set[str] = set()

    def __call__(self, value: str) -> str:
        if value not in self._known:
            if len(self._known) >= self._most:
                return OTHER
            self._known.add(value)
        return value


def code(value: str | None) -> str:
    """A code of the error tree as it is, anything else as `other`."""
    return value if value in CODES else OTHER


def _codes(kind: type[CouncilError]) -> Iterator[str]:
    yield kind.code
    for narrower in kind.__subclasses__():
        yield from _codes(narrower)


CODES = frozenset({INTERNAL, *_codes(CouncilError)})
