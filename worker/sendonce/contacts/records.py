"""What a list of contacts is once it is read, whatever file it came from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sendonce.errors import CommandError


class UnreadableFileError(CommandError):
    """The file cannot be read to its end, or not at all."""


@dataclass(frozen=True, slots=True)
class Record:
    """One row as the file has it."""

    #: The number of the row as a spreadsheet shows it; the header is usually row 1.
    row: int
    #: At least as many as the header has names; more only with a problem.
    values: list[str]
    #: Why the row cannot be used, where the file itself says so.
    problem: str | None = None


@dataclass(frozen=True)
class ContactList:
    """A header, the records below it, and how far the reading is."""

    header: list[str]
    records: Iterator[Record]
    #: What was recognised, for people: "UTF-8, separated by ;".
    description: str
    #: How much there is, in whatever unit the file is counted in; None where nobody knows.
    total: int | None
    position: Callable[[], int]


def fitted(row: int, values: list[str], width: int) -> Record:
    """The record of a row in a table of this width.

    A row that ends early has empty cells there, as spreadsheets write it. One that is too long is
    not usable: its cells are in the wrong columns.
    """
    if len(values) < width:
        return Record(row, values + [""] * (width - len(values)), _problem(values))
    if any(value.strip() for value in values[width:]):
        # All of it: who corrects the row needs what is too much.
        return Record(
            row,
            values,
            f"the row has {len(values)} cells, the header has {width}",
        )
    return Record(row, values[:width], _problem(values))


def _problem(values: list[str]) -> str | None:
    # PostgreSQL's text cannot hold it.
    return "the row contains a NUL character" if any("\0" in value for value in values) else None


def checked_header(values: list[str]) -> list[str]:
    """The names of the columns. Raises UnreadableFileError for a name that comes twice."""
    names = [name.strip().replace("\0", "") for name in values]
    while names and not names[-1]:
        names.pop()
    if not names:
        raise UnreadableFileError("the file is empty: it needs a header row")
    names = [name or f"column {place}" for place, name in enumerate(names, start=1)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UnreadableFileError(f"the header names {', '.join(map(repr, twice))} twice")
    return names
