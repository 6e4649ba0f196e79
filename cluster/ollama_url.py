"""Where a model server is: `OLLAMA_HOST` in Ollama's own forms -> one URL. Knows no network.

Ollama's forms (its `envconfig`): `host`, `host:port`, `:port`, `[v6]:port`, a bare IPv6 address,
and URLs with an optional path. Without a scheme the port is 11434; `http://` means 80, `https://`
443.
Ollama's servers are told to listen on `0.0.0.0` or `::`; seen from a client that is this PC.
"""

import ipaddress
import re
from urllib.parse import quote, urlsplit

DEFAULT_URL = "http://127.0.0.1:11434"

_PORTS = {"http": 80, "https": 443}
_NAME = re.compile(r"^(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*\.?$", re.I)
_METADATA = {
    "169.254.169.254",  # AWS, Google, Azure and most others
    "169.254.170.2",  # AWS container credentials
    "169.254.170.23",  # AWS pod identity
    "169.254.0.23",  # Tencent
    "168.63.129.16",  # Azure's host
    "100.100.100.200",  # Alibaba
    "192.0.0.192",  # Oracle
    "fd00:ec2::254",  # AWS over IPv6
    "fd00:ec2::23",
    "fd20:ce::254",  # Google over IPv6
    "metadata",
    "metadata.goog",
    "metadata.google.internal",
    "metadata.azure.internal",
    "metadata.tencentyun.com",
    "instance-data",
    "instance-data.ec2.internal",
}
_CARRIERS = [
    ipaddress.IPv6Network(network)
    for network in ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48")
]
"""IPv6 networks whose addresses end in the IPv4 address that is meant: the old compatible form,
mapped, translated, and NAT64."""


class OddUrl(ValueError):
    """`OddUrl(reason)`: not an address that a model server should have."""


def model_server_url(text: str) -> str:
    """`http://host:port[/path]`, without a trailing slash. Raises `OddUrl` with the reason."""
    text = text.strip().strip("\"'").strip()
    if not text:
        return DEFAULT_URL
    if any(not c.isprintable() or c.isspace() for c in text):
        raise OddUrl("it contains white space or control characters")
    scheme, rest, default_port = _scheme(text)
    hostport, slash, path = rest.partition("/")
    if slash and not hostport:
        raise OddUrl("it has a path but no host")
    if "@" in hostport:
        raise OddUrl("it contains a user name or password (user@host); leave them out")
    if "?" in rest or "#" in rest or "\\" in rest:
        raise OddUrl("it contains ?, # or a backslash; give only scheme, host, port and path")
    host, port = _host_and_port(hostport, default_port)
    path = path.rstrip("/")
    return f"{scheme}://{_checked(host)}:{port}" + (
        f"/{quote(path, safe='/-._~%')}" if path else ""
    )


def host_of(url: str) -> str:
    """The host's name or address, without brackets: a default name for that PC."""
    return urlsplit(url).hostname or "ollama"


def _scheme(text: str) -> tuple[str, str, int]:
    scheme, separator, rest = text.partition("://")
    if not separator:
        if re.match(r"^(file|ftp|data|javascript|gopher|unix):", text, re.I):
            raise OddUrl(f"'{text.split(':')[0]}:' is not http or https")
        return "http", text, 11434
    scheme = scheme.lower()
    if scheme not in _PORTS:
        raise OddUrl(f"'{scheme}:' is not http or https")
    return scheme, rest, _PORTS[scheme]


def _host_and_port(hostport: str, default_port: int) -> tuple[str, int]:
    bare = hostport.strip("[]")
    if hostport.count(":") > 1 and (not hostport.startswith("[") or hostport.endswith("]")):
        return bare, default_port  # an IPv6 address without a port
    host, separator, port = hostport.rpartition(":")
    if not separator:
        return hostport, default_port
    if not (port.isascii() and port.isdigit() and 0 < int(port[:6]) <= 65535):
        raise OddUrl(f"'{port[:20]}' is not a port (1 to 65535)")
    return host.strip("[]"), int(port)


def _checked(host: str) -> str:
    """The host as it goes into the URL (IPv6 in brackets); empty and `0.0.0.0` are this PC."""
    if host.lower().rstrip(".") in _METADATA:
        raise OddUrl(f"{host} is a cloud metadata address, not a model server")
    try:
        address = ipaddress.ip_address(host or "127.0.0.1")
    except ValueError:
        return _checked_name(host)
    meant = {_plain(address), *_carried(address)}
    if meant & _METADATA:
        raise OddUrl(f"{host} is a cloud metadata address, not a model server")
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
    if address.is_unspecified:
        return "127.0.0.1"
    if address.is_multicast or str(address) == "255.255.255.255":
        raise OddUrl(f"{host} is a multicast or broadcast address")
    return f"[{address}]" if address.version == 6 else str(address)


def _plain(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """Without the zone that an IPv6 address may have (`fe80::1%eth0`)."""
    return str(address).partition("%")[0]


def _carried(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> set[str]:
    """The IPv4 addresses that an IPv6 address can lead to."""
    if isinstance(address, ipaddress.IPv4Address):
        return set()
    plain = ipaddress.IPv6Address(int(address))
    found = {plain.sixtofour, *(plain.teredo or ())}
    if any(plain in network for network in _CARRIERS):
        found.add(ipaddress.IPv4Address(int(plain) & 0xFFFF_FFFF))
    return {str(one) for one in found if one is not None}


def _checked_name(host: str) -> str:
    last_label = host.rstrip(".").rpartition(".")[2]
    if re.match(r"^(0x[0-9a-f]*|[0-9]+)$", last_label, re.I):
        raise OddUrl(f"'{host}' is an address in disguise; write four numbers, as 192.168.1.5")
    if not _NAME.match(host):
        raise OddUrl(f"'{host}' is not a host name")
    return host.lower()
