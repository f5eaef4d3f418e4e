"""Why nothing of a running campaign goes out although nothing stops it: what its row cannot say."""

from __future__ import annotations

from typing import Any

from psycopg import errors

from sendonce.cli import output
from sendonce.cli.counted import counted
from sendonce.cli.database import Connection, rows
from sendonce.doctor.sending import SEEN_SECONDS

#: Ready entries that are looked at; with more of them it is not the next try that is waited for.
_LOOKED_AT = 100

# The rules are the database's own: what is counted here is what claim_messages goes by.
_ACCOUNT = """
    select
        coalesce(
            (select sum(cardinality(k.entry_ids)) from public.claims k where k.account_id = a.id), 0
        ) as in_hand,
        g.name as limit_group,
        g.daily_recipients,
        sendonce.room_in_limit_group(a.limit_group_id, sendonce.now()) as room,
        (
            select count(*) from sendonce.workers w
            where w.seen_at > sendonce.now() - make_interval(secs => %(seen)s)
        ) as workers,
        sendonce.now() as now
    from public.provider_accounts a
    left join public.limit_groups g on g.id = a.limit_group_id
    where a.id = %(account)s
"""


def waits(connection: Connection, progress: dict[str, Any]) -> list[str]:
    """What a running campaign waits for, one sentence each; nothing while a worker holds some.

    Somebody who may not read workers and caps is told nothing.
    """
    if progress["status"] != "running":
        return []
    try:
        account = connection.execute(
            _ACCOUNT, {"account": progress["account_id"], "seen": SEEN_SECONDS}
        ).fetchone()
    except errors.InsufficientPrivilege:
        return []
    if account is None or account["in_hand"]:
        return []
    found = []
    unknown = int(progress["total_unknown"])
    if not account["workers"]:
        found.append("no worker is alive: start `sendonce worker`")
    if account["room"] is not None and account["room"] <= 0:
        found.append(
            f"the cap of its limit group {account['limit_group']} is reached: "
            f"{counted(account['daily_recipients'], 'recipient')} within 24 hours"
        )
    ready = rows(
        connection,
        "campaign_entries",
        _campaign_id=progress["campaign_id"],
        _status="ready",
        _limit=_LOOKED_AT,
    )
    due = [row["due_at"] for row in ready if row["due_at"] and row["due_at"] > account["now"]]
    if ready and len(ready) < _LOOKED_AT and len(due) == len(ready):
        found.append(f"what is ready is tried again from {output.moment(min(due))} on")
    if unknown and not ready:
        found.append(
            f"the outcome of {counted(unknown, 'message')} is unknown; "
            "`sendonce unknown list` shows until when"
        )
    return found
