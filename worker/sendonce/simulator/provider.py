"""The simulated provider: takes a send request, decides, accepts or not, and plans its reports.

Everything here is decided at once and without waiting; how the answer leaves (late, cut, never)
is the server's part.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from sendonce.simulator.faults import ACCEPTING_FAULTS, Draws, Faults, RecipientRule
from sendonce.simulator.identifiers import MessageIds, Reference, parse_reference
from sendonce.simulator.ledger import Entry, Ledger, Report
from sendonce.simulator.profiles import make_faults, profile_values
from sendonce.simulator.provider_errors import error_body, lookup
from sendonce.simulator.report_plan import plan_reports
from sendonce.simulator.reporter import Reporter
from sendonce.simulator.settings import SimulatorSettings
from sendonce.simulator.throttle import Throttle
from sendonce.simulator.validation import Message, ReadMark, Refused, read_body


@dataclass(frozen=True, slots=True)
class Answer:
    """What to do with a request: reply this, after so long, in that way.

    ``fault`` None replies ``body`` with ``http_status``; else it names the way in which the reply
    goes wrong. ``early`` is a report to be sent and answered first.
    """

    entry: Entry | None
    http_status: int
    body: dict[str, Any]
    latency: float = 0.0
    fault: str | None = None
    early: Report | None = None


class Provider:
    """The state of the provider, without its network."""

    def __init__(
        self, settings: SimulatorSettings, faults: Faults, profile: str, ledger: Ledger
    ) -> None:
        self.settings = settings
        self.faults = faults
        self.profile = profile
        self.ledger = ledger
        self.reporter = Reporter(settings, ledger, self._category)
        # Requests whose answer has not left yet, those that stay silent included.
        self.open_requests = 0
        self._start_faults = faults
        self._message_ids = MessageIds()
        self._throttle = Throttle()
        self._requests_per_key: Counter[str] = Counter()
        self._requests_per_recipient: Counter[tuple[RecipientRule, str]] = Counter()
        self._chosen_first: dict[RecipientRule, set[str]] = {}
        self._next_faults: list[str] = []
        self._categories = {t.name: t.category for t in settings.template}
        self._monotonic_to_wall = time.time() - time.monotonic()
        self.reporter.hold(faults.reports_held)

    # Requests

    def authenticate(self, header: str | None) -> dict[str, Any] | None:
        """The error body for a wrong ``Authorization`` header, None for a good one."""
        kind, _, token = (header or "").partition(" ")
        wanted = self.settings.token
        if kind.lower() == "bearer" and token.strip():
            if wanted is None or token.strip() == wanted.get_secret_value():
                return None
            message = "Error validating access token: The session is invalid."
        else:
            message = "Invalid OAuth access token - Cannot parse access token"
        return error_body(190, message=message, with_details=False)

    def knows_number(self, phone_number_id: str) -> bool:
        """Whether that phone number id exists here."""
        numbers = self.settings.phone_number_id
        return phone_number_id in numbers if numbers else phone_number_id.isdecimal()

    def note_refused(self, phone_number_id: str, status: int, code: int) -> Entry:
        """Record a request that was refused before its body was looked at."""
        entry = self.ledger.open_entry(phone_number_id)
        entry.outcome, entry.http_status, entry.code = "refused", status, code
        self.ledger.write_request(entry)
        return entry

    def note_swallowed(self, phone_number_id: str, fault: str, status: int | None) -> Entry:
        """Record a request that an outage or a cut swallowed whole."""
        entry = self.ledger.open_entry(phone_number_id)
        entry.fault, entry.http_status = fault, status
        self.ledger.write_request(entry)
        return entry

    def send(self, phone_number_id: str, raw: bytes) -> Answer:
        """Decide about a send request of a known number with a good token."""
        try:
            message = read_body(raw, self.settings)
        except Refused as refusal:
            entry = self.ledger.open_entry(phone_number_id)
            return self._refuse(
                entry, refusal.code, details=refusal.details, message=refusal.message
            )
        if isinstance(message, ReadMark):
            return Answer(None, 200, {"success": True})

        entry = self.ledger.open_entry(phone_number_id)
        reference = parse_reference(message.reference)
        _describe(entry, message, reference)
        faults = self.faults
        draws = Draws(self.settings.seed, self._decision_key(message, reference))
        latency = draws.around("latency", faults.latency_mean, faults.latency_jitter)

        now = time.monotonic()
        if faults.throttle_rate and not self._throttle.number_allows(
            phone_number_id, faults.throttle_rate, now
        ):
            entry.fault = "throttled"
            return self._refuse(entry, 130429, status=faults.throttle_status)
        if faults.pair_interval and not self._throttle.pair_allows(
            phone_number_id,
            message.recipient.number,
            faults.pair_interval,
            faults.pair_burst,
            now,
        ):
            entry.fault = "throttled"
            return self._refuse(entry, 131056)

        fault, code = self._choose_fault(message.recipient.number, draws)
        entry.fault = fault
        if code is not None:
            return self._refuse(entry, code, latency=latency)
        if fault is None or fault in ACCEPTING_FAULTS:
            return self._accept(entry, message, draws, latency, fault)
        return self._swallow(entry, fault, latency)

    def _decision_key(self, message: Message, reference: Reference | None) -> str:
        """What is hashed with the seed: the same for the same message in every run.

        Campaign ids differ from run to run, so by default it is the recipient and the attempt;
        without an attempt, how many requests came for that recipient before.
        """
        if self.settings.decide_by == "reference" and message.reference is not None:
            return message.reference
        number = message.recipient.number
        if reference is not None:
            return f"{number}:{reference.attempt}"
        self._requests_per_key[number] += 1
        return f"{number}:{self._requests_per_key[number]}"

    def _choose_fault(self, number: str, draws: Draws) -> tuple[str | None, int | None]:
        """The fault of a reply, and the error code when it is one of the provider's errors."""
        if self._next_faults:
            chosen = self._next_faults.pop(0)
            return ("error", int(chosen)) if chosen.isdecimal() else (chosen, None)
        rule = self._rule_for(number, self.faults.fail_recipients)
        if rule is not None:
            return ("error", rule.code) if rule.code is not None else (rule.outcome, None)
        drawn = self.faults.reply_fault(draws["reply_fault"])
        return drawn if drawn is not None else (None, None)

    def _rule_for(self, number: str, rules: tuple[RecipientRule, ...]) -> RecipientRule | None:
        for rule in rules:
            if rule.first is not None:
                chosen = self._chosen_first.setdefault(rule, set())
                if number not in chosen:
                    if len(chosen) >= rule.first:
                        continue
                    chosen.add(number)
            elif not rule.names(number):
                continue
            if rule.attempts is not None:
                self._requests_per_recipient[(rule, number)] += 1
                if self._requests_per_recipient[(rule, number)] > rule.attempts:
                    continue
            return rule
        return None

    def _refuse(
        self,
        entry: Entry,
        code: int,
        *,
        status: int | None = None,
        details: str | None = None,
        message: str | None = None,
        latency: float = 0.0,
    ) -> Answer:
        entry.outcome, entry.code = "refused", code
        entry.http_status = status if status is not None else lookup(code).http_status
        self.ledger.write_request(entry)
        # Errors whose words start differently are those of the Graph API, without details.
        body = error_body(code, details, message=message, with_details=message is None)
        return Answer(entry, entry.http_status, body, latency)

    def _swallow(self, entry: Entry, fault: str, latency: float) -> Answer:
        status, body = _faulty_reply(fault)
        entry.http_status = status
        entry.code = body["error"]["code"] if body else None
        self.ledger.write_request(entry)
        return Answer(entry, status or 0, body, latency, fault)

    def _accept(
        self, entry: Entry, message: Message, draws: Draws, latency: float, fault: str | None
    ) -> Answer:
        faults = self.faults
        wamid = self._message_ids.next(message.recipient.wa_id)
        held = draws.hits("held", faults.held_for_quality)
        entry.message_status = "held_for_quality_assessment" if held else "accepted"
        self.ledger.accepted(entry, wamid)
        if self.settings.keep_bodies:
            entry.body = message.body

        early: Report | None = None
        if self.reporter.enabled:
            rule = self._rule_for(message.recipient.number, faults.fail_reports)
            entry.reports = plan_reports(
                entry,
                faults,
                draws,
                failed_code=rule.code if rule is not None else None,
                reply_at=time.monotonic() + latency,
                monotonic_to_wall=self._monotonic_to_wall,
            )
            if draws.hits("early", faults.report_early) and not self.reporter.held:
                early = next((r for r in entry.reports if r.fate == "pending"), None)

        body: dict[str, Any] = {
            "messaging_product": "whatsapp",
            "contacts": [{"input": message.to, "wa_id": message.recipient.wa_id}],
            "messages": [{"id": wamid, "message_status": entry.message_status}],
        }
        entry.http_status = 200
        if fault is not None and fault != "truncated_reply":
            entry.http_status, faulty_body = _faulty_reply(fault)
            entry.code = faulty_body["error"]["code"] if faulty_body else None
            body = faulty_body
        self.ledger.write_request(entry)
        self.reporter.schedule(report for report in entry.reports if report is not early)
        return Answer(entry, entry.http_status or 0, body, latency, fault, early)

    def _category(self, entry: Entry) -> str:
        return self._categories.get(entry.template or "", self.settings.category)

    # Control

    def change_faults(self, changes: dict[str, Any]) -> Faults:
        """Change some faults, keep the others. ``profile`` starts from a profile instead.

        Raises SettingsError.
        """
        changes = dict(changes)
        profile = changes.pop("profile", None)
        if profile is not None:
            base = profile_values(str(profile))
        else:
            base = {name: getattr(self.faults, name) for name in self.faults.model_fields_set}
        self.faults = make_faults(base | changes)
        if profile is not None:
            self.profile = str(profile)
        self.reporter.hold(self.faults.reports_held)
        return self.faults

    def restore_faults(self) -> Faults:
        """Back to the faults this process was started with."""
        self.faults = self._start_faults
        self._next_faults.clear()
        self.reporter.hold(self.faults.reports_held)
        return self.faults

    def add_next_faults(self, outcomes: list[str]) -> int:
        """Let the next requests meet these outcomes, one each, before any rate; how many wait."""
        for outcome in outcomes:
            # The rule's own check says what an outcome may be.
            RecipientRule(outcome=outcome, first=1)
        self._next_faults += outcomes
        return len(self._next_faults)

    def forget_history(self) -> None:
        """Forget what decisions remember: throttles, first recipients, tries per recipient."""
        self._throttle.clear()
        self._requests_per_key.clear()
        self._requests_per_recipient.clear()
        self._chosen_first.clear()
        self._next_faults.clear()

    def replay(self, entries: list[Entry], statuses: list[tuple[str, int | None]]) -> int:
        """Send reports of messages again now; how many.

        Without ``statuses`` those planned at first (once each, lost and cancelled ones too),
        with their old timestamps; else the given statuses with codes, as of now.
        """
        now = time.monotonic()
        count = 0
        for entry in entries:
            if statuses:
                again = [
                    Report(
                        entry, status, timestamp=now + self._monotonic_to_wall, due=now, code=code
                    )
                    for status, code in statuses
                ]
            else:
                again = [
                    Report(
                        entry,
                        report.status,
                        timestamp=report.timestamp,
                        due=now,
                        code=report.code,
                        copy=report.copy + 1,
                    )
                    for report in {r.status: r for r in reversed(entry.reports)}.values()
                ]
                again.reverse()
            entry.reports += again
            self.reporter.schedule(again)
            count += len(again)
        return count


def _describe(entry: Entry, message: Message, reference: Reference | None) -> None:
    entry.recipient = message.recipient.number
    entry.wa_id = message.recipient.wa_id
    entry.prepended = message.recipient.prepended
    entry.reference = message.reference
    if reference is not None:
        entry.campaign = reference.campaign
        entry.attempt = reference.attempt
    entry.template = message.template
    entry.language = message.language


def _faulty_reply(fault: str) -> tuple[int | None, dict[str, Any]]:
    """HTTP status and provider's error of a faulty reply; None and nothing where there is none."""
    if fault.startswith("provider_server_error"):
        return 500, error_body(131000)
    if fault.startswith("server_error"):
        return 502, {}
    if fault.startswith("garbage"):
        return 200, {}
    if fault == "plain_429":
        return 429, {}
    return None, {}
