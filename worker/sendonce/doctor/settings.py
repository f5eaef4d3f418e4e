"""Settings of server, database and roles under which a promise would not hold."""

from __future__ import annotations

from collections.abc import Iterator

from sendonce.cli.database import Connection
from sendonce.doctor.finding import Finding, error, ok, warning
from sendonce.doctor.questions import Check, ask

#: Milliseconds; a sweep or an import may take as long.
SHORTEST_STATEMENT_TIMEOUT = 5_000

_ROLES = ("sendonce_worker", "service_role", "authenticated", "authenticator")

_MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1_000.0, "min": 60_000.0, "h": 3_600_000.0}


def checks() -> list[tuple[str, Check]]:
    """The checks of this group."""
    return [("settings", _all)]


def _all(connection: Connection) -> Iterator[Finding]:
    # What a session begins with, not what the question itself has set.
    session = {
        row["name"]: row["reset_val"]
        for row in ask(
            connection,
            "select name, reset_val from pg_catalog.pg_settings where name in ('fsync',"
            " 'full_page_writes', 'synchronous_commit', 'default_transaction_isolation',"
            " 'default_transaction_read_only', 'session_replication_role', 'statement_timeout',"
            " 'autovacuum')",
        )
    }
    found = list(_session(session))
    found += _roles(connection)
    yield from found
    if not found:
        yield ok("settings", "nothing weakens a promise")


def _session(settings: dict[str, str]) -> Iterator[Finding]:
    for name in ("fsync", "full_page_writes"):
        if settings.get(name) == "off":
            yield error(
                f"settings: {name}",
                f"{name} is off: a crash may lose or damage what was committed, and then a second "
                "send is possible",
                f"set {name} = on",
            )
    if settings.get("autovacuum") == "off":
        yield warning(
            "settings: autovacuum",
            "autovacuum is off: the queue grows and every claim gets slower",
            "set autovacuum = on",
        )
    for name, setting in settings.items():
        yield from _one(name, setting, "")


def _roles(connection: Connection) -> Iterator[Finding]:
    rows = ask(
        connection,
        "select r.rolname::text as role, setting from pg_catalog.pg_db_role_setting s"
        " join pg_catalog.pg_roles r on r.oid = s.setrole"
        " cross join unnest(s.setconfig) setting"
        " where r.rolname = any (%s) and s.setdatabase in"
        " (0, (select oid from pg_catalog.pg_database where datname = current_database()))"
        " order by 1, 2",
        [list(_ROLES)],
    )
    for row in rows:
        name, _, setting = row["setting"].partition("=")
        yield from _one(name, setting, row["role"])


def _one(name: str, setting: str, role: str) -> Iterator[Finding]:
    """What one setting does, of every session or of one role's."""
    check = f"settings: {name}"
    whose = f" for {role}" if role else ""
    where = f"alter role {role}" if role else "alter database … / the connection's options"
    if name == "synchronous_commit" and setting == "off":
        yield warning(
            check,
            f"synchronous_commit is off{whose}: dispatch and reports switch it on for themselves, "
            "but a crash may forget what people changed in the last moments",
            f"{where}: set synchronous_commit = on",
        )
    elif name == "default_transaction_isolation" and setting != "read committed":
        yield error(
            check,
            f"transactions are {setting}{whose}: calls would fail instead of waiting for a lock",
            f"{where}: set default_transaction_isolation = 'read committed'",
        )
    elif name == "default_transaction_read_only" and setting == "on":
        yield error(
            check,
            f"transactions are read only{whose}: nothing can be claimed or recorded",
            f"{where}: set default_transaction_read_only = off",
        )
    elif name == "session_replication_role" and setting != "origin":
        yield error(
            check,
            f"session_replication_role is {setting}{whose}: no guard and no counter works",
            f"{where}: reset session_replication_role; then `sendonce verify`",
        )
    elif name == "statement_timeout":
        time = milliseconds(setting)
        if time is not None and 0 < time < SHORTEST_STATEMENT_TIMEOUT:
            yield warning(
                check,
                f"statements are cut off after {time:,.0f} ms{whose}",
                f"{where}: set statement_timeout = '{SHORTEST_STATEMENT_TIMEOUT // 1000}s' or more",
            )


def milliseconds(setting: str) -> float | None:
    """A time as PostgreSQL writes it, in milliseconds; None where it is none."""
    setting = setting.strip().strip("'")
    number = setting.rstrip("abcdefghijklmnopqrstuvwxyz ")
    unit = setting[len(number) :].strip() or "ms"
    try:
        return float(number) * _MILLISECONDS[unit]
    except (ValueError, KeyError):
        return None
