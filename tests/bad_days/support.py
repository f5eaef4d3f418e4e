"""An organization with accounts, templates and campaigns, and what became of its messages."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any, Final

from psycopg import sql

from acceptance.abc_support import APP, call, one, webhook
from sendonce.simulator.process import SimulatorProcess
from support.database import Connection

__all__ = ["APP", "Campaign", "Stage", "call", "one", "people", "rule", "run_clock", "webhook"]

# A sender belongs to one account, also where several stages share a database.
_senders = count(106500000000001)


def people(count: int, *, start: int = 0) -> list[str]:
    """Made-up numbers, always the same ones for the same places."""
    return [f"+9993{number:08d}" for number in range(start, start + count)]


def rule(outcome: str | int, recipients: Sequence[str], *, attempts: int | None = None) -> str:
    """The simulator's rule by which these recipients meet this outcome."""
    limit = f",attempts:{attempts}" if attempts is not None else ""
    return f"{outcome}=list:{';'.join(recipients)}{limit}"


@dataclass(frozen=True)
class Campaign:
    """One campaign of a stage, and the ways to look at it."""

    stage: Stage
    id: str
    account: str

    @property
    def progress(self) -> dict[str, Any]:
        """What campaign_progress says."""
        told = call(self.stage.connection, "campaign_progress", self.id)
        assert isinstance(told, dict)
        return told

    @property
    def status(self) -> str:
        """running, paused, completed, …"""
        return str(
            one(
                self.stage.connection,
                "select status::text from public.campaigns where id = %s",
                self.id,
            )
        )

    @property
    def is_completed(self) -> bool:
        """Whether every contact has its outcome."""
        return self.status == "completed"

    def counts(self) -> dict[str, int]:
        """Entries by status."""
        rows = self.stage.connection.execute(
            "select status::text, count(*) from public.send_queue"
            " where campaign_id = %s group by 1",
            [self.id],
        ).fetchall()
        return dict(rows)

    def count(self, *statuses: str) -> int:
        """How many entries are in one of these states."""
        return sum(number for status, number in self.counts().items() if status in statuses)

    def entries(self) -> dict[str, dict[str, Any]]:
        """Every entry's columns, by recipient."""
        rows = self.stage.connection.execute(
            "select to_jsonb(q) from public.send_queue q where q.campaign_id = %s", [self.id]
        ).fetchall()
        return {row["recipient"]: row for (row,) in rows}

    def entry(self, recipient: str) -> dict[str, Any]:
        """One recipient's entry."""
        found = one(
            self.stage.connection,
            "select to_jsonb(q) from public.send_queue q"
            " where q.campaign_id = %s and q.recipient = %s",
            self.id,
            recipient,
        )
        assert isinstance(found, dict)
        return found

    def attempts(self) -> list[dict[str, Any]]:
        """Every attempt on record, in order."""
        rows = self.stage.connection.execute(
            "select to_jsonb(m) from public.messages m where m.campaign_id = %s"
            " order by m.entry_id, m.attempt",
            [self.id],
        ).fetchall()
        return [row for (row,) in rows]

    def retry_failed(self, classes: Sequence[str] | None = None) -> Any:
        """A person has those that failed sent again."""
        return call(self.stage.connection, "retry_failed", self.id, classes)

    def resume(self) -> None:
        """A person lets it go on."""
        call(self.stage.connection, "resume_campaign", self.id)


class Stage:
    """One organization; what it has is made as a test asks for it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.organization: str = str(call(connection, "create_organization", "Bad days"))
        self._campaigns = 0

    def account(self, **options: Any) -> str:
        """A new sender; without a rate unless `maximum_rate` is given."""
        sender = str(next(_senders))
        made = call(
            self.connection,
            "upsert_account",
            self.organization,
            "whatsapp",
            sender,
            f"Sender {sender}",
            {"app": APP, "maximum_rate": None} | options,
        )
        return str(made)

    def set_account(self, account: str, **options: Any) -> None:
        """Set an account's options anew."""
        row = self.account_row(account)
        again = call(
            self.connection,
            "upsert_account",
            self.organization,
            row["provider"],
            row["sender"],
            row["name"],
            options,
        )
        assert str(again) == account

    def template(self, name: str = "greeting", **options: Any) -> str:
        """A template, for utility messages unless told otherwise; said again it is updated."""
        made = call(
            self.connection,
            "upsert_template",
            self.organization,
            "whatsapp",
            name,
            "en",
            {"category": "UTILITY"} | options,
        )
        return str(made)

    def campaign(
        self,
        recipients: Sequence[str],
        *,
        account: str,
        template: str,
        start: bool = True,
        **options: Any,
    ) -> Campaign:
        """A campaign to these people, started unless told otherwise."""
        self._campaigns += 1
        made = call(
            self.connection,
            "create_campaign",
            self.organization,
            f"Campaign {self._campaigns}",
            account,
            template,
            options,
        )
        campaign = Campaign(self, str(made), account)
        added = call(
            self.connection,
            "add_recipients",
            campaign.id,
            [{"recipient": who} for who in recipients],
        )
        assert added["added"] == len(recipients), added
        if start:
            call(self.connection, "start_campaign", campaign.id)
        return campaign

    def account_row(self, account: str) -> dict[str, Any]:
        """An account's columns."""
        row = one(
            self.connection,
            "select to_jsonb(a) from public.provider_accounts a where a.id = %s",
            account,
        )
        assert isinstance(row, dict)
        return row

    def template_row(self, template: str) -> dict[str, Any]:
        """A template's columns."""
        row = one(
            self.connection,
            "select to_jsonb(t) from public.templates t where t.id = %s",
            template,
        )
        assert isinstance(row, dict)
        return row

    def resume_account(self, account: str) -> None:
        """A person has looked, and lets the account go on."""
        call(self.connection, "resume_account", account)

    def discrepancies(self, kind: str) -> list[dict[str, Any]]:
        """What is listed for a person to look at."""
        rows = self.connection.execute(
            "select to_jsonb(d) from public.discrepancies d where d.organization_id = %s"
            " and d.kind = %s order by d.fingerprint",
            [self.organization, kind],
        ).fetchall()
        return [row for (row,) in rows]

    def events(self, event: str) -> list[dict[str, Any]]:
        """What the organization's log has of one kind, in order."""
        rows = self.connection.execute(
            "select to_jsonb(e) from public.campaign_events e"
            " where e.organization_id = %s and e.event = %s order by e.id",
            [self.organization, event],
        ).fetchall()
        return [row for (row,) in rows]

    def assert_sound(self) -> None:
        """Every number is a row, and no row contradicts itself."""
        found = self.connection.execute("select * from public.verify_invariants()").fetchall()
        assert found == []


def accepted(simulator: SimulatorProcess, campaign: str | None = None) -> dict[str, int]:
    """How many messages the provider accepted for whom: the truth about who got it twice."""
    counted: dict[str, int] = {}
    for entry in simulator.control.ledger(campaign, outcome="accepted"):
        counted[entry["recipient"]] = counted.get(entry["recipient"], 0) + 1
    return counted


def requests(simulator: SimulatorProcess, campaign: str | None = None) -> dict[str, int]:
    """How many requests came for whom, whatever became of them."""
    counted: dict[str, int] = {}
    for entry in simulator.control.ledger(campaign):
        counted[entry["recipient"]] = counted.get(entry["recipient"], 0) + 1
    return counted


def assert_each_got_it_once(
    simulator: SimulatorProcess, campaign: Campaign, recipients: Collection[str]
) -> None:
    """These people, and nobody else, got this campaign's message, each once."""
    assert accepted(simulator, campaign.id) == dict.fromkeys(recipients, 1)


def run_clock(connection: Connection, speed: float, leap: timedelta = timedelta(0)) -> None:
    """Let the database's time leap, and then run so many times faster than ours.

    Only SQL's time: what it tells the worker in seconds (leases, waits) is that much too long. An
    account therefore needs a lease that outlasts the test: `FAST_ACCOUNT` has one.
    """
    ours, theirs = connection.execute(
        "select clock_timestamp()::text, (sendonce.now() + %s)::text", [leap]
    ).fetchone() or ("", "")
    connection.execute(
        sql.SQL(
            """
            create or replace function sendonce.now()
            returns timestamptz
            language plpgsql
            volatile
            set search_path = ''
            as $$
            begin
                return {theirs}::timestamptz
                    + (pg_catalog.clock_timestamp() - {ours}::timestamptz) * {speed};
            end;
            $$
            """
        ).format(ours=sql.Literal(ours), theirs=sql.Literal(theirs), speed=sql.Literal(speed))
    )


#: The database's seconds in one of ours, where minutes are to pass in seconds.
SPEED: Final = 60

#: A lease of minutes by a clock that runs so fast, and a short wait for reports.
FAST_ACCOUNT: Final[Mapping[str, Any]] = {
    "lease": "6 hours",
    "longest_claim": "24 hours",
    "unknown_window": "2 minutes",
}

#: The workers there, and the requests that each has in flight at a time.
FAST_WORKERS: Final = 2
FAST_CONCURRENCY: Final = 12
