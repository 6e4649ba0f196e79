"""How often a client may be wrong about the key: ten times a minute, then it has to wait.

Who shows a right key is not held up by others at the same address. Knows nothing of requests.
"""

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass, replace

PER_MINUTE = 10
MAX_CLIENTS = 1_024
"""Beyond that the one that was quiet longest is forgotten."""


@dataclass(frozen=True)
class Record:
    """`left` attempts at time `at`; when a line about this client was last logged, and how many
    were not since."""

    left: float
    at: float
    said_at: float = float("-inf")
    unsaid: int = 0


@dataclass(frozen=True)
class Verdict:
    """`wait_s`: until the next attempt, 0 if this one was still allowed. `say`: how many attempts
    one line in the log stands for, 0 for no line now."""

    wait_s: float
    say: int


class Attempts:
    """What is remembered of clients that were wrong. Times in seconds of any steady clock."""

    def __init__(self) -> None:
        self._records: OrderedDict[str, Record] = OrderedDict()

    def failed(self, address: str, now: float) -> Verdict:
        client = client_of(address)
        before = self._records.pop(client, Record(PER_MINUTE, now))
        self._records[client], verdict = judged(before, now)
        if len(self._records) > MAX_CLIENTS:
            self._records.popitem(last=False)
        return verdict

    def forget(self) -> None:
        self._records.clear()


def judged(record: Record, now: float) -> tuple[Record, Verdict]:
    """A bucket that fills up evenly. At most one line a second for each client."""
    left = min(PER_MINUTE, record.left + (now - record.at) * PER_MINUTE / 60)
    allowed = left >= 1
    wait_s = 0.0 if allowed else (1 - left) * 60 / PER_MINUTE
    after = replace(record, left=left - allowed, at=now, unsaid=record.unsaid + 1)
    if now - record.said_at < 1:
        return after, Verdict(wait_s, 0)
    return replace(after, said_at=now, unsaid=0), Verdict(wait_s, after.unsaid)


def client_of(address: str) -> str:
    """Whom an address stands for: with IPv6 everybody has a network of 2**64 of them."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv4Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Address(int(parsed) >> 64 << 64))
