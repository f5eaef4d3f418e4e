"""What the commands print: tables that align for people, one JSON document for scripts.

Results go to standard output, everything else (progress bars, questions, errors) to standard
error, so that ``sendonce … --json | jq`` always works.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

#: The option that every command which prints a result has.
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]

#: Characters in a line where nobody said how wide the terminal is: pipes, files, CI.
WIDTH_WITHOUT_TERMINAL = 120


def console(*, stderr: bool = False) -> Console:
    """The console for people. Colour where it is a terminal, and NO_COLOR is heeded."""
    found = Console(stderr=stderr, highlight=False)
    if not found.is_terminal:
        found = Console(stderr=stderr, highlight=False, width=WIDTH_WITHOUT_TERMINAL)
    return found


def print_json(value: Any) -> None:
    """One document, readable and stable: times in ISO 8601, amounts as numbers."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, default=_json_value))


def _json_value(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)


def table(
    columns: Sequence[str], lines: Iterable[Sequence[Any]], *, right: Sequence[str] = ()
) -> Table:
    """A table in the house's style; the columns named in ``right`` hold numbers."""
    result = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column in columns:
        numeric = column in right
        result.add_column(
            column, justify="right" if numeric else "left", no_wrap=numeric, overflow="fold"
        )
    for line in lines:
        result.add_row(*(cell(value) for value in line))
    return result


def cell(value: Any) -> Text:
    """A value as people read it. Text is never read as markup: it comes from outside."""
    if value is None:
        return Text("-", style="dim")
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    if isinstance(value, int):
        return Text(f"{value:,}")
    if isinstance(value, datetime):
        return Text(moment(value))
    return value if isinstance(value, Text) else Text(str(value))


def moment(value: datetime | str | None) -> str:
    """A time in the zone of this machine, to the second. Accepts ISO 8601 too; ``-`` for none."""
    if value is None:
        return "-"
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return value.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def money(amount: Decimal | float | int | str | None, currency: str) -> str:
    """An amount with its currency, to the cent, finer where it is less than one."""
    value = Decimal(str(amount or 0))
    return f"{value:,.4f} {currency}" if 0 < abs(value) < 1 else f"{value:,.2f} {currency}"
