"""Why nothing of a running campaign goes out although nothing stops it: what its row cannot say."""

from __future__ import annotations

from typing import Any, LiteralString, cast

from sendonce.cli import output
from sendonce.cli.counted import counted
from sendonce.cli.database import Connection, Row, rows

#: Ready entries that are looked at; with more of them it is not the next try that is waited for.
_LOOKED_AT = 100

_IN_HAND: LiteralString = """
    select coalesce(sum(cardinality(k.entry_ids)), 0) as entries, sendonce.now() as now
    from public.claims k
    where k.account_id = %s
"""


def waits(connection: Connection, progress: dict[str, Any]) -> list[str]:
    """What a running campaign waits for, one sentence each; nothing while a worker holds some."""
    if progress["status"] != "running":
        return []
    in_hand = cast("Row", connection.execute(_IN_HAND, [progress["account_id"]]).fetchone())
    if in_hand["entries"]:
        return []
    found = []
    unknown = int(progress["total_unknown"])
    if not progress["workers_alive"]:
        found.append("no worker is alive: start `sendonce worker`")
    if progress["limit_group_full_until"] is not None:
        found.append(
            "its limit group has written to as many people as it may within 24 hours: "
            f"there is room at {output.moment(progress['limit_group_full_until'])}"
        )
    ready = rows(
        connection,
        "campaign_entries",
        _campaign_id=progress["campaign_id"],
        _status="ready",
        _limit=_LOOKED_AT,
    )
    due = [row["due_at"] for row in ready if row["due_at"] and row["due_at"] > in_hand["now"]]
    if ready and len(ready) < _LOOKED_AT and len(due) == len(ready):
        found.append(f"what is ready is tried again from {output.moment(min(due))} on")
    if unknown and not ready:
        found.append(
            f"the outcome of {counted(unknown, 'message')} is unknown; "
            "`sendonce unknown list` shows until when"
        )
    return found
