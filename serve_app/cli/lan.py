"""This PC's address on the LAN, as other PCs see it, and the line that brings one of them in."""

import ipaddress
import socket

import psutil

from cluster.settings import Settings
from serve_app.cli.terminal import Stop
from serve_app.hosts import LOOPBACK


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


def join_line(api_url: str, ray_address: str, token: str) -> str:
    """The exact line for PC2. Where `token` is "-", it asks there for the token."""
    host, _, ray_port = ray_address.rpartition(":")
    api_port = api_url.rpartition(":")[2]
    target = host if api_port == "8000" else f"{host}:{api_port}"
    ray = "" if ray_port == "6379" else f" --ray-port {ray_port}"
    return f"./council join {target}{ray} --token {token}"


def join_line_without_token(settings: Settings) -> str | None:
    """What the page shows, which must not know the token. None where Ray's address is not the one
    that other PCs reach it by."""
    if not settings.lan or settings.ray_address.rpartition(":")[0] in LOOPBACK:
        return None
    return join_line(settings.api_url, settings.ray_address, "-")


def _leading_out() -> str:
    """The address of the interface with the default route; sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return ""
        return str(probe.getsockname()[0])
