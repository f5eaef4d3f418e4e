"""What an operator does with the database, by the functions that a dashboard calls."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg

from sendonce.local.demo.contacts import Contacts
from sendonce.local.demo.settings import (
    CURRENCY,
    LEASE,
    PRICES,
    UNKNOWN_WINDOW,
    WORKER_NAME,
    DemoSettings,
)
from sendonce.local.demo.stack import APP, SENDER, TEMPLATE

#: Recipients in one call of add_recipients.
CHUNK = 1000


@dataclass(frozen=True)
class Progress:
    """The campaign at one moment: what campaign_progress and queue_stats say."""

    counters: Mapping[str, Any]
    queue: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.counters[name]

    @property
    def total(self) -> int:
        """Contacts."""
        return int(self.counters["total_contacts"])

    @property
    def settled(self) -> int:
        """Contacts in a final state."""
        return int(self.counters["settled"])

    @property
    def unknown(self) -> int:
        """Contacts of whom nobody knows whether their message went out."""
        return int(self.counters["total_unknown"])

    @property
    def in_hand(self) -> int:
        """Contacts in a worker's hands, a dead one's included."""
        return int(self.queue["in_hand"])

    @property
    def on_their_way(self) -> int:
        """Those of them whose request may have left."""
        return sum(int(account["dispatched"]) for account in self.queue["accounts"])

    @property
    def is_over(self) -> bool:
        """Whether the campaign has ended."""
        return self.counters["status"] in ("completed", "cancelled")

    @property
    def obstacle(self) -> str | None:
        """Why nothing goes out although the campaign runs, where the database knows a reason."""
        if self.counters["account_paused"]:
            return f"the account is paused: {self.counters['account_paused']}"
        if self.counters["account_resting_until"]:
            return f"the account rests until {self.counters['account_resting_until']}"
        if self.counters["template_stopped"]:
            return f"the template is stopped: {self.counters['template_stopped']}"
        return None


@dataclass(frozen=True)
class HeldEntry:
    """A contact in the hands of a worker."""

    entry_id: int
    attempt: int
    dispatched: bool


class Campaign:
    """One campaign, seen by its operator."""

    def __init__(self, connection: psycopg.Connection[Any], settings: DemoSettings) -> None:
        """The connection is the owner's, in autocommit mode; it stays the caller's to close."""
        self.connection = connection
        self._settings = settings
        self.organization_id = ""
        self.campaign_id = ""

    def _call(self, function: str, *arguments: Any) -> Any:
        marks = ", ".join(["%s"] * len(arguments))
        row = self.connection.execute(
            f"select public.{function}({marks})",
            arguments,
        ).fetchone()
        if row is None:
            raise RuntimeError(f"{function} returned nothing")
        return row[0]

    def create(self) -> None:
        """Organization, account, prices, template and an empty draft."""
        self.organization_id = str(self._call("create_organization", "Sendonce demo"))
        account = {
            "app": APP,
            "currency": CURRENCY,
            "maximum_rate": self._settings.rate,
            "lease": f"{LEASE} seconds",
            "unknown_window": f"{UNKNOWN_WINDOW} seconds",
        }
        account_id = self._call(
            "upsert_account",
            self.organization_id,
            "whatsapp",
            SENDER,
            "Demo number",
            json.dumps(account),
        )
        # Prices are the operator's rows: there is no function between him and them.
        with self.connection.cursor() as cursor:
            cursor.executemany(
                "insert into public.rates"
                " (organization_id, provider, category, prefix, currency, rate, charge_on)"
                " values (%s, 'whatsapp', 'MARKETING', %s, %s, %s, 'delivered')",
                [
                    (self.organization_id, prefix, CURRENCY, price)
                    for prefix, price in PRICES.items()
                ],
            )
        template_id = self._call(
            "upsert_template",
            self.organization_id,
            "whatsapp",
            TEMPLATE,
            "en",
            json.dumps({"category": "MARKETING", "variables": ["name"]}),
        )
        self.campaign_id = str(
            self._call(
                "create_campaign",
                self.organization_id,
                "Spring greeting",
                account_id,
                template_id,
                "{}",
            )
        )

    def fill(self, contacts: Contacts, on_chunk: Callable[[int], None]) -> None:
        """Suppress who has opted out, then add everybody in chunks; `on_chunk` gets the count."""
        for number in sorted(contacts.opted_out):
            self._call("suppress", self.organization_id, number, "marketing", "opted out earlier")
        everybody = contacts.everybody
        for first in range(0, len(everybody), CHUNK):
            chunk = everybody[first : first + CHUNK]
            answer = self._call(
                "add_recipients",
                self.campaign_id,
                json.dumps(
                    [
                        {"recipient": contact.recipient, "variables": {"name": contact.name}}
                        for contact in chunk
                    ]
                ),
            )
            if answer["added"] != len(chunk):
                raise RuntimeError(f"add_recipients took {answer} of {len(chunk)} contacts")
            on_chunk(first + len(chunk))

    def start(self) -> None:
        """From here on the worker finds work."""
        self._call("start_campaign", self.campaign_id)

    def progress(self) -> Progress:
        """How far it is."""
        return Progress(
            self._call("campaign_progress", self.campaign_id),
            self._call("queue_stats", self.organization_id),
        )

    def held_entries(self) -> list[HeldEntry]:
        """What claims of the demo's worker hold, those of its dead predecessors included."""
        rows = self.connection.execute(
            "select q.id, q.attempt, q.id = any (k.dispatched)"
            " from public.claims k, unnest(k.entry_ids) e(id)"
            " join public.send_queue q on q.id = e.id"
            " where k.worker = %s order by q.id",
            [WORKER_NAME],
        ).fetchall()
        return [HeldEntry(*row) for row in rows]

    def open_claims(self) -> int:
        """Batches that some worker holds, dead or alive."""
        row = self.connection.execute("select count(*) from public.claims").fetchone()
        return int(row[0]) if row else 0
