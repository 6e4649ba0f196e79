"""A table where it fits the terminal; else a paragraph a row: no cell is squeezed or cut."""

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

ANY_WIDTH = 10_000


class Fitting:
    def __init__(self, table: Table) -> None:
        self.table = table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        wide = options.update(width=ANY_WIDTH)
        if Measurement.get(console, wide, self.table).maximum <= options.max_width:
            yield self.table
            return
        if self.table.title:
            yield Text(str(self.table.title), style=self.table.title_style or "")
        for row in zip(*(list(column.cells) for column in self.table.columns), strict=True):
            first, *others = map(_text, row)
            yield Text(first, style="bold")
            headers = [str(column.header) for column in self.table.columns[1:]]
            facts = [f"{h} {cell}".strip() for h, cell in zip(headers, others, strict=True) if cell]
            yield Padding(Text(" · ".join(facts)), (0, 0, 0, 2))
        if self.table.caption:
            yield Text(_text(self.table.caption))


def _text(cell: object) -> str:
    return cell.plain if isinstance(cell, Text) else str(cell)
