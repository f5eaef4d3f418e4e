"""What keeps the database from cleaning up after itself: the queue then gets slower and slower."""

from __future__ import annotations

from collections.abc import Iterator

from sendonce.cli.database import Connection
from sendonce.cli.output import moment
from sendonce.doctor.finding import Finding, not_checked, ok, warning
from sendonce.doctor.questions import Check, ask, value

#: Minutes after which an open transaction is worth a word.
LONG_MINUTES = 5
#: Dead rows that are nothing to speak of, and the share of the living from which they are.
FEW_DEAD = 50_000
LARGE_SHARE = 0.5
#: Transactions left behind which the server must freeze, or stop taking any.
OLDEST_TRANSACTION = 1_000_000_000


def checks() -> list[tuple[str, Check]]:
    """The checks of this group."""
    return [
        ("long transactions", _long_transactions),
        ("prepared transactions", _prepared),
        ("replication slots", _slots),
        ("dead rows", _dead_rows),
        ("transaction ids", _wraparound),
    ]


def _long_transactions(connection: Connection) -> Iterator[Finding]:
    rows = ask(
        connection,
        "select a.pid, a.usename::text as who, a.application_name as program, a.state,"
        " floor(extract(epoch from clock_timestamp() - a.xact_start) / 60)::integer as minutes"
        " from pg_catalog.pg_stat_activity a"
        " where a.datname = current_database() and a.pid <> pg_catalog.pg_backend_pid()"
        " and a.backend_type = 'client backend'"
        " and a.xact_start < clock_timestamp() - make_interval(mins => %s) order by a.xact_start",
        [LONG_MINUTES],
    )
    for row in rows:
        yield warning(
            "long transactions",
            f"process {row['pid']} ({row['who']}, {row['program'] or 'no name'}) has had a"
            f" transaction open for {row['minutes']:,} minutes ({row['state']}): meanwhile no dead"
            " row is removed",
            f"end it; if need be select pg_terminate_backend({row['pid']})",
        )
    sees_all = value(
        connection,
        "select pg_catalog.pg_has_role(current_user, 'pg_read_all_stats', 'usage')",
    )
    if not rows and sees_all:
        yield ok("long transactions", f"none is older than {LONG_MINUTES} minutes")
    elif not rows:
        yield not_checked(
            "long transactions",
            "this login sees its own transactions only, and none is old",
            "grant pg_read_all_stats to it",
        )


def _prepared(connection: Connection) -> Iterator[Finding]:
    rows = ask(
        connection,
        "select gid, prepared from pg_catalog.pg_prepared_xacts"
        " where database = current_database()"
        " and prepared < clock_timestamp() - make_interval(mins => %s) order by prepared",
        [LONG_MINUTES],
    )
    for row in rows:
        yield warning(
            "prepared transactions",
            f"{row['gid']!r} was prepared at {moment(row['prepared'])} and never ended: it"
            " holds its locks and every dead row",
            f"rollback prepared '{row['gid']}', or commit it",
        )
    if not rows:
        yield ok("prepared transactions", "none is left over")


def _slots(connection: Connection) -> Iterator[Finding]:
    rows = ask(
        connection,
        "select slot_name::text as name, active, xmin is not null as holds_rows,"
        " pg_catalog.age(coalesce(xmin, catalog_xmin)) as transactions"
        " from pg_catalog.pg_replication_slots where not active order by 1",
    )
    for row in rows:
        held = "dead rows and WAL" if row["holds_rows"] else "WAL"
        yield warning(
            "replication slots",
            f"slot {row['name']} has no reader and holds back {held}",
            f"start its reader, or select pg_drop_replication_slot('{row['name']}')",
        )
    if not rows:
        yield ok("replication slots", "none is without a reader")


def _dead_rows(connection: Connection) -> Iterator[Finding]:
    rows = ask(
        connection,
        "select s.schemaname || '.' || s.relname as relation, s.n_live_tup as live,"
        " s.n_dead_tup as dead, s.last_autovacuum,"
        " coalesce('autovacuum_enabled=false' = any (c.reloptions)"
        "   or 'autovacuum_enabled=off' = any (c.reloptions), false) as off"
        " from pg_catalog.pg_stat_user_tables s"
        " join pg_catalog.pg_class c on c.oid = s.relid"
        " where s.relid in (pg_catalog.to_regclass('public.send_queue'),"
        "   pg_catalog.to_regclass('public.campaigns'), pg_catalog.to_regclass('public.messages'),"
        "   pg_catalog.to_regclass('public.claims'),"
        "   pg_catalog.to_regclass('public.provider_accounts')) order by 1",
    )
    found = 0
    for row in rows:
        if row["off"]:
            found += 1
            yield warning(
                "dead rows",
                f"autovacuum is switched off for {row['relation']}",
                f"alter table {row['relation']} reset (autovacuum_enabled)",
            )
        if row["dead"] > max(FEW_DEAD, row["live"] * LARGE_SHARE):
            found += 1
            last = row["last_autovacuum"]
            when = f"last autovacuum {moment(last)}" if last else "never autovacuumed"
            yield warning(
                "dead rows",
                f"{row['relation']}: {row['dead']:,} dead rows beside {row['live']:,} ({when})",
                f"vacuum (analyze) {row['relation']}; and see what holds old snapshots",
            )
    if not found:
        yield ok("dead rows", "autovacuum keeps up with queue, campaigns and messages")


def _wraparound(connection: Connection) -> Iterator[Finding]:
    age = value(
        connection,
        "select pg_catalog.age(datfrozenxid) from pg_catalog.pg_database"
        " where datname = current_database()",
    )
    if age > OLDEST_TRANSACTION:
        yield warning(
            "transaction ids",
            f"the oldest unfrozen transaction lies {age:,} back; at 2 billion the server stops",
            "find what holds old snapshots, then vacuum (freeze) the database",
        )
    else:
        yield ok("transaction ids", f"{age:,} of 2 billion in use")
