"""Whether anybody sends: workers, claims, accounts, reports that wait."""

from __future__ import annotations

from collections.abc import Iterator

from sendonce.cli.counted import counted
from sendonce.cli.database import Connection
from sendonce.cli.output import moment
from sendonce.doctor.finding import Finding, error, ok, warning
from sendonce.doctor.questions import Check, ask, value

#: Workers show themselves every 10 seconds.
SEEN_SECONDS = 60
#: Minutes after which what sweeps should have done counts as left undone.
OVERDUE_MINUTES = 2
#: Minutes that a report may wait for its entry without a word.
WAITING_MINUTES = 10

#: As sendonce.pause_after_failover words it.
_RESTORED = "the database was restored or failed over%"


def checks() -> list[tuple[str, Check]]:
    """The checks of this group."""
    return [
        ("workers", _workers),
        ("claims", _claims),
        ("scheduled campaigns", _scheduled),
        ("unknown outcomes", _unknown),
        ("database identity", _identity),
        ("accounts", _accounts),
        ("waiting reports", _reports),
    ]


def _workers(connection: Connection) -> Iterator[Finding]:
    (row,) = ask(
        connection,
        "select (select count(*) from sendonce.workers w"
        "   where w.seen_at > clock_timestamp() - make_interval(secs => %s)) as alive,"
        " (select max(w.seen_at) from sendonce.workers w) as last,"
        " (select count(*) from public.campaigns c where c.status = 'running') as running",
        [SEEN_SECONDS],
    )
    if row["alive"]:
        yield ok(
            "workers", f"{row['alive']:,} alive; running: {counted(row['running'], 'campaign')}"
        )
    elif row["running"]:
        last = row["last"]
        ever = f"the last was seen at {moment(last)}" if last else "none was ever seen"
        yield error(
            "workers",
            f"running: {counted(row['running'], 'campaign')}; alive: no worker; {ever}",
            "start `sendonce worker`",
        )
    else:
        yield ok("workers", "none alive, and no campaign is running")


def _claims(connection: Connection) -> Iterator[Finding]:
    (row,) = ask(
        connection,
        "select count(*) as claims, coalesce(sum(cardinality(k.entry_ids)), 0) as entries,"
        " string_agg(distinct k.worker, ', ') as workers from public.claims k"
        " where k.expires_at < clock_timestamp() - make_interval(mins => %s)",
        [OVERDUE_MINUTES],
    )
    if row["claims"]:
        yield warning(
            "claims",
            f"past their lease: {counted(row['claims'], 'claim')} with "
            f"{counted(row['entries'], 'contact')} (of {row['workers']}), and nobody swept them",
            "start a worker: it sweeps them; or run select public.expire_claims(1000)",
        )
    else:
        yield ok("claims", "none is past its lease")


def _scheduled(connection: Connection) -> Iterator[Finding]:
    late = value(
        connection,
        "select count(*) from public.campaigns c where c.status = 'scheduled'"
        " and c.scheduled_at < clock_timestamp() - make_interval(mins => %s)",
        [OVERDUE_MINUTES],
    )
    if late:
        yield warning(
            "scheduled campaigns",
            f"{late:,} should have started already",
            "start a worker: it starts what is due",
        )
    else:
        yield ok("scheduled campaigns", "none is late")


def _unknown(connection: Connection) -> Iterator[Finding]:
    (row,) = ask(
        connection,
        "select count(*) filter (where a.on_unknown = 'hold') as held,"
        " count(*) filter (where a.on_unknown = 'fail' and q.unknown_since + a.unknown_window"
        "   < clock_timestamp() - make_interval(mins => %s)) as overdue"
        " from public.provider_accounts a"
        " join public.send_queue q on q.account_id = a.id and q.unknown_since is not null",
        [OVERDUE_MINUTES],
    )
    if row["held"]:
        yield warning(
            "unknown outcomes",
            f"{counted(row['held'], 'contact')} for a person to settle: did the message go out?",
            "`sendonce unknown list`, then `sendonce unknown resolve`",
        )
    if row["overdue"]:
        yield warning(
            "unknown outcomes",
            f"{counted(row['overdue'], 'contact')} past their window, and nobody settled them",
            "start a worker: it settles them",
        )
    if not row["held"] and not row["overdue"]:
        yield ok("unknown outcomes", "none waits for a person or is overdue")


def _identity(connection: Connection) -> Iterator[Finding]:
    paused = value(
        connection,
        "select count(*) from public.provider_accounts a where a.paused_at is not null"
        " and a.pause_reason like %s",
        [_RESTORED],
    )
    if paused:
        yield error(
            "database identity",
            f"{counted(paused, 'account')} paused since the database was restored or failed over: "
            "messages of the last moments before may be missing from it",
            "compare with the provider, `sendonce verify`, then `sendonce account resume`",
        )
        return
    same = value(
        connection,
        "select exists (select from sendonce.database_identity d, sendonce.physical_identity() i"
        " where d.system_identifier = i.system_identifier and d.timeline = i.timeline)",
    )
    if same:
        yield ok("database identity", "the same physical database as at the last claim")
    else:
        yield warning(
            "database identity",
            "this is another physical database than at the last claim: the next one pauses every "
            "account",
            "if this is a copy, make sure that no worker enters it; else compare with the provider",
        )


def _accounts(connection: Connection) -> Iterator[Finding]:
    rows = ask(
        connection,
        "select a.name, a.pause_reason, a.resting_until,"
        " a.paused_at is not null as paused,"
        " (select count(*) from public.campaigns c"
        "   where c.account_id = a.id and c.status = 'running') as running"
        " from public.provider_accounts a"
        " where (a.paused_at is not null and a.pause_reason not like %s)"
        " or a.resting_until > clock_timestamp() order by a.name",
        [_RESTORED],
    )
    for row in rows:
        waiting = (
            f"; waiting: {counted(row['running'], 'running campaign')}" if row["running"] else ""
        )
        if row["paused"]:
            yield warning(
                "accounts",
                f"account {row['name']} is paused ({row['pause_reason']}){waiting}",
                "put the cause right, then `sendonce account resume`",
            )
        else:
            yield warning(
                "accounts",
                f"account {row['name']} rests until {moment(row['resting_until'])} after "
                f"requests whose outcome told nothing{waiting}",
                "look at the provider's status page; it goes on by itself",
            )
    if not rows:
        total = value(connection, "select count(*) from public.provider_accounts")
        yield ok("accounts", f"{total:,}, none paused for another reason, none resting")


def _reports(connection: Connection) -> Iterator[Finding]:
    (row,) = ask(
        connection,
        "select count(*) as waiting, count(*) filter"
        " (where r.received_at < clock_timestamp() - make_interval(mins => %s)) as old"
        " from sendonce.report_log r where r.look_at is not null",
        [WAITING_MINUTES],
    )
    if row["old"]:
        yield warning(
            "waiting reports",
            f"{counted(row['old'], 'report')} without its message for more than "
            f"{WAITING_MINUTES} minutes",
            "if they are of messages sent by another program on this number, nothing is wrong; "
            "else see that workers run and sweep",
        )
    else:
        yield ok("waiting reports", f"{row['waiting']:,}, none for long")
