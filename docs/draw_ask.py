"""Draws docs/ask.svg: what `./council ask` showed of the newest session of the council that runs
here. Only the opinions, which are long, are left out.

    ./council up --embedded
    ./council ask "Why is the sky blue?"
    .venv/bin/python -m docs.draw_ask
"""

import io
import re
from pathlib import Path

from rich.console import Console
from rich.text import Text

from cluster.settings import Settings
from serve_app.cli import terminal
from serve_app.cli.client import Client, client_of
from serve_app.cli.session import views
from serve_app.cli.session.folding import heard
from serve_app.cli.session.hearing import Hearing
from serve_app.cli.session.listening import BEAT, listen
from serve_app.cli.show import whole_id

COLUMNS = 108
PICTURE = Path(__file__).with_name("ask.svg")
NOT_OURS = re.compile(r"@font-face \{.*?\}|<!--.*?-->", re.DOTALL)
"""Fonts that the picture would fetch from elsewhere."""


def draw(client: Client, console: Console) -> None:
    session_id = whole_id(client, "last")
    hearing = Hearing()
    for event in listen(client, session_id):
        hearing = heard(hearing, event) if event != BEAT else hearing
    session = client.get(f"/api/council/sessions/{session_id}")
    console.print(f'$ ./council ask "{session["query"]}"', style="bold", markup=False)
    for part, drawing in views.finished(hearing):
        console.print("… (the opinions, as they were written)" if part == "opinions" else drawing)
    views.print_end(session, rich=True)


def plain(text: str, style: str) -> Text:
    """Broken into lines, as a terminal does with it."""
    return Text(terminal.printable(text), style)


def main() -> None:
    console = Console(
        record=True, width=COLUMNS, file=io.StringIO(), color_system="truecolor", highlight=False
    )
    vars(views).update(out=console, say=lambda text, style="": console.print(plain(text, style)))
    draw(client_of(Settings.load()), console)
    drawn = console.export_svg(title="LLM Council on Ray")
    PICTURE.write_text(NOT_OURS.sub("", drawn))


if __name__ == "__main__":
    main()
