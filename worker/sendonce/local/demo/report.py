"""Prints the audit as tables that one can read without knowing the code."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sendonce.local.demo.audit import Audit, Section, Value

#: Members of a list that are printed; the JSON has all of them.
_LISTED: Final = 42


def print_audit(console: Console, audit: Audit) -> None:
    """Print all sections, each with a table, and what is wrong under it."""
    for section in audit.sections:
        _print_section(console, section)


def _print_section(console: Console, section: Section) -> None:
    head = Text(section.question, style="bold")
    head.append("  ")
    head.append("WRONG" if section.findings else "ok", "bold red" if section.findings else "green")
    console.print(head)
    if section.rows:
        table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="dim")
        for column in section.columns:
            table.add_column(
                column.heading,
                justify="right" if column.is_number else "left",
                overflow="fold",
                vertical="top",
            )
        for row in section.rows:
            table.add_row(
                *(_text(value) for value in row),
                style="bold" if row[0] == "all" else None,
            )
        console.print(Padding(table, (0, 0, 0, 2), expand=False), highlight=False)
    if section.note:
        console.print(Padding(Text(section.note, style="dim"), (0, 0, 0, 2), expand=False))
    for reason, members in section.lists.items():
        _print_list(console, reason, members)
    for finding in section.findings:
        console.print(Padding(Text(finding, style="bold red"), (0, 0, 0, 2), expand=False))
    console.print()


def _print_list(console: Console, reason: str, members: Sequence[str]) -> None:
    shown = Text(f"{reason}: ", style="dim")
    shown.append("  ".join(members[:_LISTED]), style="default")
    more = len(members) - _LISTED
    if more > 0:
        shown.append(f"  and {more:,} more (--json lists all)", style="dim")
    console.print(Padding(shown, (0, 0, 0, 2), expand=False))


def _text(value: Value) -> str:
    if isinstance(value, Decimal):
        return f"{value:,}"
    return f"{value:,}" if isinstance(value, int) else value
