"""Values of labels, bounded: every label value is a series that Prometheus keeps for weeks."""

from itertools import chain

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


def codes(kind: type[CouncilError]) -> frozenset[str]:
    """Of that error and all that are narrower."""
    return frozenset({kind.code, *chain.from_iterable(map(codes, kind.__subclasses__()))})


CODES = frozenset({INTERNAL, *codes(CouncilError)})
