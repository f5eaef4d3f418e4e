"""Takes a list through: reads its rows, gives them to the database, notes what was rejected."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import typer

from sendonce.cli import list_progress
from sendonce.cli.chunks import Answered, Asking, ChunkCaller, Item
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


@dataclass(frozen=True, slots=True)
class Waiting:
    """A row on its way to the database."""

    record: Record
    value: str
    item: Item
    #: Rows that were read by then, this one included.
    read: int


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that goes no further."""

    record: Record
    value: str
    reason: str


@dataclass(slots=True)
class _Chunk:
    """A stretch of the list: the rows for the database, and those that it need not see."""

    waiting: list[Waiting] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    #: Rows that were read by its end, and how far the reading was then.
    read: int = 0
    position: int = 0


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
        chunk: _Chunk | None = None
        asking: Asking | None = None
        with list_progress.progress(contacts) as advance, _frequent_turns():
            try:
                for following in self._chunks(contacts):
                    if chunk is not None and asking is not None:
                        answers = asking.answers()
                        with _interrupted_afterwards():
                            asking = None
                            self._settle(chunk, answers, tally)
                        advance(chunk.position)
                    # Reading goes on while the database works at this one.
                    chunk = following
                    asking = self._caller.start(ask, [one.item for one in chunk.waiting])
                if chunk is not None and asking is not None:
                    answers = asking.answers()
                    with _interrupted_afterwards():
                        asking = None
                        self._settle(chunk, answers, tally)
                    advance(chunk.position)
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt):
                    self._caller.stop()
                if chunk is not None and asking is not None:
                    # What the database did meanwhile is counted all the same.
                    self._settle(chunk, asking.answers_so_far(), tally)
                raise

    def _settle(self, chunk: _Chunk, answers: list[Answered], tally: Tally) -> None:
        """Count the answers, which may be those to the chunk's beginning only."""
        of_row = {one.record.row: one for one in chunk.waiting}
        done = 0
        rejected = []
        for answered in answers:
            done += answered.items
            tally.add(answered.answer)
            for refused in answered.answer["rejected"]:
                one = of_row[refused["row"]]
                rejected.append(Rejected(one.record, one.value, refused["reason"]))
        end = chunk.waiting[done] if done < len(chunk.waiting) else None
        rejected += [
            one for one in chunk.rejected if end is None or one.record.row < end.record.row
        ]
        for one_rejected in sorted(rejected, key=lambda one: one.record.row):
            self._rejects.add(one_rejected.record, one_rejected.value, one_rejected.reason)
        tally.rows = chunk.read if end is None else end.read - 1
        self._rejects.flush()

    def _chunks(self, contacts: ContactList) -> Iterator[_Chunk]:
        """The list in stretches of as many rows as a chunk has."""
        chunk = _Chunk()
        for read, record in enumerate(contacts.records, start=1):
            found = self._judged(record, read)
            if isinstance(found, Waiting):
                chunk.waiting.append(found)
            else:
                chunk.rejected.append(found)
            if len(chunk.waiting) + len(chunk.rejected) >= self._caller.chunk:
                chunk.read, chunk.position = read, contacts.position()
                yield chunk
                chunk = _Chunk(read=read)
        if chunk.waiting or chunk.rejected:
            chunk.read += len(chunk.waiting) + len(chunk.rejected)
            chunk.position = contacts.position()
            yield chunk

    def _judged(self, record: Record, read: int) -> Waiting | Rejected:
        value = record.values[self._recipient].strip()
        if record.problem is not None:
            return Rejected(record, value, record.problem)
        number, problem = self._reader.read(value)
        if number is None:
            return Rejected(record, value, problem or "not a phone number")
        return Waiting(record, value, self._item(record, number), read)


@contextmanager
def _interrupted_afterwards() -> Iterator[None]:
    """Let Ctrl-C wait for the end: what was counted by halves could not be told."""
    interrupted: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _frame: interrupted.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if interrupted:
        raise KeyboardInterrupt


@contextmanager
def _frequent_turns() -> Iterator[None]:
    """Let the thread that speaks with the database have its turn sooner than after 5 ms."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
