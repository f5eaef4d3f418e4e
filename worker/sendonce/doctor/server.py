"""The way to the server, its version, its clock and its role."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
from psycopg.conninfo import conninfo_to_dict

from sendonce.cli.database import Connection, connected
from sendonce.doctor.finding import Finding, error, ok, warning
from sendonce.doctor.questions import Check, ask, value

#: The major versions that the tests run on.
TESTED = (15, 17, 18)
OLDEST = min(TESTED)
#: Supabase's port for transactions.
TRANSACTION_PORT = 6543
#: Reports older or newer than the database's own time are judged by it.
LARGEST_CLOCK_DIFFERENCE = timedelta(seconds=5)


def checks(url: str) -> list[tuple[str, Check]]:
    """The checks of this group; those about the way open connections of their own."""

    def route(connection: Connection) -> Iterator[Finding]:
        return _route(connection, url)

    return [
        ("route", route),
        ("server version", _version),
        ("server role", _writable),
        ("clock", _clock),
    ]


def _route(connection: Connection, url: str) -> Iterator[Finding]:
    behind = _pooler(connection, url)
    port = conninfo_to_dict(url).get("port")
    if behind == "transaction":
        yield ok(
            "route",
            "through a transaction pooler: worker, webhook and commands are made for that; "
            "migrations and psql sessions want the direct connection",
        )
    elif behind == "session":
        yield ok("route", "through a pooler that keeps one server connection for each client")
    elif str(port) == str(TRANSACTION_PORT):
        yield ok(
            "route", f"no pooler was noticed, but port {port} is usually that of a transaction one"
        )
    else:
        yield ok("route", "direct connection")


def _pooler(connection: Connection, url: str) -> str | None:
    """Which kind of pooler stands between: ``transaction``, ``session`` or None."""
    # Whoever hands transactions around gives two idle clients the same server process in turn.
    with connected(url) as other:
        seen = [
            int(value(each, "select pg_catalog.pg_backend_pid()"))
            for each in (connection, other) * 3
        ]
    if len(set(seen[::2])) > 1 or len(set(seen[1::2])) > 1 or seen[0] == seen[1]:
        return "transaction"
    # A pooler answers the start of a connection itself, with a process id of its own making.
    return None if connection.info.backend_pid == seen[0] else "session"


def _version(connection: Connection) -> Iterator[Finding]:
    version = connection.info.server_version
    major, name = version // 10_000, f"PostgreSQL {version // 10_000}.{version % 10_000}"
    if major in TESTED:
        yield ok("server version", name)
    elif major < OLDEST:
        yield error("server version", f"{name} is too old", f"upgrade to {OLDEST} or later")
    else:
        tested = ", ".join(str(each) for each in TESTED)
        yield warning("server version", f"{name} is not tested", f"prefer one of {tested}")


def _writable(connection: Connection) -> Iterator[Finding]:
    if value(connection, "select pg_catalog.pg_is_in_recovery()"):
        yield error(
            "server role",
            "this is a standby: nothing can be claimed or recorded here",
            "point the URL at the primary",
        )
    else:
        yield ok("server role", "primary")


def _clock(connection: Connection) -> Iterator[Finding]:
    try:
        (row,) = ask(connection, "select sendonce.now() as theirs, clock_timestamp() as server")
        theirs = row["theirs"]
        if abs(theirs - row["server"]) > LARGEST_CLOCK_DIFFERENCE:
            yield error(
                "sendonce.now()",
                "the schema's own clock differs from the server's: somebody replaced it",
                "install sql/schema/0300_clock.sql again",
            )
    except psycopg.Error as failure:
        if failure.sqlstate is None:
            raise
    before = datetime.now(UTC)
    server: datetime = value(connection, "select pg_catalog.clock_timestamp()")
    after = datetime.now(UTC)
    # Whatever the journey may explain is no difference.
    apart = max(before - server, server - after, timedelta(0))
    if apart > LARGEST_CLOCK_DIFFERENCE:
        yield warning(
            "clock",
            f"this machine and the database differ by {apart.total_seconds():,.0f} seconds",
            "let both follow a time server: rates, leases and windows go by the database's clock, "
            "logs by this one's",
        )
    else:
        yield ok("clock", "this machine and the database agree")
