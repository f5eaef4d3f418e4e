"""Which reports an accepted message gets, and when."""

from __future__ import annotations

from sendonce.simulator.faults import Draws, Faults
from sendonce.simulator.ledger import Entry, Report

HELD_AND_DROPPED = 132015


def plan_reports(
    entry: Entry,
    faults: Faults,
    draws: Draws,
    *,
    failed_code: int | None,
    reply_at: float,
    monotonic_to_wall: float,
) -> list[Report]:
    """The reports of a message, lost ones included, in order of their due times.

    ``failed_code`` is what a recipient rule says (else the rates decide), ``reply_at`` the
    monotonic time at which the reply leaves: reports count their delays from it, so only the
    fault ``report_early`` brings one before it.
    """
    entry.hidden = draws.hits("recipient_hidden", faults.recipient_hidden)
    entry.milliseconds = draws.hits("timestamp_milliseconds", faults.timestamp_milliseconds)
    entry.reference_missing = draws.hits("reference_missing", faults.reference_missing)
    if failed_code is None:
        failed_code = faults.report_error(draws["report_error"])

    held = entry.message_status == "held_for_quality_assessment"
    if held and draws.hits("held_dropped", faults.held_dropped):
        failed_code = HELD_AND_DROPPED

    chain = _statuses(faults, draws, failed_code)
    moment = reply_at + (faults.held_seconds if held else 0.0)
    reports: list[Report] = []
    for index, (status, delay_name, delay) in enumerate(chain):
        moment += draws.around(delay_name, delay, delay * faults.delay_jitter)
        report = Report(
            entry,
            status,
            timestamp=moment + monotonic_to_wall,
            due=moment,
            code=failed_code if status == "failed" else None,
        )
        if draws.hits(f"lost_{index}", faults.report_lost):
            report.fate = "lost"
        reports.append(report)

    if draws.hits("reordered", faults.report_reordered):
        for report, due in zip(reports, [r.due for r in reversed(reports)], strict=True):
            report.due = due
        # Where the times are equal the list's order decides.
        reports.reverse()
    if draws.hits("late", faults.report_late):
        for report in reports:
            report.due += faults.report_late_seconds
    if draws.hits("duplicated", faults.report_duplicated):
        reports += [
            Report(
                entry,
                report.status,
                timestamp=report.timestamp,
                due=report.due,
                code=report.code,
                copy=copy,
            )
            for report in reports
            if report.fate != "lost"
            for copy in range(1, faults.report_copies)
        ]
    reports.sort(key=lambda report: report.due)
    return reports


def _statuses(
    faults: Faults, draws: Draws, failed_code: int | None
) -> list[tuple[str, str, float]]:
    """The statuses in order, each with the name and length of the delay before it."""
    sent = ("sent", "sent_delay", faults.sent_delay)
    delivered = ("delivered", "delivered_delay", faults.delivered_delay)
    read = ("read", "read_delay", faults.read_delay)
    if failed_code is not None:
        failed = ("failed", "sent_delay", faults.sent_delay)
        # A person with several devices: one could not take it, another could.
        if draws.hits("delivered_after_failed", faults.delivered_after_failed):
            return [failed, delivered]
        return [failed]
    if draws.hits("read_without_delivered", faults.read_without_delivered):
        return [sent, read]
    if not draws.hits("delivered", faults.delivered_rate):
        return [sent]
    if not draws.hits("read", faults.read_rate):
        return [sent, delivered]
    return [sent, delivered, read]
