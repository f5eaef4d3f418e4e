"""What a worker does with one batch, as three calls, for campaigns too large for real requests."""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

from support.database import Connection

Entry = dict[str, Any]
#: What the provider answers to one entry: the fields of a result beside its id and attempt.
Answer = Callable[[Entry], dict[str, Any]]

BATCH = 300


def accepted(entry: Entry) -> dict[str, Any]:
    """The provider takes the message and gives it an id."""
    return {
        "outcome": "accepted",
        "provider_message_id": f"wamid.{entry['entry_id']}.{entry['attempt']}",
    }


def value(session: Connection, function: str, *arguments: Any) -> Any:
    """Call a function of schema public and return what it returns."""
    marks = ", ".join(["%s"] * len(arguments))
    row = session.execute(f"select public.{function}({marks})", arguments).fetchone()
    assert row is not None
    return row[0]


def claim(session: Connection, account: Any, worker: str) -> dict[str, Any] | None:
    """Claim a batch; None when there is nothing to hand out."""
    claimed: dict[str, Any] = value(session, "claim_messages", worker, account, BATCH)
    return None if claimed["claim_id"] is None else claimed


def dispatch(session: Connection, claimed: dict[str, Any]) -> list[Entry]:
    """Ask which entries may leave; from here on the provider may have them."""
    entries = {entry["entry_id"]: entry for entry in claimed["entries"]}
    answer = value(session, "begin_dispatch", claimed["claim_id"], list(entries))
    return [entries[entry_id] for entry_id in answer["dispatched"]]


def record(
    session: Connection, claimed: dict[str, Any], entries: list[Entry], answer: Answer
) -> dict[str, Any]:
    """Tell what the provider answered."""
    results = [
        {"entry_id": entry["entry_id"], "attempt": entry["attempt"], **answer(entry)}
        for entry in entries
    ]
    told: dict[str, Any] = value(
        session, "record_results", claimed["claim_id"], json.dumps(results)
    )
    return told


def send_all(
    session: Connection, account: Any, worker: str, answer: Answer = accepted
) -> Counter[str]:
    """Send until nothing is left; how often each recipient left for the provider."""
    sent: Counter[str] = Counter()
    while (claimed := claim(session, account, worker)) is not None:
        entries = dispatch(session, claimed)
        sent.update(entry["recipient"] for entry in entries)
        record(session, claimed, entries, answer)
    return sent
