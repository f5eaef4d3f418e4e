"""Compares the provider's ledger with the database, entry by entry: data in, findings out.

The ledger is the truth about what happened to people; the database is what the system says about
it. An outcome that nobody could know is no error as long as the system says so, and lists it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, Literal

from proof.chaos.evidence import Attempt, Entry, Evidence, LoggedReport, Request
from proof.chaos.settings import PRICES, Price
from sendonce.local.demo.evidence import ProviderReport

#: twice: somebody got a message more than once. lost: something that was there left no trace, or
#: is not over. drift: a number that the rows do not prove. invented: the database says what never
#: happened. disobeyed: sent although a person had been told that it would not be. broken: a
#: program or the database did what nothing explains.
Kind = Literal["twice", "lost", "drift", "invented", "disobeyed", "broken"]
KINDS: Final[tuple[Kind, ...]] = ("twice", "lost", "drift", "invented", "disobeyed", "broken")
#: Those of them that the last line names even where there are none.
_ALWAYS_NAMED: Final = ("twice", "lost", "drift")

#: What an outage of the kind `provider_error` answers.
_OUTAGE_CODE: Final = "131016"

_RANKS: Final = {"sent": 0, "failed": 1, "delivered": 2, "read": 3}
_RANK_OF_DELIVERY: Final = {None: 0, "undelivered": 1, "delivered": 2, "read": 3}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong."""

    kind: Kind
    text: str
    entry_id: int | None = None


@dataclass(frozen=True)
class Audit:
    """What was found, and what it was found among."""

    #: Entries: contacts of campaigns, and single messages.
    messages: int
    findings: list[Finding]
    #: What the messages came to, and how the unknown ones were settled.
    numbers: Mapping[str, Any] = field(default_factory=dict)

    def count(self, kind: Kind) -> int:
        """How many findings of a kind."""
        return sum(finding.kind == kind for finding in self.findings)

    @property
    def verdict(self) -> str:
        """The last line of a run."""
        told = [
            f"{self.count(kind)} {kind}"
            for kind in KINDS
            if kind in _ALWAYS_NAMED or self.count(kind)
        ]
        return f"chaos: {self.messages} messages, {', '.join(told)}"


def audit(evidence: Evidence) -> Audit:
    """Compare everything. Nothing is read or changed here."""
    books = _Books(evidence)
    findings = [
        *_twice(evidence, books),
        *_entries(evidence, books),
        *_acceptances(books),
        *_reports(evidence, books),
        *_memories(evidence, books),
        *_copies(evidence, books),
        *_counters(evidence, books),
        *_cost(evidence, books),
        *_obedience(evidence, books),
        *(Finding("broken", told) for told in evidence.programs),
    ]
    return Audit(len(evidence.entries), findings, _numbers(evidence, books))


class _Books:
    """Both sides, looked up by entry."""

    def __init__(self, evidence: Evidence) -> None:
        self.entries: dict[int, Entry] = {entry.entry_id: entry for entry in evidence.entries}
        self.requests: dict[int | None, list[Request]] = defaultdict(list)
        self.accepted: dict[int | None, list[Request]] = defaultdict(list)
        for request in evidence.requests:
            entry_id = request.entry_id if self._is_ours(request) else None
            self.requests[entry_id].append(request)
            if request.seen.outcome == "accepted":
                self.accepted[entry_id].append(request)
        self.attempts: dict[int, list[Attempt]] = defaultdict(list)
        for attempt in evidence.attempts:
            self.attempts[attempt.entry_id].append(attempt)
        self.logged: dict[str, list[LoggedReport]] = defaultdict(list)
        for report in evidence.reports:
            self.logged[report.message_id].append(report)

    def _is_ours(self, request: Request) -> bool:
        entry = self.entries.get(request.entry_id or 0)
        return (
            entry is not None
            and request.seen.recipient == entry.recipient
            and request.sender == entry.sender
            and request.owner == (entry.campaign_id or entry.account_id)
        )

    def was_told(self, request: Request) -> list[ProviderReport]:
        """The reports that the provider got its 200 for."""
        return [report for report in request.seen.reports if report.fate == "acknowledged"]

    def may_have_been_told(self, request: Request) -> list[ProviderReport]:
        """The reports that were POSTed, answered or not."""
        return [
            report
            for report in request.seen.reports
            if report.fate == "acknowledged" or report.posts > 0
        ]

    def is_known_by_report(self, request: Request) -> bool:
        """Whether a report of this message found its entry, or had to: it named it.

        What names neither our reference nor a message id that we know waits in the log.
        """
        return any(
            report.reference is not None or report.disposition == "applied"
            for report in self.logged.get(request.seen.message_id or "", ())
        )

    def admits_doubt(self, entry: Entry) -> bool:
        """Whether the database says that nobody knows."""
        return entry.status == "unknown" or (
            entry.status == "failed" and entry.error_class == "outcome_unknown"
        )


def _where(entry: Entry) -> str:
    reason = f" ({entry.error_class})" if entry.error_class else ""
    return f"entry {entry.entry_id} to {entry.recipient}, {entry.status}{reason}"


def _twice(evidence: Evidence, books: _Books) -> Iterator[Finding]:
    """No entry is accepted more than once, whoever decided what: no person sends twice here."""
    for entry in evidence.entries:
        times = len(books.accepted[entry.entry_id])
        if times > 1:
            attempts = [request.seen.attempt for request in books.accepted[entry.entry_id]]
            yield Finding(
                "twice",
                f"{_where(entry)}: accepted {times} times, in the attempts {attempts}",
                entry.entry_id,
            )
    for entry in evidence.entries:
        second = [a for a in books.attempts[entry.entry_id] if a.is_second_acceptance]
        if second and len(books.accepted[entry.entry_id]) < 2:
            yield Finding(
                "invented",
                f"{_where(entry)}: a second acceptance that the provider knows nothing of",
                entry.entry_id,
            )


def _entries(evidence: Evidence, books: _Books) -> Iterator[Finding]:
    """Each entry is final, or held and listed; what it says of itself is what happened."""
    failed_listed: Counter[str] = Counter()
    for entry in evidence.entries:
        number = entry.entry_id
        accepted = books.accepted[number]
        if entry.status in ("ready", "processing"):
            yield Finding("lost", f"{_where(entry)}: not settled although all is at rest", number)
        elif books.admits_doubt(entry):
            # Also "not sent" where the worker could say so only after it had been given up.
            if not any(
                attempt.outcome in ("unknown", "not_sent", "accepted")
                for attempt in books.attempts[number]
            ):
                yield Finding("lost", f"{_where(entry)}: no attempt explains the doubt", number)
            if entry.status == "unknown" and (
                entry.on_unknown == "fail" or number not in evidence.listed_unknown
            ):
                yield Finding("lost", f"{_where(entry)}: neither final nor listed", number)
            if entry.status == "failed" and entry.campaign_id is not None:
                failed_listed[entry.campaign_id] += 1
        elif entry.status == "sent" and not accepted:
            yield Finding("invented", f"{_where(entry)}: the provider never accepted it", number)
        elif entry.status == "sent" and entry.message_id not in {
            request.seen.message_id for request in accepted
        }:
            yield Finding(
                "invented", f"{_where(entry)}: {entry.message_id} was given to another", number
            )
        elif entry.status == "failed" and not _explains_failure(entry, books):
            yield Finding(
                "invented", f"{_where(entry)}: nothing at the provider explains it", number
            )
    for campaign_id, count in failed_listed.items():
        listed = evidence.listed_failed.get(campaign_id, 0)
        if listed != count:
            yield Finding(
                "drift",
                f"campaign {campaign_id}: {count} ended as unknown, {listed} are listed so",
            )
    if evidence.open_claims:
        yield Finding("lost", f"{evidence.open_claims} claims are open although all is at rest")


def _explains_failure(entry: Entry, books: _Books) -> bool:
    if entry.error_class == "claim_lost":
        return True
    # In an outage nobody at the provider reads whose request it is that gets this answer.
    if entry.error_code == _OUTAGE_CODE and any(
        request.seen.fault == "outage" and request.sender == entry.sender
        for request in books.requests[None]
    ):
        return True
    # An answer without a code of the provider's is known by its HTTP status.
    return any(
        request.seen.outcome != "accepted" and str(request.seen.code) == entry.error_code
        for request in books.requests[entry.entry_id]
    )


def _acceptances(books: _Books) -> Iterator[Finding]:
    """Everything that went out is an entry that says so, or that says that nobody knows."""
    for request in books.accepted[None]:
        yield Finding(
            "lost",
            f"{request.seen.message_id} to {request.seen.recipient} was accepted, and no entry is"
            f" its own (entry {request.entry_id} of {request.owner})",
        )
    for number, requests in books.accepted.items():
        entry = books.entries.get(number or 0)
        # Whoever asked for an entry's acceptances has left an empty list where there were none.
        if entry is None or entry.status == "sent" or not requests:
            continue
        if not books.admits_doubt(entry):
            yield Finding("lost", f"{_where(entry)}: it was accepted", number)
        elif any(books.is_known_by_report(request) for request in requests):
            yield Finding("lost", f"{_where(entry)}: it was accepted and reported", number)


def _reports(evidence: Evidence, books: _Books) -> Iterator[Finding]:
    """Each report that got its 200 is in the log, and all of them had their effect, once."""
    for number, requests in books.accepted.items():
        for request in requests:
            told = Counter(report.status for report in books.was_told(request))
            logged = Counter(
                report.status for report in books.logged.get(request.seen.message_id or "", ())
            )
            for status, count in told.items():
                if logged[status] < count:
                    yield Finding(
                        "lost",
                        f"{request.seen.message_id} (entry {number}): {count} reports of {status}"
                        f" got their 200, {logged[status]} are in the log",
                        number,
                    )
            posts: Counter[str] = Counter()
            for report in request.seen.reports:
                posts[report.status] += report.posts
            for status, count in logged.items():
                if count > posts[status]:
                    yield Finding(
                        "invented",
                        f"{request.seen.message_id} (entry {number}): {count} reports of {status}"
                        f" in the log, {posts[status]} were sent",
                        number,
                    )
    for entry in evidence.entries:
        if entry.status != "sent":
            continue
        accepted = books.accepted[entry.entry_id]
        least = max((_rank(books.was_told(request)) for request in accepted), default=0)
        most = max((_rank(books.may_have_been_told(request)) for request in accepted), default=0)
        actual = _RANK_OF_DELIVERY[entry.delivery_status]
        if actual < least:
            yield Finding(
                "lost",
                f"{_where(entry)}: {entry.delivery_status} although more was reported",
                entry.entry_id,
            )
        elif actual > most:
            yield Finding(
                "invented",
                f"{_where(entry)}: {entry.delivery_status} although less was reported",
                entry.entry_id,
            )
    refused = Counter(
        report.disposition for report in evidence.reports if report.disposition == "refused"
    )
    if refused:
        yield Finding("lost", f"{refused['refused']} true reports were refused")


def _rank(reports: list[ProviderReport]) -> int:
    return max((_RANKS[report.status] for report in reports), default=0)


def _memories(evidence: Evidence, books: _Books) -> Iterator[Finding]:
    """What people were told was taken is there."""
    there: dict[str | None, set[str]] = defaultdict(set)
    for entry in evidence.entries:
        there[entry.campaign_id].add(entry.recipient)
    for memory in evidence.memories:
        for campaign_id, recipients in memory.imported.items():
            for recipient in sorted(recipients - there[campaign_id]):
                yield Finding(
                    "lost", f"{recipient} was added to campaign {campaign_id} and is not there"
                )
        for key, number in memory.singles.items():
            if number not in books.entries:
                yield Finding("lost", f"single message {key!r}: entry {number} is not there")
        yield from (Finding("drift", told) for told in memory.violations)
        yield from (Finding("broken", told) for told in memory.surprises)


def _copies(evidence: Evidence, books: _Books) -> Iterator[Finding]:
    """The unsent of a campaign are people who did not get its message."""
    got: dict[str | None, set[str]] = defaultdict(set)
    for entry in evidence.entries:
        if books.accepted[entry.entry_id]:
            got[entry.campaign_id].add(entry.recipient)
    for campaign in evidence.campaigns:
        if campaign.copied == "unsent":
            for recipient in sorted(got[campaign.cloned_from] & got[campaign.campaign_id]):
                yield Finding(
                    "twice",
                    f"{recipient} got the message of campaign {campaign.cloned_from}, and as one"
                    f" of its unsent that of campaign {campaign.campaign_id}",
                )


def _counters(evidence: Evidence, books: _Books) -> Iterator[Finding]:
    """Each number is the number of the rows, by the database's own word and by ours."""
    yield from (Finding("drift", told) for told in evidence.violations)
    yield from (Finding("drift", told) for told in evidence.differing)
    contacts = Counter(entry.campaign_id for entry in evidence.entries)
    cost: dict[str | None, Decimal] = defaultdict(Decimal)
    for attempts in books.attempts.values():
        for attempt in attempts:
            cost[books.entries[attempt.entry_id].campaign_id] += attempt.cost
    for campaign in evidence.campaigns:
        if campaign.total_contacts != contacts[campaign.campaign_id]:
            yield Finding(
                "drift",
                f"campaign {campaign.campaign_id} counts {campaign.total_contacts} contacts, it"
                f" has {contacts[campaign.campaign_id]}",
            )
        if campaign.actual_cost != cost[campaign.campaign_id]:
            yield Finding(
                "drift",
                f"campaign {campaign.campaign_id} says it cost {campaign.actual_cost}, its"
                f" attempts cost {cost[campaign.campaign_id]}",
            )


def _cost(evidence: Evidence, books: _Books) -> Iterator[Finding]:
    """An attempt costs what the provider may ask for it, as far as anybody was told."""
    for number, requests in books.accepted.items():
        charged = {attempt.attempt: attempt for attempt in books.attempts.get(number or 0, ())}
        for request in requests:
            attempt = charged.get(request.seen.attempt or 0)
            price = _price(request.seen.recipient or "")
            if attempt is None or price is None or attempt.outcome != "accepted":
                continue
            owed = {price.rate}
            if price.charge_on == "delivered":
                delivered = _RANKS["delivered"]
                owed = {
                    price.rate if _rank(reports) >= delivered else Decimal(0)
                    for reports in (books.was_told(request), books.may_have_been_told(request))
                }
            if attempt.cost not in owed:
                yield Finding(
                    "drift",
                    f"entry {number}, attempt {attempt.attempt} cost {attempt.cost}, owed is"
                    f" {' or '.join(str(amount) for amount in owed)}",
                    number,
                )
    for attempt in evidence.attempts:
        if attempt.outcome != "accepted" and attempt.cost:
            yield Finding(
                "drift", f"entry {attempt.entry_id}: an attempt that failed cost {attempt.cost}"
            )


def _price(recipient: str) -> Price | None:
    return next((price for price in PRICES if recipient.startswith(price.prefix)), None)


def _obedience(evidence: Evidence, books: _Books) -> Iterator[Finding]:
    """What a person had been told is paused, cancelled or suppressed was not handed out."""
    orders = defaultdict(list)
    for order in evidence.orders:
        orders[order.subject].append(order)
    for attempt in evidence.attempts:
        entry = books.entries.get(attempt.entry_id)
        if entry is None:
            continue
        subjects = (
            entry.campaign_id or "",
            entry.account_id,
            f"{entry.organization_id} {entry.recipient}",
        )
        for order in (order for subject in subjects for order in orders.get(subject, ())):
            if order.begins < attempt.claimed_at < order.ends:
                yield Finding(
                    "disobeyed",
                    f"{_where(entry)}: handed out {attempt.claimed_at - order.begins:.3f} s after"
                    f" a person had been told that it was {order.kind}",
                    entry.entry_id,
                )


def _numbers(evidence: Evidence, books: _Books) -> dict[str, Any]:
    """What the messages came to."""
    states = Counter(
        entry.status if entry.status != "failed" else f"failed: {entry.error_class}"
        for entry in evidence.entries
    )
    told: Counter[str] = Counter()
    for attempt in evidence.attempts:
        entry = books.entries.get(attempt.entry_id)
        if entry is None or not attempt.was_unknown:
            continue
        requests = [r for r in books.requests[entry.entry_id] if r.seen.attempt == attempt.attempt]
        went_out = any(request.seen.outcome == "accepted" for request in requests)
        arrived = "it went out" if went_out else "it did not go out"
        how = "settled as sent by evidence"
        if attempt.outcome == "unknown":
            how = f"never told, the entry is {entry.status}"
        told[f"{how}, {arrived if requests else 'no request arrived'}"] += 1
    fates = Counter(report.fate for request in evidence.requests for report in request.seen.reports)
    return {
        "entries": dict(states.most_common()),
        "campaigns": dict(Counter(campaign.status for campaign in evidence.campaigns)),
        "requests": dict(Counter(request.seen.outcome for request in evidence.requests)),
        "faults_of_replies": dict(
            Counter(r.seen.fault for r in evidence.requests if r.seen.fault).most_common()
        ),
        "attempts": dict(Counter(attempt.outcome for attempt in evidence.attempts)),
        "attempts_once_unknown": dict(told.most_common()),
        "reports": dict(fates),
        "reports_in_the_log": dict(Counter(report.disposition for report in evidence.reports)),
        "discrepancies": dict(evidence.discrepancies),
    }
