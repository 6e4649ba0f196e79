"""This PC's address on the LAN, as other PCs see it."""

import ipaddress
import socket

import psutil

from serve_app.cli.terminal import Stop


def lan_address(wanted: str | None = None) -> str:
    """The wanted address if this PC has it, else the one that leads out. Raises `Stop`."""
    own = own_addresses()
    if wanted is not None:
        if wanted not in own:
            raise Stop(
                f"This PC does not have the address {wanted}.",
                f"It has: {', '.join(own) or 'none'}",
                "Type: ./council up --lan <one of these>",
            )
        return wanted
    address = _leading_out()
    if address in own:
        return address
    if own:
        return own[0]
    raise Stop("This PC has no LAN address.", "Connect it to the network, then try again.")


def own_addresses() -> list[str]:
    """IPv4 addresses of interfaces that are up, without loopback."""
    stats = psutil.net_if_stats()
    return [
        entry.address
        for name, entries in psutil.net_if_addrs().items()
        if name in stats and stats[name].isup
        for entry in entries
        if entry.family == socket.AF_INET and not ipaddress.ip_address(entry.address).is_loopback
    ]


def is_this_pc(host: str) -> bool:
    return host in ("localhost", "127.0.0.1", "::1") or host in own_addresses()


def _leading_out() -> str:
    """The address of the interface with the default route; sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return ""
        return str(probe.getsockname()[0])
