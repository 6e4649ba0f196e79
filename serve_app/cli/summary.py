"""What `up` prints at the end: where everything is, and what to type next."""

from rich.markup import escape

from cluster.run_record import RunRecord
from cluster.secret_files import KEY, TOKEN, secret
from cluster.settings import Settings
from serve_app.cli.client import Client
from serve_app.cli.lan import join_line, own_addresses
from serve_app.cli.terminal import Stop, out, printable


def print_summary(settings: Settings, record: RunRecord) -> None:
    client = Client(record.api_url, secret(settings.home, KEY))
    rows = [
        ("Page and API", f"{record.api_url}   (docs: {record.api_url}/docs)"),
        ("Ray dashboard", f"{record.dashboard_url}   (it asks for: {settings.home / TOKEN})"),
        *[("Models", line) for line in model_lines(client)],
        ("Ask", './council ask "Why is the sky blue?"'),
        *joining(settings, record),
        ("Stop", "./council down"),
    ]
    out.print("\n[bold]The council sits.[/]")
    for before, (label, text) in zip([("", ""), *rows], rows, strict=False):
        shown = "" if label == before[0] else label
        out.print(f"  [cyan]{shown:<14}[/]{escape(printable(text))}", soft_wrap=True)


def model_lines(client: Client) -> list[str]:
    """A line for each PC: its models on disk."""
    try:
        nodes = client.get("/health/models")["nodes"]
    except Stop as stop:
        return [f"not known yet ({stop.lines[0]})"]
    lines = []
    for node in nodes:
        names = ", ".join(model["name"] for model in node["models"])
        lines.append(f"{node['name']}: {names or 'none (it only coordinates)'}")
    return lines or ["none yet"]


def joining(settings: Settings, record: RunRecord) -> list[tuple[str, str]]:
    """How another PC gets in. The token is a secret: it is shown because it has to be typed there,
    and never logged."""
    if not record.lan:
        return [
            ("Another PC", "this council listens on this PC only; to let others in:"),
            ("Another PC", "./council down && ./council up --lan"),
        ]
    token = secret(settings.home, TOKEN)
    return [
        ("Key", "clients need one, as Authorization: Bearer. For each its own:"),
        ("Key", "./council key new --name phone"),
        ("Another PC", "type there, in its own clone:"),
        ("Another PC", join_line(record.api_url, record.ray_address, token)),
        *[("Another PC", line) for line in _other_addresses(record)],
    ]


def _other_addresses(record: RunRecord) -> list[str]:
    others = [address for address in own_addresses() if address not in record.api_url]
    if not others:
        return []
    return [f"(not the right network? ./council up --lan <one of {', '.join(others)}>)"]
