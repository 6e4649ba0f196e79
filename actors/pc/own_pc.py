"""Whether a URL leads to this very PC, by its addresses. Sends nothing, and looks no name up."""

import ipaddress
import socket
from urllib.parse import urlsplit

import psutil


def is_own(url: str) -> bool:
    """False for what cannot be told. A tunnel that begins on this PC looks as if it ended here."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == socket.gethostname().lower()
    return address.is_loopback or str(address) in _addresses()


def _addresses() -> set[str]:
    """Of all interfaces; an IPv6 one may carry its interface (`fe80::1%eth0`)."""
    return {
        entry.address.partition("%")[0]
        for entries in psutil.net_if_addrs().values()
        for entry in entries
        if entry.family in (socket.AF_INET, socket.AF_INET6)
    }
