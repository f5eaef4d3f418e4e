"""Takes a list through: reads its rows, gives them to the database, notes what was rejected."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import typer

from sendonce.cli import list_progress
from sendonce.cli.chunks import ChunkCaller, Item
from sendonce.cli.database import Connection, Row
from sendonce.contacts.numbers import NumberReader
from sendonce.contacts.records import ContactList, Record
from sendonce.contacts.rejects import Rejects
from sendonce.errors import CommandError


class Tally(Protocol):
    """Counts what became of the rows."""

    #: Rows that were read, and that the database or the rejects have by now.
    rows: int
    #: Those of them whom the command has put where it puts people.
    added: int

    def add(self, answer: Row) -> None:
        """Add what the database answered for a chunk."""


@contextmanager
def stop_told(tally: Tally) -> Iterator[None]:
    """Where the work stops inside, say how far it came. Ctrl-C becomes exit 130."""
    try:
        yield
    except (CommandError, KeyboardInterrupt) as error:
        list_progress.say(
            f"stopped after {tally.rows:,} rows, {tally.added:,} of them added;"
            " what was added stays, and the same command again goes on"
        )
        if isinstance(error, KeyboardInterrupt):
            raise typer.Exit(130) from None
        raise


@dataclass(frozen=True)
class Waiting:
    """A row on its way to the database."""

    record: Record
    value: str
    item: Item


class ListRun:
    """One list on its way into the database."""

    def __init__(
        self,
        caller: ChunkCaller,
        recipient: int,
        reader: NumberReader,
        rejects: Rejects,
        item: Callable[[Record, str], Item],
    ) -> None:
        """``recipient`` is the place of the number; ``item`` makes what the database gets."""
        self._caller = caller
        self._recipient = recipient
        self._reader = reader
        self._rejects = rejects
        self._item = item

    def go(
        self,
        contacts: ContactList,
        ask: Callable[[Connection, list[Item]], Row],
        tally: Tally,
    ) -> None:
        """Ask for every row that has a number; the answers name the rows that they reject."""
        for waiting, read in self._chunks(contacts):
            of_row = {one.record.row: one for one in waiting}
            for answer in self._caller.call(ask, [one.item for one in waiting]):
                tally.add(answer)
                for rejected in answer["rejected"]:
                    one = of_row[rejected["row"]]
                    self._rejects.add(one.record, one.value, rejected["reason"])
            tally.rows = read
            self._rejects.flush()

    def _chunks(self, contacts: ContactList) -> Iterator[tuple[list[Waiting], int]]:
        """Rows with a number, as many as fit in a chunk, and how many rows were read by then."""
        waiting: list[Waiting] = []
        read = 0
        with list_progress.progress(contacts) as advance:
            for record in contacts.records:
                read += 1
                found = self._waiting(record)
                if found is not None:
                    waiting.append(found)
                if len(waiting) >= self._caller.chunk:
                    yield waiting, read
                    waiting = []
                    advance()
            yield waiting, read
            advance()

    def _waiting(self, record: Record) -> Waiting | None:
        value = record.values[self._recipient].strip()
        if record.problem is not None:
            self._rejects.add(record, value, record.problem)
            return None
        number, problem = self._reader.read(value)
        if number is None:
            self._rejects.add(record, value, problem or "not a phone number")
            return None
        return Waiting(record, value, self._item(record, number))
