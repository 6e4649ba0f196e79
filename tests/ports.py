"""A port for a server that starts later, which nobody else is given until then.

The kernel gives ports for port 0, and for each connection, out of one range; what another test
listens at there meanwhile, our own listener may share with it (SO_REUSEPORT). Tests run side by
side, so a port is drawn: below that range, and above those of `cluster/ports.py`.
"""

import random
from pathlib import Path

from cluster.ports import is_free

ABOVE = 16_000
RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def port_for_later() -> int:
    below = max(int(RANGE.read_text().split()[0]), ABOVE + 1_000)
    drawn = (random.randrange(ABOVE, below) for _ in range(100))
    return next(port for port in drawn if is_free(port))
