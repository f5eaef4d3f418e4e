"""Gives a long list to the database in chunks that fit its limits and outlive its connection."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable
from contextlib import ExitStack
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

Item = dict[str, Any]


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

    def call(self, ask: Callable[[Connection, list[Item]], Row], items: list[Item]) -> list[Row]:
        """The answers for these items, one for each chunk that it took, in their order."""
        answers: list[Row] = []
        start = 0
        while start < len(items):
            piece = items[start : start + self.chunk]
            began = time.monotonic()
            try:
                answers.append(self._asked(ask, piece))
            except psycopg.errors.QueryCanceled as error:
                if len(piece) == 1:
                    raise CommandError(
                        f"one row alone takes too long: {explanation(error)}"
                    ) from error
                self._shrink(len(piece), "the database stopped a chunk that took too long")
                continue
            if time.monotonic() - began > _SLOW and len(piece) > 1:
                self._shrink(len(piece), "the database is slow")
            start += len(piece)
        return answers

    def _asked(self, ask: Callable[[Connection, list[Item]], Row], piece: list[Item]) -> Row:
        for pause in (*_PAUSES, None):
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
            self._report(f"{said}; trying again in {pause:g} s")
            self._drop_connection()
            time.sleep(pause)
        raise AssertionError("unreachable")

    def _drop_connection(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
            self._stack.close()

    def _shrink(self, size: int, why: str) -> None:
        self.chunk = max(1, size // 2)
        self._report(f"{why}: going on with {self.chunk:,} rows at a time")


def _is_about_the_connection(error: psycopg.Error) -> bool:
    state = error.sqlstate
    if state is None:
        return isinstance(error, psycopg.OperationalError)
    # Class 08; shutdowns and starting up; too many connections; a pooler's own.
    return state[:2] == "08" or state in ("57P01", "57P02", "57P03", "53300", "40001", "40P01")
