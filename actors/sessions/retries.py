"""The budget of retries that all calls share: an outage must not be made worse by trying again.

Within a minute a tenth of the calls that were sent may be tried again, and `FLOOR` more. Three
attempts a call and a budget of a tenth for all of them are those of Google's book "Site Reliability
Engineering", chapter 21 (Handling Overload); the floor is that of Finagle's `RetryBudget`: where
little is asked, a tenth of it would be nothing. Holds no clock: `now` (seconds) comes in.
"""

from collections import deque

SHARE = 0.1
FLOOR = 24
"""Retries a minute that are always free: a lone council of five never runs out, whatever fails (two
for each of five opinions, five reviews, the chairman and who stands in); for the PCs it is little,
one call in 2.5 s."""
WINDOW_S = 60.0


class RetryBudget:
    """Calls and retries of the last `WINDOW_S`."""

    def __init__(self, share: float = SHARE, floor: int = FLOOR) -> None:
        self._share = share
        self._floor = floor
        self._calls: deque[float] = deque()
        self._retries: deque[float] = deque()

    def called(self, now: float) -> None:
        """A call was sent for the first time."""
        self._calls.append(now)

    def spend(self, now: float) -> bool:
        """Takes one retry, if there is one left."""
        for times in (self._calls, self._retries):
            while times and times[0] <= now - WINDOW_S:
                times.popleft()
        allowed = self._floor + self._share * len(self._calls)
        if len(self._retries) + 1 > allowed:
            return False
        self._retries.append(now)
        return True
