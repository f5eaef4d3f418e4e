"""Spoils rows the way an owner with a bad day can."""

from __future__ import annotations

from typing import Any, LiteralString

from support.database import Connection, Database


def spoil(database: Database, statement: LiteralString, *arguments: Any) -> None:
    """Change rows behind the back of every guard and counter."""
    with database.connect() as connection:
        connection.execute("set session_replication_role = replica")
        changed = connection.execute(statement, arguments)
        assert changed.rowcount > 0, "nothing was spoilt"


def value(connection: Connection, query: LiteralString, *arguments: Any) -> Any:
    """The first value of the first row."""
    row = connection.execute(query, arguments).fetchone()
    assert row is not None
    return row[0]
