"""Gives a long list to the database in chunks that fit its limits and outlive its connection."""

from __future__ import annotations

import functools
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import psycopg
from psycopg.types.json import set_json_loads

from sendonce.cli.database import Connection, Row, connected, explanation
from sendonce.errors import CommandError

#: As many as the functions take at once.
LARGEST_CHUNK = 20_000
#: A chunk that takes longer is a sign that the statement limit, 8 s at Supabase, is near.
_SLOW = 4.0
_QUERY_CANCELED = "57014"
#: Seconds between the tries to connect again, about two minutes in all.
_PAUSES = (0.2, 0.5, 1, 2, 5, 10, 15, 20, 30, 30)

#: Seconds that somebody who pressed Ctrl-C waits for a database that does not answer.
_PATIENCE = 5.0

Item = dict[str, Any]


@dataclass(frozen=True)
class Answered:
    """An answer, and for how many items it is."""

    items: int
    answer: Row


class Asking:
    """A list that the database works at while the next one is made ready."""

    def __init__(self, answers: Iterator[Answered]) -> None:
        """Begin to draw the answers, in a thread of its own."""
        self._source = answers
        self._answers: list[Answered] = []
        self._error: BaseException | None = None
        # A daemon: connecting may outlast everybody's patience.
        self._thread = threading.Thread(target=self._draw, daemon=True)
        self._thread.start()

    def answers(self) -> list[Answered]:
        """Wait for its end; the answers, or what went wrong."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._answers

    def answers_so_far(self) -> list[Answered]:
        """Those that came, also where it failed: what they tell of is done."""
        self._thread.join(_PATIENCE)
        return self._answers

    def _draw(self) -> None:
        try:
            for answer in self._source:
                self._answers.append(answer)
        except BaseException as error:
            self._error = error


class ChunkCaller:
    """Calls a function with a list, again where the connection broke, in halves where it was slow.

    The functions that it is for do nothing where the same chunk comes again. Use as a context
    manager.
    """

    def __init__(self, url: str | None, chunk: int, report: Callable[[str], None]) -> None:
        """``report`` tells the person at the keyboard what happened."""
        self.chunk = chunk
        #: Items that were given twice, and may count as already there the second time.
        self.repeated = 0
        self._url = url
        self._report = report
        self._stack = ExitStack()
        self._connection: Connection | None = None
        self._stopping = threading.Event()

    def __enter__(self) -> ChunkCaller:
        self.connection()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def connection(self) -> Connection:
        """The connection, a new one where it broke."""
        if self._connection is None or self._connection.closed:
            self._stack.close()
            self._connection = self._stack.enter_context(connected(self._url))
            # Amounts of money are no floats.
            set_json_loads(functools.partial(json.loads, parse_float=Decimal), self._connection)
        return self._connection

    def start(self, ask: Callable[[Connection, list[Item]], Row], items: list[Item]) -> Asking:
        """Ask about these items while something else is done; one list at a time.

        There is an answer for each chunk that it took, in their order.
        """
        return Asking(self._answers(ask, items))

    def stop(self) -> None:
        """Begin nothing more, and have the database stop what it is doing for us."""
        self._stopping.set()
        connection = self._connection
        if connection is not None and not connection.closed:
            # Where it cannot be told, it finds nobody at the other end soon.
            with suppress(psycopg.Error):
                connection.cancel_safe(timeout=_PATIENCE)

    def _answers(
        self, ask: Callable[[Connection, list[Item]], Row], items: list[Item]
    ) -> Iterator[Answered]:
        start = 0
        while start < len(items):
            piece = items[start : start + self.chunk]
            began = time.monotonic()
            try:
                answer = self._asked(ask, piece)
            except psycopg.errors.QueryCanceled as error:
                if self._stopping.is_set():
                    raise _stopped() from None
                if len(piece) == 1:
                    raise CommandError(
                        f"one row alone takes too long: {explanation(error)}"
                    ) from error
                self._shrink(len(piece), "the database stopped a chunk that took too long")
                continue
            except psycopg.Error as error:
                raise CommandError(explanation(error)) from error
            yield Answered(len(piece), answer)
            if time.monotonic() - began > _SLOW and len(piece) > 1:
                self._shrink(len(piece), "the database is slow")
            start += len(piece)

    def _asked(self, ask: Callable[[Connection, list[Item]], Row], piece: list[Item]) -> Row:
        for pause in (*_PAUSES, None):
            if self._stopping.is_set():
                raise _stopped()
            try:
                return ask(self.connection(), piece)
            except psycopg.Error as error:
                if not _is_about_the_connection(error) or pause is None:
                    raise
                said = explanation(error)
                self.repeated += len(piece) if self._connection is not None else 0
            except CommandError as error:
                # From connecting.
                cause = error.__cause__
                if not isinstance(cause, psycopg.Error) or pause is None:
                    raise
                if not _is_about_the_connection(cause):
                    raise
                said = str(error)
            if self._stopping.is_set():
                raise _stopped()
            self._report(f"{said}; trying again in {pause:g} s")
            self._drop_connection()
            self._stopping.wait(pause)
        raise AssertionError("unreachable")

    def _drop_connection(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
            self._stack.close()

    def _shrink(self, size: int, why: str) -> None:
        self.chunk = max(1, size // 2)
        self._report(f"{why}: going on with {self.chunk:,} rows at a time")


def _stopped() -> CommandError:
    return CommandError("stopped")


def _is_about_the_connection(error: psycopg.Error) -> bool:
    state = error.sqlstate
    if state is None:
        return isinstance(error, psycopg.OperationalError)
    # Class 08; shutdowns and starting up; too many connections; a pooler's own.
    return state[:2] == "08" or state in ("57P01", "57P02", "57P03", "53300", "40001", "40P01")
