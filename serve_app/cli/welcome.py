"""What is asked of PC1 before joining it: the same versions? which names are taken?"""

import platform
from dataclasses import dataclass
from importlib.metadata import version
from urllib.parse import urlsplit

import httpx

from cluster import ray_node
from cluster.settings import Settings
from serve_app.cli.lan import own_addresses
from serve_app.cli.terminal import Stop

FIREWALL = "Is there a firewall? Let TCP 6379-6389, 8000 and 11000-11199 through, both ways."


@dataclass(frozen=True)
class Head:
    """PC1. `api_url` is where its HTTP API listens; `token` is Ray's."""

    host: str
    api_url: str
    token: str

    def health(self) -> httpx.Response:
        """Raises httpx.HTTPError."""
        return httpx.get(
            self.api_url + "/health",
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=httpx.Timeout(10, connect=5),
            trust_env=False,
        )

    def answers(self) -> bool:
        try:
            return self.health().is_success
        except httpx.HTTPError:
            return False


def head_address(target: str) -> tuple[str, str]:
    """(host, URL of its API) from `host`, `host:port` or the URL that PC1 printed."""
    parts = urlsplit(target if "://" in target else f"http://{target}")
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.username is not None or parts.scheme != "http":
        raise Stop(f"'{target}' is not an address of a PC.", "Like: ./council join 192.168.1.10")
    shown = f"[{host}]" if ":" in host else host
    return host, f"http://{shown}:{port or 8000}"


def check_versions(head: Head) -> None:
    """Raises `Stop` if PC1 does not answer, refuses the token, or runs other versions."""
    try:
        answer = head.health()
    except httpx.HTTPError:
        raise Stop(
            f"{head.host} does not answer at {head.api_url}.",
            "Does ./council up --lan run there? Its last lines show what to type here.",
            FIREWALL,
        ) from None
    if answer.status_code == 401:
        raise Stop(
            f"{head.host} does not accept this token.",
            "Copy the line that ./council up --lan printed there (it prints it again).",
        )
    try:
        theirs = answer.raise_for_status().json()
        pairs = [("Ray", str(theirs["ray"]), version("ray"))]
        pairs.append(("Python", str(theirs["python"]), platform.python_version()))
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        raise Stop(
            f"Something else than a council answers at {head.api_url}.",
            "Is that the right port? ./council status on PC1 shows its address.",
        ) from None
    complain(head.host, pairs)


def complain(host: str, pairs: list[tuple[str, str, str]]) -> None:
    """`pairs` of (what, there, here). Ray needs both the same, Python to the patch level."""
    wrong = [(what, there, here) for what, there, here in pairs if there != here]
    if not wrong:
        return
    steps = {
        "Ray": "Ray comes with the checkout: use the same commit of this repository on both PCs.",
        "Python": "Install that Python here, then: rm -r .venv;"
        " COUNCIL_PYTHON=/path/to/that/python3 ./council join …",
    }
    raise Stop(
        "; ".join(f"{host} runs {what} {there}, this PC {here}" for what, there, here in wrong)
        + ". Ray needs the same on all PCs.",
        *(steps[what] for what, _, _ in wrong),
    )


def free_name(settings: Settings) -> str:
    """The wanted node name, or with a number behind it where another PC has that name."""
    taken = _names_of_others(settings)
    names = [settings.node_name, *(f"{settings.node_name}-{n}" for n in range(2, 100))]
    return next(name for name in names if name not in taken)


def _names_of_others(settings: Settings) -> set[str]:
    """Of the nodes that are alive. Empty where Ray does not tell: joining itself says why then."""
    ray_node.adopt(settings)
    import ray._raylet

    try:
        nodes = ray._raylet.GcsClient(address=settings.ray_address).get_all_node_info(timeout=10)
    except Exception:  # Ray raises a dozen kinds here; none of them is a reason not to try
        return set()
    mine = {"127.0.0.1", *own_addresses()}
    alive = [n for n in nodes.values() if n.state == 0]
    return {n.node_name for n in alive if n.node_manager_address not in mine or n.is_head_node}
