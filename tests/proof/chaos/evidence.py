"""What the provider's ledger and the database say when all is at rest, as plain data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from psycopg.rows import class_row, dict_row

from proof.chaos.people import Memory, Order
from sendonce.local.demo.evidence import ProviderReport, ProviderRequest
from sendonce.simulator.client import SimulatorControl


@dataclass(frozen=True)
class Request:
    """A request that reached the provider, and which entry it says that it is of."""

    entry_id: int | None
    #: The campaign, or the account of a single message.
    owner: str
    sender: str
    seen: ProviderRequest


@dataclass(frozen=True)
class Entry:
    """A row of send_queue."""

    entry_id: int
    organization_id: str
    account_id: str
    sender: str
    on_unknown: str
    campaign_id: str | None
    recipient: str
    status: str
    attempt: int
    message_id: str | None
    delivery_status: str | None
    error_class: str | None
    error_code: str | None


@dataclass(frozen=True)
class Attempt:
    """A row of messages. `claimed_at` in seconds since 1970."""

    entry_id: int
    attempt: int
    outcome: str
    message_id: str | None
    is_second_acceptance: bool
    error_code: str | None
    claimed_at: float
    cost: Decimal
    #: Whether it ever was unknown, as far as the rows still show it: what is known when it is
    #: first written down is written after its entry has settled, in the same transaction.
    was_unknown: bool = False


@dataclass(frozen=True)
class LoggedReport:
    """A row of the report log."""

    entry_id: int | None
    attempt: int | None
    message_id: str
    status: str
    reference: str | None
    disposition: str


@dataclass(frozen=True)
class Campaign:
    """A row of campaigns."""

    campaign_id: str
    organization_id: str
    status: str
    cloned_from: str | None
    #: What was asked for when it was copied: none, unsent, all.
    copied: str | None
    total_contacts: int
    actual_cost: Decimal


@dataclass(frozen=True)
class Evidence:
    """Everything that the audit compares."""

    requests: Sequence[Request]
    entries: Sequence[Entry]
    attempts: Sequence[Attempt]
    reports: Sequence[LoggedReport]
    campaigns: Sequence[Campaign]
    #: What people were told and did.
    memories: Sequence[Memory]
    #: What verify_invariants() found.
    violations: Sequence[str] = ()
    #: Campaigns of which check_campaigns says that row and rows differ.
    differing: Sequence[str] = ()
    #: How many contacts failure_breakdown lists as outcome_unknown, by campaign.
    listed_failed: Mapping[str, int] = field(default_factory=dict)
    #: What unknown_entries lists.
    listed_unknown: frozenset[int] = frozenset()
    open_claims: int = 0
    #: What the programs say went wrong.
    programs: Sequence[str] = ()
    discrepancies: Mapping[str, int] = field(default_factory=dict)

    @property
    def orders(self) -> list[Order]:
        """What people were told is so."""
        return [order for memory in self.memories for order in memory.orders]


_ENTRIES = """
    select q.id as entry_id, q.organization_id::text, q.account_id::text, a.sender,
        a.on_unknown::text, q.campaign_id::text, q.recipient, q.status::text, q.attempt,
        q.provider_message_id as message_id, q.delivery_status::text, q.error_class, q.error_code
    from public.send_queue q join public.provider_accounts a on a.id = q.account_id order by q.id
"""
_ATTEMPTS = """
    select m.entry_id, m.attempt, m.outcome::text, m.provider_message_id as message_id,
        m.is_second_acceptance, m.error_code,
        extract(epoch from m.claimed_at)::float8 as claimed_at, m.cost,
        m.outcome = 'unknown'
            or coalesce(m.outcome = 'accepted' and m.recorded_at < q.settled_at, false)
            as was_unknown
    from public.messages m left join public.send_queue q on q.id = m.entry_id
    order by m.entry_id, m.attempt
"""
_REPORTS = """
    select entry_id, attempt, provider_message_id as message_id, status, reference, disposition
    from sendonce.report_log order by id
"""
_CAMPAIGNS = """
    select c.id::text as campaign_id, c.organization_id::text, c.status::text,
        c.cloned_from::text,
        (
            select e.detail ->> 'recipients' from public.campaign_events e
            where e.campaign_id = c.id and e.event = 'campaign.created'
        ) as copied,
        c.total_contacts, c.actual_cost
    from public.campaigns c order by c.created_at, c.id
"""


def read_evidence(
    connection: Any, control: SimulatorControl, memories: Iterable[Memory], programs: Sequence[str]
) -> Evidence:
    """Ask both sides. Everything is at rest."""

    def rows(kind: type[Any], query: str) -> list[Any]:
        with connection.cursor(row_factory=class_row(kind)) as cursor:
            found: list[Any] = cursor.execute(query).fetchall()
            return found

    with connection.cursor(row_factory=dict_row) as cursor:
        violations = cursor.execute("select * from public.verify_invariants()").fetchall()
        checked = cursor.execute(
            "select * from public.check_campaigns() where not matches"
        ).fetchall()
        kinds = cursor.execute(
            "select kind, count(*) from public.discrepancies group by kind order by kind"
        ).fetchall()
        listed = cursor.execute(
            "select c.id::text, b.value from public.campaigns c"
            " cross join lateral (select public.failure_breakdown(c.id) as value) b"
        ).fetchall()
        claims = cursor.execute("select count(*) from public.claims").fetchone()
        organizations = cursor.execute("select id::text from public.organizations").fetchall()
        listed_unknown = frozenset(_held(cursor, [row["id"] for row in organizations]))
    return Evidence(
        requests=[_request(line) for line in control.ledger()],
        entries=rows(Entry, _ENTRIES),
        attempts=rows(Attempt, _ATTEMPTS),
        reports=rows(LoggedReport, _REPORTS),
        campaigns=rows(Campaign, _CAMPAIGNS),
        memories=list(memories),
        violations=[
            f"{row['invariant']} {row['name']}: {row['detail']} (campaign {row['campaign_id']},"
            f" entry {row['entry_id']})"
            for row in violations
        ],
        differing=[
            f"campaign {row['campaign_id']} claims {row['claims']}, its rows prove {row['proves']}"
            for row in checked
        ],
        listed_failed={row["id"]: _outcome_unknown(row["value"]) for row in listed},
        listed_unknown=listed_unknown,
        open_claims=int(claims["count"]) if claims else 0,
        programs=programs,
        discrepancies={row["kind"]: int(row["count"]) for row in kinds},
    )


def _outcome_unknown(breakdown: Mapping[str, Any]) -> int:
    return sum(
        int(row["contacts"]) for row in breakdown["failed"] if row["class"] == "outcome_unknown"
    )


def _held(cursor: Any, organizations: Sequence[str]) -> Iterator[int]:
    for organization in organizations:
        after = 0
        while page := cursor.execute(
            "select entry_id from public.unknown_entries(%s, null, %s, 1000)",
            [organization, after],
        ).fetchall():
            yield from (int(row["entry_id"]) for row in page)
            after = int(page[-1]["entry_id"])


def _request(line: Mapping[str, Any]) -> Request:
    parts = (line["reference"] or "").split(":")
    return Request(
        entry_id=int(parts[2]) if len(parts) == 4 else None,
        owner=parts[1] if len(parts) == 4 else "",
        sender=line["phone_number_id"],
        seen=ProviderRequest(
            recipient=line["recipient"],
            attempt=line["attempt"],
            outcome=line["outcome"],
            fault=line["fault"],
            code=line["code"],
            message_id=line["provider_message_id"],
            reply_written=line["reply_written"],
            reports=tuple(
                ProviderReport(
                    status=report["status"],
                    copy=report["copy"],
                    fate=report["fate"],
                    posts=report["posts"],
                    code=report["code"],
                )
                for report in line["reports"]
            ),
        ),
    )
