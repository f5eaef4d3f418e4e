"""What the provider's ledger and the database say when all is over, as plain data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from psycopg.rows import class_row, dict_row

from sendonce.local.demo.campaign import Campaign
from sendonce.local.demo.contacts import Contacts
from sendonce.local.demo.scenario import Kill
from sendonce.simulator.client import SimulatorControl
from sendonce.simulator.faults import Draws


@dataclass(frozen=True)
class ProviderReport:
    """One status that the provider planned to report, and what became of it."""

    status: str
    #: 0 for the first, rising for repetitions.
    copy: int
    #: acknowledged (the webhook answered 200), lost, pending, cancelled or given_up.
    fate: str
    #: How often it was POSTed.
    posts: int
    code: int | None = None


@dataclass(frozen=True)
class ProviderRequest:
    """One request that reached the provider."""

    recipient: str | None
    attempt: int | None
    #: accepted (the message goes out), refused (an answer said no) or not_accepted.
    outcome: str
    fault: str | None = None
    code: int | None = None
    message_id: str | None = None
    #: Whether all of the answer left the provider.
    reply_written: bool = True
    reports: tuple[ProviderReport, ...] = ()


@dataclass(frozen=True)
class EntryRow:
    """A row of send_queue."""

    entry_id: int
    recipient: str
    status: str
    attempt: int
    message_id: str | None
    delivery_status: str | None
    error_class: str | None
    error_code: str | None
    settled_at: datetime | None


@dataclass(frozen=True)
class AttemptRow:
    """A row of messages."""

    entry_id: int
    attempt: int
    outcome: str
    is_second_acceptance: bool
    #: When anything was first written about it.
    recorded_at: datetime
    cost: Decimal


@dataclass(frozen=True)
class LoggedReport:
    """A row of the report log."""

    entry_id: int | None
    attempt: int | None
    message_id: str | None
    status: str | None
    disposition: str
    received_at: datetime


@dataclass(frozen=True)
class Price:
    """A row of rates: what a delivered message costs by the beginning of its number."""

    prefix: str
    rate: Decimal
    currency: str


@dataclass(frozen=True)
class Evidence:
    """Everything that the audit compares."""

    #: E.164 numbers that were imported.
    contacts: frozenset[str]
    #: Those of them that the provider was to refuse, and with which code.
    failing: frozenset[str]
    failing_code: int
    opted_out: frozenset[str]
    requests: tuple[ProviderRequest, ...]
    entries: tuple[EntryRow, ...]
    attempts: tuple[AttemptRow, ...]
    reports: tuple[LoggedReport, ...]
    prices: tuple[Price, ...]
    #: What campaign_progress says.
    counters: Mapping[str, Any]
    open_claims: int
    #: What verify_invariants() found.
    violations: tuple[str, ...]
    #: Rows of discrepancies by kind.
    discrepancies: Mapping[str, int] = field(default_factory=dict)
    kills: tuple[Kill, ...] = ()
    #: Messages whose reports met a fault, by the fault's name: the ledger shows copies and losses,
    #: not which order was meant, so the provider's own dice are asked.
    report_faults: Mapping[str, int] = field(default_factory=dict)
    #: Seconds that an unknown outcome waits for its report.
    unknown_window: float = 10.0


def read_evidence(
    campaign: Campaign,
    control: SimulatorControl,
    contacts: Contacts,
    failing_code: int,
    kills: Iterable[Kill],
    *,
    seed: int,
    faults: Mapping[str, Any],
    unknown_window: float,
) -> Evidence:
    """Ask both sides. The campaign is over and every report was taken or is lost for good."""
    requests = tuple(_read_request(line) for line in control.ledger())
    database = campaign.connection
    with database.cursor(row_factory=class_row(EntryRow)) as cursor:
        entries = cursor.execute(
            "select id as entry_id, recipient, status::text, attempt,"
            " provider_message_id as message_id, delivery_status::text, error_class, error_code,"
            " settled_at from public.send_queue where campaign_id = %s order by id",
            [campaign.campaign_id],
        ).fetchall()
    with database.cursor(row_factory=class_row(AttemptRow)) as cursor:
        attempts = cursor.execute(
            "select entry_id, attempt, outcome::text, is_second_acceptance, recorded_at, cost"
            " from public.messages where campaign_id = %s order by entry_id, attempt",
            [campaign.campaign_id],
        ).fetchall()
    with database.cursor(row_factory=class_row(LoggedReport)) as cursor:
        reports = cursor.execute(
            "select entry_id, attempt, provider_message_id as message_id, status, disposition,"
            " received_at from sendonce.report_log order by id"
        ).fetchall()
    with database.cursor(row_factory=class_row(Price)) as cursor:
        prices = cursor.execute(
            "select prefix, rate, currency from public.rates where charge_on = 'delivered'"
            " order by prefix"
        ).fetchall()
    with database.cursor(row_factory=dict_row) as cursor:
        violations = cursor.execute("select * from public.verify_invariants()").fetchall()
        kinds = cursor.execute(
            "select kind, count(*) from public.discrepancies group by kind order by kind"
        ).fetchall()
    return Evidence(
        contacts=frozenset(contact.recipient for contact in contacts.everybody),
        failing=contacts.failing,
        failing_code=failing_code,
        opted_out=contacts.opted_out,
        requests=requests,
        entries=tuple(entries),
        attempts=tuple(attempts),
        reports=tuple(reports),
        prices=tuple(prices),
        counters=campaign.progress().counters,
        open_claims=campaign.open_claims(),
        violations=tuple(
            f"{row['invariant']} {row['name']}: {row['detail']}" for row in violations
        ),
        discrepancies={row["kind"]: int(row["count"]) for row in kinds},
        kills=tuple(kills),
        report_faults=_report_faults(requests, seed, faults),
        unknown_window=unknown_window,
    )


def _read_request(line: Mapping[str, Any]) -> ProviderRequest:
    return ProviderRequest(
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
    )


def _report_faults(
    requests: Iterable[ProviderRequest], seed: int, faults: Mapping[str, Any]
) -> dict[str, int]:
    met: Counter[str] = Counter()
    for request in requests:
        if request.outcome == "accepted":
            draws = Draws(seed, f"{request.recipient}:{request.attempt}")
            for name in ("early", "reordered", "late"):
                met[name] += draws.hits(name, float(faults[f"report_{name}"]))
    return dict(met)
