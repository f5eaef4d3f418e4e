"""The whole way of a report under fuzzing: function, database, and what may not have changed."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from psycopg.types.json import Jsonb

from support.database import Connection
from webhook.provider import (
    APP,
    OTHER_APP,
    SENDER,
    Answer,
    Json,
    Webhook,
    change,
    encoded,
    envelope,
    status,
)

SECOND_SENDER: Final = "206540352242922"
OTHER_APPS_SENDER: Final = "306540352242922"
OTHER_TENANTS_SENDER: Final = "406540352242922"

# How many messages are sent at once when a report needs one.
PEOPLE: Final = 300

# The tables in which a report may move something, each with the key that names one of its rows.
_WATCHED: Final = {
    "send_queue": "id",
    "messages": "entry_id",
    "campaigns": "id",
    "templates": "id",
    "provider_accounts": "id",
    "suppressions": "recipient",
}

# Every message is a row in these; those of campaigns that no example uses any more count as one.
_MANY: Final = ("send_queue", "messages")


def _look_at(table: str, key: str) -> str:
    """Return a query for which transaction wrote each row: one written again differs by it."""
    place = f"t.{key}::text"
    if table in _MANY:
        place = f"case when t.campaign_id = any (%(in_use)s) then {place} else 'earlier' end"
    written = "sum(t.xmin::text::bigint), count(*)"
    return f"select '{table}', {place}, {written} from public.{table} t group by 2"


_SNAPSHOT: Final = " union all ".join(_look_at(table, key) for table, key in _WATCHED.items())

# One row of one of those tables: its table, and its key as text.
Place = tuple[str, str]
Snapshot = dict[Place, tuple[Any, ...]]


@dataclass(frozen=True)
class Entry:
    """One message that was handed to the provider."""

    id: int
    campaign_id: str
    sender: str
    message_id: str
    reference: str

    def report(self, word: str = "delivered", **changes: Json) -> dict[str, Json]:
        """Return the provider's report of it."""
        told = {"status": word, "biz_opaque_callback_data": self.reference, **changes}
        return status(self.message_id, **told)

    @property
    def places(self) -> set[Place]:
        """The rows that a report of this message may change."""
        return {
            ("send_queue", str(self.id)),
            ("messages", str(self.id)),
            ("campaigns", self.campaign_id),
        }


def one(connection: Connection, query: str, *parameters: Any) -> Any:
    """Return the first column of the first row."""
    row = connection.execute(query, parameters).fetchone()
    assert row is not None
    return row[0]


class Sending:
    """One account that sends campaigns, and never runs out of messages whose report is due."""

    def __init__(
        self, connection: Connection, organization: str, name: str, sender: str, app: str
    ) -> None:
        """Set the account and its template up."""
        self.sender = sender
        self._connection = connection
        self._organization = organization
        self._name = name
        self._campaigns = 0
        self._waiting: list[Entry] = []
        self.in_use: list[str] = []
        self.account = str(
            one(
                connection,
                "select public.upsert_account(%s, 'whatsapp', %s, %s, %s)",
                organization,
                sender,
                name,
                Jsonb({"app": app, "maximum_rate": None}),
            )
        )
        self.template = str(
            one(
                connection,
                "select public.upsert_template(%s, 'whatsapp', %s, 'en', %s)",
                organization,
                f"hello_from_{sender}",
                Jsonb({"category": "UTILITY", "status": "APPROVED"}),
            )
        )

    def entry(self) -> Entry:
        """Return a message that the provider accepted and has told nothing about yet."""
        if not self.has_some:
            self._waiting = self.campaign(PEOPLE)
        return self._waiting.pop()

    @property
    def has_some(self) -> bool:
        """Whether `entry` can return one without sending a campaign."""
        return bool(self._waiting)

    def campaign(self, people: int, *, outcome: str = "accepted") -> list[Entry]:
        """Send a campaign and return its messages; `ambiguous` means that the reply was lost."""
        connection = self._connection
        self._campaigns += 1
        number = self._campaigns
        campaign = one(
            connection,
            "select public.create_campaign(%s, %s, %s, %s)",
            self._organization,
            f"{self._name} {number}",
            self.account,
            self.template,
        )
        recipients = [
            {"recipient": f"+999{self.sender[0]}{number:05}{n:05}"} for n in range(people)
        ]
        for start in range(0, people, 1000):
            page = Jsonb(recipients[start : start + 1000])
            one(connection, "select public.add_recipients(%s, %s)", campaign, page)
        one(connection, "select public.start_campaign(%s)", campaign)
        # The one before may still have messages in an example's hands.
        self.in_use = [*self.in_use[-1:], str(campaign)]
        entries: list[Entry] = []
        while len(entries) < people:
            entries += self._send_some(outcome)
        return entries

    def _send_some(self, outcome: str) -> list[Entry]:
        connection = self._connection
        # Some codes pause the account, also when they come in a report that somebody made up.
        connection.execute(
            "select public.resume_account(id) from public.provider_accounts"
            " where id = %s and paused_at is not null",
            [self.account],
        )
        claim = one(connection, "select public.claim_messages('tests', %s, 1000)", self.account)
        handed_out = claim["entries"]
        ids = [entry["entry_id"] for entry in handed_out]
        answer = one(connection, "select public.begin_dispatch(%s, %s)", claim["claim_id"], ids)
        assert answer["dispatched"] == ids
        is_accepted = outcome == "accepted"
        results = [
            {
                "entry_id": entry["entry_id"],
                "attempt": entry["attempt"],
                "outcome": outcome,
                "provider_message_id": _message_id(entry) if is_accepted else None,
                "http_status": 200 if is_accepted else None,
            }
            for entry in handed_out
        ]
        one(connection, "select public.record_results(%s, %s)", claim["claim_id"], Jsonb(results))
        return [
            Entry(
                entry["entry_id"],
                entry["reference"].split(":")[1],
                self.sender,
                _message_id(entry),
                entry["reference"],
            )
            for entry in handed_out
        ]


def _message_id(entry: dict[str, Any]) -> str:
    return f"wamid.HBgM{entry['entry_id']:012}"


@dataclass
class Intake:
    """The running function over a database with two tenants, and a memory of its rows."""

    webhook: Webhook
    connection: Connection
    sending: Sending = field(init=False)
    """The account that almost every example reports about."""
    second: Sending = field(init=False)
    """Another sender of the same organization and app."""
    of_other_app: Sending = field(init=False)
    """A sender of the same organization whose reports another app signs."""
    of_other_tenant: Sending = field(init=False)
    """A sender of another organization under the same app."""
    _seen: Snapshot = field(init=False)
    _sendings: list[Sending] = field(init=False)

    def __post_init__(self) -> None:
        connection = self.connection
        acme = one(connection, "select public.create_organization('Acme')")
        rival = one(connection, "select public.create_organization('Rival')")
        self.sending = Sending(connection, acme, "Shop", SENDER, APP)
        self.second = Sending(connection, acme, "Second", SECOND_SENDER, APP)
        self.of_other_app = Sending(connection, acme, "App", OTHER_APPS_SENDER, OTHER_APP)
        self.of_other_tenant = Sending(connection, rival, "Rival", OTHER_TENANTS_SENDER, APP)
        self._sendings = [self.sending, self.second, self.of_other_app, self.of_other_tenant]
        self.look()

    def look(self) -> set[Place]:
        """Remember all watched rows; return those that differ from the last look."""
        in_use = [UUID(campaign) for sending in self._sendings for campaign in sending.in_use]
        rows = self.connection.execute(_SNAPSHOT, {"in_use": in_use}).fetchall()
        now: Snapshot = {(row[0], row[1]): row[2:] for row in rows}
        before = getattr(self, "_seen", now)
        self._seen = now
        places = now.keys() | before.keys()
        return {place for place in places if now.get(place) != before.get(place)}

    def entry(self) -> Entry:
        """Return a message of the first account whose report is due."""
        return self.entry_of(self.sending)

    def entry_of(self, sending: Sending) -> Entry:
        """Return a message of this account whose report is due."""
        if sending.has_some:
            return sending.entry()
        assert self.look() == set()
        entry = sending.entry()
        # The campaign that this took is no change that a report made.
        self.look()
        return entry

    def logged(self) -> int:
        """Return how many reports the database took so far."""
        count: int = one(self.connection, "select count(*) from sendonce.report_log")
        return count

    def delivery(self, entry: Entry) -> str | None:
        """Return what is known of a message's delivery."""
        known: str | None = one(
            self.connection,
            "select delivery_status::text from public.send_queue where id = %s",
            entry.id,
        )
        return known

    def violations(self) -> list[Any]:
        """Return what the database finds wrong with itself."""
        return self.connection.execute("select * from public.verify_invariants()").fetchall()

    def good_post(self, *entries: Entry) -> bytes:
        """Return a body that tells of the delivery of these messages."""
        return encoded(
            envelope(*[change([entry.report()], sender=entry.sender) for entry in entries])
        )

    def expect_nothing(self, answer: Answer, *statuses: int) -> None:
        """Check that the answer is one of these, and that it left no trace in any row."""
        assert answer.status in statuses, answer
        assert self.look() == set(), answer

    def expect_delivered(
        self, answer: Answer, good: Iterable[Entry], *, also: Iterable[Place] = ()
    ) -> None:
        """Check that the good reports of a POST applied, and moved nothing but what they may."""
        assert answer.status == 200, answer
        entries = list(good)
        changed = self.look()
        for entry in entries:
            assert self.delivery(entry) == "delivered", (entry, answer)
        allowed = {place for entry in entries for place in entry.places} | set(also)
        assert changed <= allowed, (changed - allowed, answer)
