"""Tells what became of a list: what is the same for every command that takes one."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from sendonce.contacts.rejects import Rejects


def reject_fields(noted: Rejects) -> dict[str, Any]:
    """What a script is told about the rejected rows."""
    written = noted.path if noted.count and noted.path is not None else None
    return {
        "rejected": noted.count,
        "rejected_by_reason": dict(noted.by_reason.most_common()),
        "rejects_file": None if written is None else str(written),
    }


def reject_lines(noted: Rejects) -> list[tuple[str, int]]:
    """Their lines in the table for people."""
    return [
        ("rejected", noted.count),
        *(
            (f"  {reason} (first: row {noted.first_row[reason]})", count)
            for reason, count in noted.by_reason.most_common()
        ),
    ]


def print_notes(console: Console, noted: Rejects, repeated: int, *, count_as: str) -> None:
    """What is to be known below the table."""
    if noted.count and noted.path is not None:
        console.print(
            f"The rejected rows are in {noted.path}: correct them there and import that file.",
            markup=False,
        )
    if repeated:
        console.print(
            f"{repeated:,} rows were given again after the connection broke;"
            f" those that had got through count as {count_as}.",
            markup=False,
        )
