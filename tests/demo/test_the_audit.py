"""The audit finds what is wrong: real evidence of a finished demo, with one fault planted each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from demo.conftest import FinishedDemo
from sendonce.local.demo.audit import Audit, audit
from sendonce.local.demo.campaign import HeldEntry
from sendonce.local.demo.evidence import AttemptRow, EntryRow, Evidence, ProviderRequest
from sendonce.local.demo.scenario import Kill


def findings_of(result: Audit, key: str) -> str:
    """What one section found, as one text."""
    (section,) = [section for section in result.sections if section.key == key]
    return "\n".join(section.findings)


def a_sent_entry(evidence: Evidence) -> EntryRow:
    """Some entry that was sent, and delivered."""
    return next(
        e for e in evidence.entries if e.status == "sent" and e.delivery_status == "delivered"
    )


def its_request(evidence: Evidence, entry: EntryRow) -> ProviderRequest:
    """The request that the provider accepted for it."""
    return next(
        r for r in evidence.requests if r.recipient == entry.recipient and r.outcome == "accepted"
    )


def its_attempt(evidence: Evidence, entry: EntryRow) -> AttemptRow:
    """The attempt that was accepted."""
    return next(
        a for a in evidence.attempts if a.entry_id == entry.entry_id and a.attempt == entry.attempt
    )


def with_entry(evidence: Evidence, old: EntryRow, *new: EntryRow) -> Evidence:
    """The same, with other rows in the place of one."""
    kept = [entry for entry in evidence.entries if entry is not old]
    return replace(evidence, entries=(*kept, *new))


def with_request(evidence: Evidence, old: ProviderRequest, *new: ProviderRequest) -> Evidence:
    """The same, with other requests in the place of one."""
    kept = [request for request in evidence.requests if request is not old]
    return replace(evidence, requests=(*kept, *new))


def test_nothing_is_found_where_nothing_is_wrong(evidence: Evidence) -> None:
    assert audit(evidence).findings == []


def test_a_contact_accepted_twice(evidence: Evidence) -> None:
    entry = a_sent_entry(evidence)
    request = its_request(evidence, entry)
    again = replace(request, attempt=2, message_id="wamid.again", reports=())
    result = audit(with_request(evidence, request, request, again))
    assert findings_of(result, "contacts").startswith(
        f"1 contacts got the message more than once, first {entry.recipient}"
    )


def test_a_sent_row_without_acceptance(evidence: Evidence) -> None:
    entry = a_sent_entry(evidence)
    result = audit(with_request(evidence, its_request(evidence, entry)))
    assert "the provider never accepted them" in findings_of(result, "contacts")
    assert entry.recipient in findings_of(result, "contacts")
    assert "by the ledger it is" in findings_of(result, "counters")
    assert "by the ledger and the rates" in findings_of(result, "cost")


@pytest.mark.parametrize(
    ("status", "error_class"),
    [("failed", "content"), ("skipped", "suppressed"), ("cancelled", "cancelled")],
)
def test_a_contact_that_got_the_message_and_is_silently_something_else(
    evidence: Evidence, status: str, error_class: str
) -> None:
    entry = a_sent_entry(evidence)
    silent = replace(
        entry, status=status, error_class=error_class, message_id=None, delivery_status=None
    )
    result = audit(with_entry(evidence, entry, silent))
    assert "the database does not say so" in findings_of(result, "contacts")
    assert entry.recipient in findings_of(result, "contacts")


def test_a_visible_doubt_about_a_message_that_went_out_is_no_error_by_itself(
    evidence: Evidence,
) -> None:
    entry = a_sent_entry(evidence)
    doubt = replace(
        entry,
        status="failed",
        error_class="outcome_unknown",
        message_id=None,
        delivery_status=None,
    )
    result = audit(with_entry(evidence, entry, doubt))
    assert findings_of(result, "contacts") == ""
    # But a report about it was taken, and had no effect.
    assert "another delivery status" in findings_of(result, "reports")


@pytest.mark.parametrize("status", ["ready", "processing"])
def test_a_contact_that_was_never_settled(evidence: Evidence, status: str) -> None:
    entry = next(e for e in evidence.entries if e.status == "failed")
    result = audit(with_entry(evidence, entry, replace(entry, status=status)))
    assert "not settled, although the campaign is over" in findings_of(result, "contacts")


def test_a_contact_without_a_row(evidence: Evidence) -> None:
    result = audit(with_entry(evidence, a_sent_entry(evidence)))
    assert "exactly one row" in findings_of(result, "contacts")
    assert "rows are" in findings_of(result, "counters")


def test_a_contact_with_two_rows(evidence: Evidence) -> None:
    entry = a_sent_entry(evidence)
    result = audit(with_entry(evidence, entry, entry, replace(entry, entry_id=10**6)))
    assert "exactly one row" in findings_of(result, "contacts")


def test_a_stranger_who_got_the_message(evidence: Evidence) -> None:
    request = its_request(evidence, a_sent_entry(evidence))
    stranger = replace(request, recipient="+99900000000", message_id="wamid.stranger", reports=())
    result = audit(with_request(evidence, request, request, stranger))
    assert "no contacts of this campaign" in findings_of(result, "contacts")
    assert "+99900000000" in findings_of(result, "contacts")


def test_a_message_id_of_somebody_else(evidence: Evidence) -> None:
    entry = a_sent_entry(evidence)
    result = audit(with_entry(evidence, entry, replace(entry, message_id="wamid.other")))
    assert "message id that the provider did not give out" in findings_of(result, "contacts")


def test_other_contacts_refused_than_chosen(evidence: Evidence) -> None:
    refused = next(r for r in evidence.requests if r.code == evidence.failing_code)
    result = audit(with_request(evidence, refused))
    assert "not exactly the 28 chosen ones" in findings_of(result, "never_sent")


def test_a_chosen_contact_whose_request_never_left_is_no_error_where_it_is_visible(
    evidence: Evidence,
) -> None:
    refused = next(r for r in evidence.requests if r.code == evidence.failing_code)
    entry = next(e for e in evidence.entries if e.recipient == refused.recipient)
    doubt = replace(entry, error_class="outcome_unknown", error_code=None)
    result = audit(with_entry(with_request(evidence, refused), entry, doubt))
    assert result.findings == []


def test_a_contact_that_was_not_to_be_refused(evidence: Evidence) -> None:
    refused = next(r for r in evidence.requests if r.code == evidence.failing_code)
    other = replace(refused, recipient=a_sent_entry(evidence).recipient)
    result = audit(with_request(evidence, refused, refused, other))
    assert "not exactly the 28 chosen ones" in findings_of(result, "never_sent")


def test_a_refusal_that_the_database_does_not_show(evidence: Evidence) -> None:
    entry = next(e for e in evidence.entries if e.error_code == str(evidence.failing_code))
    result = audit(with_entry(evidence, entry, replace(entry, error_code="131026")))
    assert "does not say so" in findings_of(result, "never_sent")


def test_somebody_written_to_after_opting_out(evidence: Evidence) -> None:
    entry = a_sent_entry(evidence)
    result = audit(replace(evidence, opted_out=evidence.opted_out | {entry.recipient}))
    assert "although they had opted out" in findings_of(result, "never_sent")


@pytest.mark.parametrize(
    "counter",
    [
        "total_contacts",
        "total_sent",
        "total_failed",
        "total_skipped",
        "total_cancelled",
        "total_unknown",
        "total_delivered",
        "total_read",
        "total_undelivered",
    ],
)
def test_a_counter_that_no_rows_prove(evidence: Evidence, counter: str) -> None:
    off = {**evidence.counters, counter: evidence.counters[counter] + 1}
    result = audit(replace(evidence, counters=off))
    assert f"{counter.removeprefix('total_')}, its rows are" in findings_of(result, "counters")


def test_a_delivery_that_was_never_reported(evidence: Evidence) -> None:
    """Counters and rows agree with each other, and not with the provider."""
    entry = a_sent_entry(evidence)
    changed = with_entry(evidence, entry, replace(entry, delivery_status="read"))
    counters = {**evidence.counters, "total_read": evidence.counters["total_read"] + 1}
    result = audit(replace(changed, counters=counters))
    assert "read, by the ledger it is" in findings_of(result, "counters")
    assert "another delivery status" in findings_of(result, "reports")


def test_a_campaign_that_is_not_over(evidence: Evidence) -> None:
    result = audit(replace(evidence, counters={**evidence.counters, "status": "running"}))
    assert "the campaign is running" in findings_of(result, "counters")
    result = audit(replace(evidence, counters={**evidence.counters, "progress": 99.99}))
    assert "at 99.99 %" in findings_of(result, "counters")


def test_a_campaign_that_claims_another_cost(evidence: Evidence) -> None:
    claimed = Decimal(str(evidence.counters["actual_cost"])) + Decimal("0.0001")
    result = audit(replace(evidence, counters={**evidence.counters, "actual_cost": claimed}))
    assert "the campaign says it cost" in findings_of(result, "cost")


def test_a_rate_in_another_currency(evidence: Evidence) -> None:
    prices = tuple(replace(price, currency="USD") for price in evidence.prices)
    assert "another currency" in findings_of(audit(replace(evidence, prices=prices)), "cost")


def test_a_message_charged_twice(evidence: Evidence) -> None:
    attempt = its_attempt(evidence, a_sent_entry(evidence))
    claimed = Decimal(str(evidence.counters["actual_cost"])) + attempt.cost
    changed = replace(
        evidence,
        attempts=(*evidence.attempts, replace(attempt, attempt=9)),
        counters={**evidence.counters, "actual_cost": claimed},
    )
    assert "by the ledger and the rates" in findings_of(audit(changed), "cost")


def test_a_report_that_was_taken_and_lost(evidence: Evidence) -> None:
    result = audit(replace(evidence, reports=evidence.reports[1:]))
    assert "reports with 200" in findings_of(result, "reports")


def test_a_report_that_the_database_refused(evidence: Evidence) -> None:
    first, *others = evidence.reports
    changed = replace(evidence, reports=(replace(first, disposition="refused"), *others))
    assert "1 reports were refused" in findings_of(audit(changed), "reports")


def test_a_report_that_is_still_on_its_way(evidence: Evidence) -> None:
    request = its_request(evidence, a_sent_entry(evidence))
    pending = tuple(replace(report, fate="pending", posts=0) for report in request.reports)
    result = audit(with_request(evidence, request, replace(request, reports=pending)))
    assert "neither taken by the webhook nor lost" in findings_of(result, "reports")


def unknown_and_settled(evidence: Evidence, seconds: float) -> tuple[Evidence, EntryRow]:
    """An entry whose outcome was unknown for so long, and then settled by its report."""
    entry = a_sent_entry(evidence)
    assert entry.settled_at is not None
    attempt = its_attempt(evidence, entry)
    before = replace(attempt, recorded_at=entry.settled_at - timedelta(seconds=seconds))
    attempts = (*(a for a in evidence.attempts if a is not attempt), before)
    return replace(evidence, attempts=attempts), entry


def unknown_row(result: Audit, column: str) -> int:
    """The total of one column of the section about unknown outcomes."""
    (section,) = [section for section in result.sections if section.key == "unknown"]
    place = [c.key for c in section.columns].index(column)
    value = section.rows[-1][place]
    assert isinstance(value, int)
    return value


@pytest.mark.parametrize(
    ("seconds", "column"), [(3.0, "by_report"), (30.0, "by_report_after_window")]
)
def test_an_unknown_outcome_counts_by_what_settled_it(
    evidence: Evidence, seconds: float, column: str
) -> None:
    changed, entry = unknown_and_settled(evidence, seconds)
    # Without its reply it can only have been the report.
    request = its_request(evidence, entry)
    changed = with_request(
        changed, request, replace(request, fault="cut_after_acceptance", reply_written=False)
    )
    before, after = audit(evidence), audit(changed)
    assert unknown_row(after, "count") == unknown_row(before, "count") + 1
    assert unknown_row(after, column) == unknown_row(before, column) + 1


def test_an_unknown_outcome_that_no_report_explains_was_settled_by_a_late_result(
    evidence: Evidence,
) -> None:
    changed, entry = unknown_and_settled(evidence, 3.0)
    request = its_request(evidence, entry)
    changed = with_request(changed, request, replace(request, fault=None, reply_written=True))
    changed = replace(
        changed, reports=tuple(r for r in changed.reports if r.entry_id != entry.entry_id)
    )
    assert unknown_row(audit(changed), "by_late_result") == 1


def test_an_unknown_outcome_that_was_left_open(evidence: Evidence) -> None:
    entry = a_sent_entry(evidence)
    attempt = its_attempt(evidence, entry)
    changed = with_entry(evidence, entry, replace(entry, status="unknown", message_id=None))
    attempts = (
        *(a for a in evidence.attempts if a is not attempt),
        replace(attempt, outcome="unknown"),
    )
    result = audit(replace(changed, attempts=attempts))
    assert "1 outcomes are unknown although the campaign is over" in findings_of(result, "unknown")


def test_a_contact_that_was_sent_again_although_its_outcome_was_unknown(
    evidence: Evidence,
) -> None:
    attempt = replace(its_attempt(evidence, a_sent_entry(evidence)), attempt=0, outcome="unknown")
    result = audit(replace(evidence, attempts=(*evidence.attempts, attempt)))
    assert "handed out again although" in findings_of(result, "unknown")


@pytest.mark.parametrize(
    ("attempts_later", "dispatched"),
    # Not handed out again; handed out, and nothing tells what became of it.
    [(0, False), (1, True)],
)
def test_a_contact_that_a_killed_worker_took_with_it(
    evidence: Evidence, attempts_later: int, dispatched: bool
) -> None:
    entry = a_sent_entry(evidence)
    held = HeldEntry(entry.entry_id, entry.attempt + attempts_later, dispatched)
    result = audit(replace(evidence, kills=(Kill(1, 123, 100, (held,)),)))
    assert "kill 1 lost 1 contacts" in findings_of(result, "kills")


@pytest.mark.parametrize(
    ("plant", "found"),
    [
        (
            lambda e: replace(e, violations=("4 counters_equal_rows: total_sent",)),
            "verify_invariants() found 1 violations",
        ),
        (lambda e: replace(e, open_claims=2), "2 claims are open"),
        (
            lambda e: replace(
                e,
                attempts=(replace(e.attempts[0], is_second_acceptance=True), *e.attempts[1:]),
            ),
            "1 second acceptances",
        ),
    ],
)
def test_what_the_database_finds_itself(
    evidence: Evidence, plant: Callable[[Evidence], Evidence], found: str
) -> None:
    assert found in findings_of(audit(plant(evidence)), "database")


def test_rows_changed_behind_the_databases_back(finished_demo: FinishedDemo) -> None:
    """Not in the evidence but in the database itself, with its triggers switched off."""
    connection = finished_demo.campaign.connection
    with connection.transaction(force_rollback=True):
        connection.execute("set local session_replication_role = replica")
        connection.execute(
            "update public.send_queue set delivery_status = null, delivered_at = null,"
            " read_at = null where id = (select min(id) from public.send_queue"
            " where delivery_status = 'read')"
        )
        result = audit(finished_demo.evidence())
    assert "read, its rows are" in findings_of(result, "counters")
    assert "delivered, its rows are" in findings_of(result, "counters")
    assert "another delivery status" in findings_of(result, "reports")
    assert "verify_invariants() found" in findings_of(result, "database")
    assert audit(finished_demo.evidence()).findings == []
