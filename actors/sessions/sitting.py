"""One council sitting: a session that is being heard, in tasks of its own, until its end is stored.

It ends by itself, by the user's wish (`cancel`), with the orchestrator (`adjourn`: the session
stays open, the next start goes on with it), or because another orchestrator took the store over.
"""

import asyncio
import logging
from collections.abc import Callable

from actors.council.steps import Closed
from actors.errors import Superseded
from actors.mistakes import told
from actors.sessions.hearing import Hearing
from actors.sessions.record import Record

log = logging.getLogger(__name__)


class Sitting:
    """Starts at once; `when_ended` is called once, in the end, whatever happened."""

    def __init__(
        self, record: Record, hearing: Hearing, when_ended: Callable[["Sitting"], None]
    ) -> None:
        self.record = record
        self.superseded = False
        self._cancelled = False
        self._hearing = hearing
        loop = asyncio.get_running_loop()
        self._running = loop.create_task(hearing.run())
        self._task = loop.create_task(self._sit())
        self._task.add_done_callback(lambda _: self._over(when_ended))

    def cancel(self) -> None:
        """The user's wish: the session is closed as cancelled. Asked again it changes nothing."""
        if not self._cancelled:
            self._cancelled = True
            self._running.cancel()

    def adjourn(self) -> None:
        """The orchestrator stops: nothing more is asked or written, the session stays open."""
        self._running.cancel()
        self._task.cancel()

    async def ended(self) -> None:
        """Returns once the sitting is over. Never raises, but for its own cancellation."""
        await asyncio.wait([self._task, self._running])

    async def _sit(self) -> None:
        try:
            if end := await self._broken_off():
                await self._hearing.close(end)
        except Superseded:
            self.superseded = True

    async def _broken_off(self) -> Closed | None:
        """How the session has to be closed from outside; None where it closed by itself. Raises
        `Superseded`."""
        await asyncio.wait([self._running])
        if self._running.cancelled():
            return Closed("cancelled", "The session was cancelled.")
        error = self._running.exception()
        if error is None:
            return None
        if _holds_superseded(error):
            raise Superseded("Another orchestrator has taken the sessions over.")
        # The rim: a bug of ours must not leave a session open for ever.
        log.error("session %s failed: %s", self.record.session.session_id, told(error))
        log.debug("session %s", self.record.session.session_id, exc_info=error)
        return Closed("internal", "The council failed; its log says why.")

    def _over(self, when_ended: Callable[["Sitting"], None]) -> None:
        self.record.audience.close()
        when_ended(self)


def _holds_superseded(error: BaseException) -> bool:
    """Whether it is that error, or a group of a stage's tasks with it in it."""
    if isinstance(error, BaseExceptionGroup):
        return error.subgroup(Superseded) is not None
    return isinstance(error, Superseded)
