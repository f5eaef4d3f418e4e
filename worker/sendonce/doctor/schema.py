"""Whether the schema is there, fits this program, and still has its guards."""

from __future__ import annotations

from collections.abc import Iterator

from sendonce.cli.database import Connection
from sendonce.doctor.finding import Finding, error, ok
from sendonce.doctor.questions import Check, ask, value
from sendonce.worker.startup_checks import SCHEMA_VERSION


def is_installed(connection: Connection) -> bool:
    """Whether there is anything to look at."""
    return bool(
        value(
            connection,
            "select exists (select from pg_catalog.pg_namespace where nspname = 'sendonce')"
            " and pg_catalog.to_regprocedure('public.schema_version()') is not null",
        )
    )


def checks() -> list[tuple[str, Check]]:
    """The checks of this group, for a database that has the schema."""
    return [("schema version", _version), ("guards", _guards)]


def not_installed() -> Finding:
    """What is said instead of everything that needs the schema."""
    return error(
        "schema version",
        "Sendonce is not installed in this database",
        "run `sendonce install`, or check that the URL names the right database",
    )


def _version(connection: Connection) -> Iterator[Finding]:
    installed = value(connection, "select public.schema_version()")
    if installed == SCHEMA_VERSION:
        yield ok("schema version", f"version {installed}, as this program expects")
    else:
        yield error(
            "schema version",
            f"the database has version {installed}, this program needs {SCHEMA_VERSION}",
            "migrate the database" if installed < SCHEMA_VERSION else "install a newer program",
        )


def _guards(connection: Connection) -> Iterator[Finding]:
    disabled = ask(
        connection,
        "select t.tgrelid::regclass::text as relation, t.tgname::text as name"
        " from pg_catalog.pg_trigger t"
        " join pg_catalog.pg_proc p on p.oid = t.tgfoid"
        " where p.pronamespace = 'sendonce'::regnamespace and t.tgenabled in ('D', 'R')"
        " order by 1, 2",
    )
    for row in disabled:
        yield error(
            "guards",
            f"trigger {row['name']} on {row['relation']} is disabled",
            f"alter table {row['relation']} enable trigger {row['name']}; then `sendonce verify`",
        )
    if not disabled:
        yield ok("guards", "every guard trigger is enabled; `sendonce verify` looks at all rows")
