"""How checks ask the database: read only, bounded in time, and without need of any right."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import psycopg

from sendonce.cli.database import Connection, Row, explanation
from sendonce.doctor.finding import Finding, not_checked

Check = Callable[[Connection], Iterator[Finding]]


def ask(connection: Connection, query: str, arguments: Sequence[Any] | None = None) -> list[Row]:
    """The rows of one query, in a read-only transaction of its own with short time-outs."""
    with connection.transaction():
        # Local: behind a transaction pooler, the session belongs to others, too.
        connection.execute("set transaction read only")
        connection.execute("set local statement_timeout = '10s'")
        connection.execute("set local lock_timeout = '2s'")
        return connection.execute(query.encode(), arguments).fetchall()


def value(connection: Connection, query: str, arguments: Sequence[Any] | None = None) -> Any:
    """The only value of a query that returns one row."""
    (row,) = ask(connection, query, arguments)
    (found,) = row.values()
    return found


def run(connection: Connection, checks: Sequence[tuple[str, Check]]) -> Iterator[Finding]:
    """Run the checks, each by itself: what one may not look at keeps no other from looking.

    Raises psycopg.Error where the connection is lost.
    """
    for name, check in checks:
        try:
            yield from list(check(connection))
        except psycopg.errors.InsufficientPrivilege:
            yield not_checked(name, "this login is not allowed to look", "ask as the owner")
        except psycopg.Error as failure:
            if connection.closed or failure.sqlstate is None:
                raise
            yield not_checked(name, f"could not be checked: {explanation(failure)}")
