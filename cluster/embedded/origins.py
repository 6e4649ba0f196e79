"""Who may talk to the engine. Pure.

A page in somebody's browser must not reach a server on that PC's loopback: neither by asking it
(`Origin`), nor by a name of its own that resolves to 127.0.0.1 (`Host`). As in Ollama, which
answers 403 with an empty body.
"""

from ipaddress import ip_address
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """`host` without a port: a name or an address."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def refused(bound_to: str, host: str, origin: str | None) -> bool:
    """Whether a request is turned away. `host` and `origin` as in its headers."""
    if origin is not None and not is_loopback(urlsplit(origin).hostname or ""):
        return True
    return is_loopback(bound_to) and not is_loopback(urlsplit(f"//{host}").hostname or "")
