"""How a line looks that has a label at its beginning."""

from __future__ import annotations

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text


def hanging(label: str, text: str | Text, width: int) -> RenderableType:
    """A label and a text beside it that stays beside it on every line, however many it takes."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=width, no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(Text(label, style="dim"), text if isinstance(text, Text) else Text(text))
    return Padding(grid, (0, 0, 0, 2), expand=False)
