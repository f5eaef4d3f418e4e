"""From the provider's POST to the entry: signature, parsing and SQL together."""

from dataclasses import dataclass
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from support.database import Connection, Database
from webhook.conftest import Start
from webhook.provider import (
    APP,
    OTHER_APP,
    OTHER_SECRET,
    SENDER,
    Webhook,
    change,
    encoded,
    envelope,
    status,
)

_PEOPLE = ("+5511900000001", "+5511900000002", "+5511900000003")


@dataclass(frozen=True)
class Sent:
    """A campaign whose messages are out; the reply for the last one was lost."""

    connection: Connection
    campaign_id: str
    references: list[str]

    def progress(self) -> dict[str, int]:
        """Return the campaign's counters."""
        row = self.connection.execute(
            "select total_sent, total_unknown, total_delivered, total_read, total_undelivered"
            " from public.campaigns where id = %s",
            [self.campaign_id],
        ).fetchone()
        assert row is not None
        names = ("sent", "unknown", "delivered", "read", "undelivered")
        return dict(zip(names, row, strict=True))

    def logged(self) -> dict[str, int]:
        """Return how many reports the log holds, by what became of them."""
        rows = self.connection.execute(
            "select disposition, count(*) from sendonce.report_log group by 1"
        ).fetchall()
        return dict(rows)

    def violations(self) -> list[Any]:
        """Return what the database finds wrong with itself."""
        return self.connection.execute("select * from public.verify_invariants()").fetchall()


def _one(connection: Connection, query: str, *parameters: Any) -> Any:
    row = connection.execute(query, parameters).fetchone()
    assert row is not None
    return row[0]


@pytest.fixture
def sent(connection: Connection) -> Sent:
    """Make the campaign and take it through claim, dispatch and results."""
    organization = _one(connection, "select public.create_organization('Acme')")
    account = _one(
        connection,
        "select public.upsert_account(%s, 'whatsapp', %s, 'Shop', %s)",
        organization,
        SENDER,
        Jsonb({"app": APP, "maximum_rate": None}),
    )
    template = _one(
        connection,
        "select public.upsert_template(%s, 'whatsapp', 'hello', 'en', %s)",
        organization,
        Jsonb({"category": "UTILITY", "status": "APPROVED"}),
    )
    campaign = _one(
        connection,
        "select public.create_campaign(%s, 'First', %s, %s)",
        organization,
        account,
        template,
    )
    people = Jsonb([{"recipient": person} for person in _PEOPLE])
    _one(connection, "select public.add_recipients(%s, %s)", campaign, people)
    _one(connection, "select public.start_campaign(%s)", campaign)

    claim = _one(connection, "select public.claim_messages('tests', %s)", account)
    entries = claim["entries"]
    assert [entry["recipient"] for entry in entries] == list(_PEOPLE)
    ids = [entry["entry_id"] for entry in entries]
    answer = _one(connection, "select public.begin_dispatch(%s, %s)", claim["claim_id"], ids)
    assert answer["dispatched"] == ids
    results = [
        {
            "entry_id": entry["entry_id"],
            "attempt": entry["attempt"],
            "outcome": "accepted" if number < len(entries) else "ambiguous",
            "provider_message_id": f"wamid.{number}" if number < len(entries) else None,
            "http_status": 200 if number < len(entries) else None,
        }
        for number, entry in enumerate(entries, 1)
    ]
    _one(connection, "select public.record_results(%s, %s)", claim["claim_id"], Jsonb(results))
    return Sent(connection, str(campaign), [entry["reference"] for entry in entries])


@pytest.fixture
def webhook(database: Database, start: Start) -> Webhook:
    """The edge function over the database as it is, without the spy."""
    return start(database.worker_url).webhook


def test_reports_move_their_entries_and_settle_the_one_whose_reply_was_lost(
    webhook: Webhook, sent: Sent
) -> None:
    assert sent.progress()["unknown"] == 1
    first, second, lost = sent.references
    answer = webhook.report(
        status("wamid.1", status="delivered", biz_opaque_callback_data=first),
        status("wamid.2", status="read", biz_opaque_callback_data=second),
        status("wamid.3", status="sent", biz_opaque_callback_data=lost),
    )
    assert answer.status == 200
    assert answer.json() == {"statuses": 3, "other_changes": 0, "unreadable": 0}
    assert sent.logged() == {"applied": 3}
    assert sent.progress() == {
        "sent": 3,
        "unknown": 0,
        "delivered": 2,
        "read": 1,
        "undelivered": 0,
    }
    assert sent.violations() == []


def test_a_post_that_comes_again_changes_nothing(webhook: Webhook, sent: Sent) -> None:
    body = encoded(
        envelope(
            change([status("wamid.1", status="read", biz_opaque_callback_data=sent.references[0])])
        )
    )
    assert webhook.post(body).status == 200
    before = sent.progress()
    for _ in range(3):
        assert webhook.post(body).status == 200
    assert sent.logged() == {"applied": 4}
    assert sent.progress() == before
    assert sent.violations() == []


def test_strange_statuses_are_refused_and_listed_and_the_others_applied(
    webhook: Webhook, sent: Sent
) -> None:
    good = status("wamid.1", status="delivered", biz_opaque_callback_data=sent.references[0])
    strange: list[Any] = [None, 7, {"id": {}, "status": 1}, status("wamid.2", status="vanished")]
    strange += [status("w" * 100_000), status("a\u0000b\ud800"), status("x", timestamp="9" * 400)]
    answer = webhook.report(strange[0], good, *strange[1:])
    assert answer.status == 200
    assert answer.json()["statuses"] == len(strange) + 1
    logged = sent.logged()
    assert sum(logged.values()) == len(strange) + 1
    assert logged["applied"] == 1
    assert logged["refused"] >= 4
    listed = _one(
        sent.connection, "select count(*) from public.discrepancies where kind = 'refused_report'"
    )
    # What was refused for the same reason without telling an id is listed once.
    assert listed >= 3
    assert sent.progress()["delivered"] == 1
    assert sent.violations() == []


def test_a_report_signed_by_another_app_moves_nothing(webhook: Webhook, sent: Sent) -> None:
    report = status("wamid.1", status="delivered", biz_opaque_callback_data=sent.references[0])
    answer = webhook.post(
        encoded(envelope(change([report]))),
        path=f"/delivery-webhook/whatsapp/{OTHER_APP}",
        secret=OTHER_SECRET,
    )
    assert answer.status == 200
    assert sent.logged() == {"refused": 1}
    assert sent.progress()["delivered"] == 0
