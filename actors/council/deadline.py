"""How long a session may still take, whatever the wall's clock did meanwhile."""

from datetime import datetime

from actors.messages.events import BootTime, SessionStarted


def seconds_left(started: SessionStarted, at: datetime, boot: BootTime | None) -> float:
    """Until the session's deadline; negative once it has passed.

    Within one boot of the PC only the boot clock counts: a wall clock that is set an hour on or
    back expires nothing and prolongs nothing. After a reboot there is but the wall's; if that says
    that the session has yet to begin, no time has passed.
    """
    allowed = (started.deadline_at - started.at).total_seconds()
    if boot and started.boot and boot.boot_id == started.boot.boot_id:
        return allowed - (boot.seconds - started.boot.seconds)
    return allowed - max(0.0, (at - started.at).total_seconds())
