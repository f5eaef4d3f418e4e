"""Compares the provider's ledger with the database: data in, tables and findings out.

The ledger is the truth about what happened to people; the database is what the system says about
it. An outcome that nobody could know is no error as long as the database says so. An error is what
is silent: a message that went out and of which the database shows nothing, one that it shows as
sent and that never was, a number that no rows prove.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from sendonce.local.demo.evidence import (
    AttemptRow,
    EntryRow,
    Evidence,
    LoggedReport,
    ProviderRequest,
)

Value = int | str | Decimal

#: What a status in a report means for the delivery status, in rising order.
_RANKS: Final = {"sent": 0, "failed": 1, "delivered": 2, "read": 3}
_RANK_OF_DELIVERY: Final = {None: 0, "undelivered": 1, "delivered": 2, "read": 3}
#: A report settles its entry in the transaction that logs it; this is how long that may take.
_ONE_TRANSACTION: Final = timedelta(seconds=2)


@dataclass(frozen=True)
class Column:
    """A column of a table: its key in the JSON and its heading for people."""

    key: str
    heading: str
    is_number: bool = True


@dataclass(frozen=True)
class Section:
    """One part of the audit: a question, a table that answers it, and what is wrong."""

    key: str
    question: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]
    findings: tuple[str, ...] = ()
    note: str = ""
    #: Whom the table is about, by the first column of its rows.
    lists: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Audit:
    """The whole of it."""

    sections: tuple[Section, ...]

    @property
    def findings(self) -> list[str]:
        """Everything that is wrong, the most serious first."""
        return [finding for section in self.sections for finding in section.findings]

    def to_json(self) -> dict[str, Any]:
        """The same as plain data; money as texts, so that no digit is lost."""
        return {
            "passed": not self.findings,
            "findings": self.findings,
            "sections": {
                section.key: {
                    "question": section.question,
                    "rows": [
                        {
                            column.key: str(value) if isinstance(value, Decimal) else value
                            for column, value in zip(section.columns, row, strict=True)
                        }
                        for row in section.rows
                    ],
                    "findings": list(section.findings),
                    **({"lists": section.lists} if section.lists else {}),
                }
                for section in self.sections
            },
        }


def audit(evidence: Evidence) -> Audit:
    """Compare everything. Nothing is read or changed here."""
    ledger = _Ledger(evidence)
    return Audit(
        (
            audit_contacts(evidence, ledger),
            audit_never_sent(evidence, ledger),
            audit_counters(evidence, ledger),
            audit_cost(evidence, ledger),
            audit_reports(evidence, ledger),
            audit_unknown(evidence, ledger),
            audit_kills(evidence),
            audit_database(evidence),
        )
    )


class _Ledger:
    """The provider's ledger, looked up by contact."""

    def __init__(self, evidence: Evidence) -> None:
        self.accepted: dict[str, list[ProviderRequest]] = defaultdict(list)
        self.of_attempt: dict[tuple[str | None, int | None], ProviderRequest] = {}
        self.reached: Counter[str | None] = Counter()
        for request in evidence.requests:
            self.reached[request.recipient] += 1
            self.of_attempt.setdefault((request.recipient, request.attempt), request)
            if request.outcome == "accepted":
                self.accepted[request.recipient or ""].append(request)

    def times(self, recipient: str) -> int:
        """How often a message to this contact was accepted."""
        return len(self.accepted.get(recipient, ()))

    def rank(self, recipient: str, told: Callable[[str, int], bool]) -> int | None:
        """The highest delivery rank among the reports that `told` (fate, posts) lets through."""
        ranks = [
            _RANKS[report.status]
            for request in self.accepted.get(recipient, ())
            for report in request.reports
            if told(report.fate, report.posts)
        ]
        return max(ranks, default=None)

    def acknowledged_rank(self, recipient: str) -> int | None:
        """What the webhook said 200 to."""
        return self.rank(recipient, lambda fate, posts: fate == "acknowledged")

    def posted_rank(self, recipient: str) -> int | None:
        """What the webhook may have heard, answered or not."""
        return self.rank(recipient, lambda fate, posts: fate == "acknowledged" or posts > 0)


def _state(entry: EntryRow) -> str:
    """What the database says about a contact, in words."""
    if entry.status == "failed" and entry.error_class == "outcome_unknown":
        return "failed: outcome unknown"
    if entry.status == "failed":
        code = f" with {entry.error_code}" if entry.error_code else ""
        return f"failed: refused{code} ({entry.error_class})"
    if entry.status == "skipped":
        return f"skipped: {'opted out' if entry.error_class == 'suppressed' else entry.error_class}"
    return entry.status


def _admits_doubt(entry: EntryRow) -> bool:
    """Whether the database says that nobody knows."""
    return entry.status == "unknown" or (
        entry.status == "failed" and entry.error_class == "outcome_unknown"
    )


def audit_contacts(evidence: Evidence, ledger: _Ledger | None = None) -> Section:
    """Every contact once: what the database says against what the provider did."""
    ledger = ledger or _Ledger(evidence)
    findings: list[str] = []
    rows: dict[str, Counter[str]] = defaultdict(Counter)

    def count(state: str, recipient: str) -> None:
        rows[state]["contacts"] += 1
        times = ledger.times(recipient)
        rows[state]["twice" if times > 1 else "once" if times else "never"] += 1

    by_recipient: dict[str, list[EntryRow]] = defaultdict(list)
    for entry in evidence.entries:
        by_recipient[entry.recipient].append(entry)

    twice = sorted(who for who, requests in ledger.accepted.items() if len(requests) > 1)
    if twice:
        findings.append(f"{len(twice)} contacts got the message more than once, first {twice[0]}")

    wrong: dict[str, list[str]] = defaultdict(list)
    for recipient in sorted(evidence.contacts | by_recipient.keys() | ledger.accepted.keys()):
        entries = by_recipient.get(recipient, [])
        times = ledger.times(recipient)
        if recipient not in evidence.contacts:
            count("no contact of this campaign", recipient)
            wrong["are no contacts of this campaign, and are in it or got its message"].append(
                recipient
            )
            continue
        if len(entries) != 1:
            count("no row" if not entries else "several rows", recipient)
            wrong["do not have exactly one row in the database"].append(recipient)
            continue
        entry = entries[0]
        count(_state(entry), recipient)
        if entry.status in ("ready", "processing"):
            wrong["are not settled, although the campaign is over"].append(recipient)
        elif entry.status == "sent" and times == 0:
            wrong["are sent in the database, and the provider never accepted them"].append(
                recipient
            )
        elif times > 0 and entry.status != "sent" and not _admits_doubt(entry):
            wrong["got the message, and the database does not say so"].append(recipient)
        elif entry.status == "sent" and entry.message_id not in {
            request.message_id for request in ledger.accepted[recipient]
        }:
            wrong["have a message id that the provider did not give out for them"].append(recipient)
    findings += [f"{len(who)} contacts {what}, first {who[0]}" for what, who in wrong.items()]

    order = sorted(rows, key=lambda state: (state != "sent", -rows[state]["contacts"], state))
    kinds = ("contacts", "once", "twice", "never")
    table: list[tuple[Value, ...]] = [
        (state, *(rows[state][kind] for kind in kinds)) for state in order
    ]
    table.append(("all", *(sum(rows[state][kind] for state in order) for kind in kinds)))
    return Section(
        "contacts",
        "Did everybody get it once, and does the database know?",
        (
            Column("state", "the database says", is_number=False),
            Column("contacts", "contacts"),
            Column("accepted_once", "accepted by\nthe provider: once"),
            Column("accepted_twice", "twice\nor more"),
            Column("accepted_never", "never"),
        ),
        tuple(table),
        tuple(findings),
        note=(
            "Outcome unknown: the sender cannot tell whether the message went out, so the system "
            "shows it as failed and never sends it again by itself. A person may."
        ),
    )


def audit_never_sent(evidence: Evidence, ledger: _Ledger | None = None) -> Section:
    """Who is not shown as sent, and why."""
    ledger = ledger or _Ledger(evidence)
    listed: dict[str, list[str]] = defaultdict(list)
    for entry in evidence.entries:
        if entry.status != "sent":
            listed[_reason(entry, ledger)].append(entry.recipient)

    findings = []
    refused = {
        request.recipient
        for request in evidence.requests
        if request.outcome == "refused" and request.code == evidence.failing_code
    }
    # A worker may have died before it asked for one of them; then the database calls it unknown.
    in_doubt = {entry.recipient for entry in evidence.entries if _admits_doubt(entry)}
    if refused - evidence.failing or evidence.failing - refused - in_doubt:
        findings.append(
            f"the provider refused {len(refused)} contacts with {evidence.failing_code}, "
            f"not exactly the {len(evidence.failing)} chosen ones"
        )
    unheard = [
        entry.recipient
        for entry in evidence.entries
        if entry.recipient in refused
        and not _admits_doubt(entry)
        and (entry.status, entry.error_code) != ("failed", str(evidence.failing_code))
    ]
    if unheard:
        findings.append(
            f"{len(unheard)} contacts were refused with {evidence.failing_code}, and the database "
            f"does not say so, first {unheard[0]}"
        )
    written_to = sorted(who for who in evidence.opted_out if ledger.reached[who])
    if written_to:
        findings.append(
            f"{len(written_to)} contacts were written to although they had opted out, "
            f"first {written_to[0]}"
        )
    order = sorted(listed, key=lambda reason: (-len(listed[reason]), reason))
    return Section(
        "never_sent",
        "Who is not shown as sent, and why?",
        (
            Column("reason", "reason", is_number=False),
            Column("contacts", "contacts"),
        ),
        tuple((reason, len(listed[reason])) for reason in order),
        tuple(findings),
        lists={reason: listed[reason] for reason in order},
    )


def _reason(entry: EntryRow, ledger: _Ledger) -> str:
    if not _admits_doubt(entry):
        return _state(entry)
    request = ledger.of_attempt.get((entry.recipient, entry.attempt))
    if request is None:
        why = "the request never left, the worker died"
    elif request.outcome == "accepted":
        why = "it did go out, and no report said so"
    elif request.outcome == "refused":
        why = "refused, and the worker died before it recorded that"
    else:
        why = "the provider dropped it without a word"
    return f"{_state(entry)} (by the ledger: {why})"


def audit_counters(evidence: Evidence, ledger: _Ledger | None = None) -> Section:
    """The counters on the campaign against the rows, and both against the ledger."""
    ledger = ledger or _Ledger(evidence)
    statuses = Counter(entry.status for entry in evidence.entries)
    delivery = Counter(_RANK_OF_DELIVERY.get(e.delivery_status, 0) for e in evidence.entries)
    rows = {
        "total_contacts": len(evidence.entries),
        "total_sent": statuses["sent"],
        "total_failed": statuses["failed"],
        "total_skipped": statuses["skipped"],
        "total_cancelled": statuses["cancelled"],
        "total_unknown": statuses["unknown"],
        "total_delivered": delivery[2] + delivery[3],
        "total_read": delivery[3],
        "total_undelivered": delivery[1],
    }
    told = Counter(ledger.acknowledged_rank(who) for who in ledger.accepted)
    doubtful = sum(
        ledger.times(entry.recipient) > 0 for entry in evidence.entries if _admits_doubt(entry)
    )
    provider: dict[str, int] = {
        "total_contacts": len(evidence.contacts),
        "total_sent": len(ledger.accepted) - doubtful,
        "total_delivered": told[2] + told[3],
        "total_read": told[3],
        "total_undelivered": told[1],
    }
    # A POST that got no answer may have arrived or not: then the ledger gives no exact number.
    is_exact = all(
        report.fate == "acknowledged" or report.posts == 0
        for request in evidence.requests
        for report in request.reports
    )
    never_in_doubt = ("total_contacts", "total_sent")
    findings = []
    table: list[tuple[Value, ...]] = []
    for name, proven in rows.items():
        claimed = int(evidence.counters[name])
        words = name.removeprefix("total_")
        if claimed != proven:
            findings.append(f"the campaign counts {claimed:,} {words}, its rows are {proven:,}")
        elif proven != provider.get(name, proven) and (is_exact or name in never_in_doubt):
            findings.append(
                f"the database has {proven:,} {words}, by the ledger it is {provider[name]:,}"
            )
        table.append((words, claimed, proven, provider.get(name, "-")))
    settled = sum(statuses[name] for name in ("sent", "failed", "skipped", "cancelled"))
    percent = float(evidence.counters["progress"])
    if evidence.counters["status"] != "completed" or percent != 100:
        findings.append(
            f"the campaign is {evidence.counters['status']} at {percent:g} %, "
            f"with {settled:,} of {len(evidence.entries):,} settled"
        )
    return Section(
        "counters",
        "Is every number on the screen a row in the database?",
        (
            Column("counter", "counter", is_number=False),
            Column("campaign", "the campaign says"),
            Column("rows", "its rows"),
            Column("ledger", "the provider's ledger"),
        ),
        tuple(table),
        tuple(findings),
        note=(
            f"The campaign is {evidence.counters['status']}, progress {percent:g} %. By the "
            f"ledger: sent without the {doubtful:,} that the database calls unknown; delivered, "
            "read and undelivered as far as reports arrived."
        ),
    )


def audit_cost(evidence: Evidence, ledger: _Ledger | None = None) -> Section:
    """What the campaign says it cost, against its attempts, against what the provider may ask."""
    ledger = ledger or _Ledger(evidence)
    findings = []
    by_prefix: dict[str, int] = Counter()
    for recipient, requests in ledger.accepted.items():
        price = _price(evidence, recipient)
        for request in requests:
            ranks = [_RANKS[r.status] for r in request.reports if r.fate == "acknowledged"]
            if max(ranks, default=0) >= _RANKS["delivered"]:
                by_prefix[price] += 1
    rates = {price.prefix: price.rate for price in evidence.prices}
    currency = str(evidence.counters["currency"])
    table: list[tuple[Value, ...]] = []
    owed = Decimal(0)
    for prefix, rate in sorted(rates.items()):
        cost = by_prefix[prefix] * rate
        owed += cost
        table.append((f"numbers from {prefix}", by_prefix[prefix], _money(rate), _money(cost)))
    charged = sum((attempt.cost for attempt in evidence.attempts), Decimal(0))
    claimed = Decimal(str(evidence.counters["actual_cost"]))
    table += [
        ("by the provider's ledger", sum(by_prefix.values()), "", _money(owed)),
        (
            "by the attempts in the database",
            sum(a.cost > 0 for a in evidence.attempts),
            "",
            _money(charged),
        ),
        ("the campaign says", "", "", _money(claimed)),
    ]
    if claimed != charged:
        findings.append(
            f"the campaign says it cost {claimed:.4f} {currency}, its attempts {charged:.4f}"
        )
    if charged != owed:
        findings.append(
            f"the attempts cost {charged:.4f} {currency}, by the ledger and the rates {owed:.4f}"
        )
    if any(price.currency != currency for price in evidence.prices):
        findings.append(f"a rate is in another currency than the campaign's {currency}")
    return Section(
        "cost",
        "What did it cost?",
        (
            Column("what", "what", is_number=False),
            Column("messages", "delivered messages"),
            Column("rate", f"rate ({currency})"),
            Column("cost", f"cost ({currency})"),
        ),
        tuple(table),
        tuple(findings),
        note=(
            "Estimated at the import, as if everybody got it: "
            f"{_money(Decimal(str(evidence.counters['estimated_cost'])))} {currency}. "
            "Charged is what was delivered, each message once, however often it was reported."
        ),
    )


def _price(evidence: Evidence, recipient: str) -> str:
    fitting = [p.prefix for p in evidence.prices if recipient.startswith(p.prefix)]
    return max(fitting, key=len, default="")


def _money(amount: Decimal) -> Decimal:
    """Four digits, as the rates have."""
    return amount.quantize(Decimal("0.0001"))


def audit_reports(evidence: Evidence, ledger: _Ledger | None = None) -> Section:
    """Every report that was answered 200 is in the database, and had its effect once."""
    ledger = ledger or _Ledger(evidence)
    findings = []
    sent = [report for request in evidence.requests for report in request.reports]
    fates = Counter(report.fate for report in sent)
    posted = sum(report.posts for report in sent)
    logged = Counter(report.disposition for report in evidence.reports)
    received = len(evidence.reports)
    repeated = received - len({(r.message_id, r.status) for r in evidence.reports})
    table: list[tuple[Value, ...]] = [
        ("the provider had to tell", sum(report.copy == 0 for report in sent)),
        ("  + told again (copies)", sum(report.copy > 0 for report in sent)),
        ("  - lost on the way", fates["lost"]),
        ("  = answered with 200 by the webhook", fates["acknowledged"]),
        ("rows in the database's report log", received),
        ("  applied", logged["applied"]),
        ("  refused or still waiting", logged["refused"] + logged["waiting"] + logged["ignored"]),
        ("  of them said before (changed nothing)", repeated),
        ("messages whose reports were reordered", evidence.report_faults.get("reordered", 0)),
        ("messages whose reports were late", evidence.report_faults.get("late", 0)),
        (
            "messages reported before the reply to the worker",
            evidence.report_faults.get("early", 0),
        ),
    ]
    unfinished = fates["pending"] + fates["given_up"] + fates["cancelled"]
    if unfinished:
        findings.append(f"{unfinished} reports were neither taken by the webhook nor lost")
    if not fates["acknowledged"] <= received <= max(posted, fates["acknowledged"]):
        findings.append(
            f"the webhook answered {fates['acknowledged']:,} reports with 200, "
            f"the database has {received:,}"
        )
    if logged["refused"] or logged["waiting"]:
        findings.append(
            f"{logged['refused']} reports were refused and {logged['waiting']} found no message"
        )
    differing = []
    for entry in evidence.entries:
        least = ledger.acknowledged_rank(entry.recipient)
        if least is None:
            continue
        most = ledger.posted_rank(entry.recipient) or 0
        actual = _RANK_OF_DELIVERY.get(entry.delivery_status, 0)
        if entry.status != "sent" or not least <= actual <= most:
            differing.append(entry.recipient)
    table.append(("contacts whose delivery status is not the provider's", len(differing)))
    if differing:
        findings.append(
            f"{len(differing)} contacts have another delivery status than was reported, "
            f"first {differing[0]}"
        )
    return Section(
        "reports",
        "Did the reports arrive, and in any order have the same effect?",
        (Column("what", "reports", is_number=False), Column("count", "count")),
        tuple(table),
        tuple(findings),
    )


def audit_unknown(evidence: Evidence, ledger: _Ledger | None = None) -> Section:
    """How each attempt of which nobody knew whether it had gone out was settled."""
    ledger = ledger or _Ledger(evidence)
    entries = {entry.entry_id: entry for entry in evidence.entries}
    first_report: dict[tuple[int | None, int | None], LoggedReport] = {}
    for report in evidence.reports:
        if report.disposition == "applied":
            first_report.setdefault((report.entry_id, report.attempt), report)
    killed = {
        (held.entry_id, held.attempt)
        for kill in evidence.kills
        for held in kill.held
        if held.dispatched
    }

    ways = ("report", "report_after_window", "late_result", "failed", "open")
    table: dict[str, Counter[str]] = defaultdict(Counter)
    for attempt in evidence.attempts:
        entry = entries.get(attempt.entry_id)
        if entry is None or not _was_unknown(attempt, entry):
            continue
        request = ledger.of_attempt.get((entry.recipient, attempt.attempt))
        by = first_report.get((attempt.entry_id, attempt.attempt))
        cause = _cause(request, (attempt.entry_id, attempt.attempt) in killed)
        table[cause][_way(attempt, entry, request, by, evidence.unknown_window)] += 1
    order = sorted(table, key=lambda cause: -sum(table[cause].values()))
    rows: list[tuple[Value, ...]] = [
        (cause, sum(table[cause].values()), *(table[cause][way] for way in ways)) for cause in order
    ]
    totals = {way: sum(table[cause][way] for cause in order) for way in ways}
    rows.append(("all", sum(totals.values()), *totals.values()))
    findings = []
    again = [
        entries[a.entry_id].recipient
        for a in evidence.attempts
        if a.entry_id in entries
        and a.attempt < entries[a.entry_id].attempt
        and a.outcome in ("unknown", "accepted")
    ]
    if again:
        findings.append(
            f"{len(again)} contacts were handed out again although their message may have gone "
            f"out, first {again[0]}"
        )
    if totals["open"]:
        findings.append(f"{totals['open']} outcomes are unknown although the campaign is over")
    return Section(
        "unknown",
        "How was each outcome settled that nobody knew?",
        (
            Column("cause", "why nobody knew", is_number=False),
            Column("count", "outcomes"),
            Column("by_report", "sent, by\nits report"),
            Column("by_report_after_window", "sent, by a\nlate report"),
            Column("by_late_result", "sent, by a\nlate reply"),
            Column("failed", "failed, by\nthe window"),
            Column("open", "open"),
        ),
        tuple(rows),
        tuple(findings),
        note=(
            "A late report comes after the window, a late reply when the worker had lost its lease."
            + ("" if again else " None was sent again: that is for a person to decide.")
        ),
    )


def _was_unknown(attempt: AttemptRow, entry: EntryRow) -> bool:
    """Whether the attempt was ever recorded as unknown.

    An attempt that is known when it is first written down is written after its entry has settled,
    in the same transaction; one that had to wait for evidence was written down before.
    """
    if attempt.outcome == "unknown":
        return True
    return (
        attempt.outcome == "accepted"
        and entry.settled_at is not None
        and attempt.recorded_at < entry.settled_at
    )


def _cause(request: ProviderRequest | None, worker_was_killed: bool) -> str:
    if request is None:
        return "worker killed before the request left"
    if request.outcome == "accepted" and request.fault is not None:
        return "accepted, reply lost or unreadable"
    if worker_was_killed and request.outcome == "accepted":
        return "accepted, worker killed before the reply"
    if request.outcome == "accepted":
        return "accepted, reply came too late"
    if request.outcome == "refused":
        return "refused, worker killed before the reply"
    return "dropped by the provider without a word"


def _way(
    attempt: AttemptRow,
    entry: EntryRow,
    request: ProviderRequest | None,
    by: LoggedReport | None,
    window: float,
) -> str:
    if attempt.outcome == "unknown":
        return "open" if entry.status in ("unknown", "processing") else "failed"
    settled_at = entry.settled_at or attempt.recorded_at
    could_answer = request is not None and request.fault is None and request.reply_written
    if could_answer and (by is None or by.received_at - settled_at > _ONE_TRANSACTION):
        return "late_result"
    after = settled_at - attempt.recorded_at
    return "report_after_window" if after > timedelta(seconds=window) else "report"


def audit_kills(evidence: Evidence) -> Section:
    """What became of the contacts that a killed worker had in hand."""
    outcomes = {(a.entry_id, a.attempt): a for a in evidence.attempts}
    entries = {entry.entry_id: entry for entry in evidence.entries}
    rows: list[tuple[Value, ...]] = []
    findings = []
    for kill in evidence.kills:
        told: Counter[str] = Counter()
        for held in kill.held:
            entry = entries.get(held.entry_id)
            attempt = outcomes.get((held.entry_id, held.attempt))
            if not held.dispatched:
                # It never left; the next worker got it, as a new attempt.
                told["returned"] += 1
                if entry is None or entry.attempt <= held.attempt:
                    told["lost"] += 1
            elif attempt is None:
                told["lost"] += 1
            elif attempt.outcome == "accepted":
                told["sent"] += 1
            else:
                told["doubtful"] += 1
        if told["lost"]:
            findings.append(
                f"kill {kill.number} lost {told['lost']} contacts that the worker had in hand"
            )
        rows.append(
            (
                f"{kill.number}, at {kill.settled:,} settled",
                len(kill.held),
                told["returned"],
                sum(held.dispatched for held in kill.held),
                told["sent"],
                told["doubtful"],
            )
        )
    return Section(
        "kills",
        "What did the kills leave behind?",
        (
            Column("kill", "kill", is_number=False),
            Column("in_hand", "contacts\nin hand"),
            Column("returned", "not off yet: went\nto the next worker"),
            Column("dispatched", "on\ntheir way"),
            Column("sent", "of these sent,\nsay reports"),
            Column("doubtful", "of these failed:\noutcome unknown"),
        ),
        tuple(rows),
        tuple(findings),
        note="" if evidence.kills else "The worker was not killed.",
    )


def audit_database(evidence: Evidence) -> Section:
    """What the database finds by itself."""
    second = sum(attempt.is_second_acceptance for attempt in evidence.attempts)
    findings = []
    if evidence.violations:
        findings.append(
            f"verify_invariants() found {len(evidence.violations)} violations, "
            f"first {evidence.violations[0]}"
        )
    if evidence.open_claims:
        findings.append(f"{evidence.open_claims} claims are open although the campaign is over")
    if second:
        findings.append(f"the database knows of {second} second acceptances")
    listed = ", ".join(f"{kind} {count}" for kind, count in evidence.discrepancies.items())
    return Section(
        "database",
        "What does the database find wrong with itself?",
        (Column("check", "check", is_number=False), Column("found", "found")),
        (
            ("verify_invariants(): violations", len(evidence.violations)),
            ("claims left open", evidence.open_claims),
            ("second acceptances", second),
            ("discrepancies listed", sum(evidence.discrepancies.values())),
        ),
        tuple(findings),
        note=f"Discrepancies: {listed}." if listed else "",
        lists={"violations": evidence.violations} if evidence.violations else {},
    )
