"""What the provider did: every request, what became of it, and what was reported about it.

This is the truth that tests and audits compare a database with, so it is written when a thing
happens and never guessed afterwards.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Literal, TextIO

from sendonce.simulator.faults import ACCEPTING_FAULTS

Outcome = Literal["accepted", "refused", "not_accepted"]
Fate = Literal["pending", "acknowledged", "lost", "cancelled", "given_up"]


_BREATH = 2000


async def breathing(entries: Iterator[Entry]) -> AsyncIterator[Entry]:
    """The same entries, with a pause for others on the event loop after every so many."""
    for count, entry in enumerate(entries, start=1):
        yield entry
        if count % _BREATH == 0:
            await asyncio.sleep(0)


class Report:
    """One status about one message, and what became of it.

    ``timestamp`` is what the report tells (seconds of the event), ``due`` when it is POSTed
    (seconds on the monotonic clock), ``posts`` how often that was tried.
    """

    __slots__ = (
        "code",
        "copy",
        "due",
        "entry",
        "fate",
        "in_flight",
        "posts",
        "status",
        "timestamp",
    )

    def __init__(
        self,
        entry: Entry,
        status: str,
        *,
        timestamp: float,
        due: float,
        code: int | None = None,
        copy: int = 0,
    ) -> None:
        self.entry = entry
        self.status = status
        self.timestamp = timestamp
        self.due = due
        self.code = code
        self.copy = copy
        self.fate: Fate = "pending"
        self.in_flight = False
        self.posts = 0

    def to_json(self) -> dict[str, Any]:
        """The report as the ledger shows it."""
        return {
            "status": self.status,
            "code": self.code,
            "timestamp": int(self.timestamp),
            "copy": self.copy,
            "fate": self.fate,
            "posts": self.posts,
        }


class Entry:
    """One request for one message.

    ``outcome``: ``accepted`` (the message goes out, whatever the client heard), ``refused`` (an
    answer said no), ``not_accepted`` (a fault swallowed it). ``http_status`` and ``code`` are what
    was replied, None where nothing was; ``reply_written`` whether all of it left this process.
    """

    __slots__ = (
        "at",
        "attempt",
        "body",
        "campaign",
        "code",
        "fault",
        "hidden",
        "http_status",
        "language",
        "message_status",
        "milliseconds",
        "number",
        "outcome",
        "phone_number_id",
        "prepended",
        "recipient",
        "reference",
        "reference_missing",
        "reply_written",
        "reports",
        "template",
        "wa_id",
        "wamid",
    )

    def __init__(self, number: int, phone_number_id: str) -> None:
        self.number = number
        self.at = time.time()
        self.phone_number_id = phone_number_id
        self.recipient: str | None = None
        self.wa_id: str | None = None
        self.prepended = False
        self.reference: str | None = None
        self.campaign: str | None = None
        self.attempt: int | None = None
        self.template: str | None = None
        self.language: str | None = None
        self.outcome: Outcome = "not_accepted"
        self.fault: str | None = None
        self.http_status: int | None = None
        self.code: int | None = None
        self.wamid: str | None = None
        self.message_status: str | None = None
        self.reply_written = False
        self.body: dict[str, Any] | None = None
        self.hidden = False
        self.milliseconds = False
        self.reference_missing = False
        self.reports: list[Report] = []

    def to_json(self) -> dict[str, Any]:
        """The entry as the ledger shows it; times are seconds since 1970."""
        shown: dict[str, Any] = {
            "number": self.number,
            "at": round(self.at, 6),
            "phone_number_id": self.phone_number_id,
            "recipient": self.recipient,
            "wa_id": self.wa_id,
            "country_code_prepended": self.prepended,
            "reference": self.reference,
            "campaign": self.campaign,
            "attempt": self.attempt,
            "template": self.template,
            "language": self.language,
            "outcome": self.outcome,
            "fault": self.fault,
            "http_status": self.http_status,
            "code": self.code,
            "provider_message_id": self.wamid,
            "message_status": self.message_status,
            "reply_written": self.reply_written,
            "reports": [report.to_json() for report in self.reports],
        }
        if self.body is not None:
            shown["body"] = self.body
        return shown


class Ledger:
    """Every request since the start or the last reset, in order of arrival."""

    def __init__(self, file: Path | None) -> None:
        """Open the file to append to, where one is given. Raises OSError."""
        self._file: TextIO | None = file.open("a", encoding="utf-8") if file else None
        self._next = 1
        self.entries: list[Entry] = []
        self._by_wamid: dict[str, Entry] = {}
        self._accepted_per_second: deque[tuple[int, int]] = deque(maxlen=120)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def open_entry(self, phone_number_id: str) -> Entry:
        """A new entry, not accepted until something says so."""
        entry = Entry(self._next, phone_number_id)
        self._next += 1
        self.entries.append(entry)
        return entry

    def accepted(self, entry: Entry, wamid: str) -> None:
        """The message is accepted: from here on it goes out, whatever the client hears."""
        entry.outcome = "accepted"
        entry.wamid = wamid
        self._by_wamid[wamid] = entry
        second = int(entry.at)
        if self._accepted_per_second and self._accepted_per_second[-1][0] == second:
            self._accepted_per_second[-1] = (second, self._accepted_per_second[-1][1] + 1)
        else:
            self._accepted_per_second.append((second, 1))

    def write_request(self, entry: Entry) -> None:
        """Append the decision about a request to the file, before its reply leaves."""
        if self._file is not None:
            self._write({"event": "request", **entry.to_json()})

    def write_report(self, report: Report) -> None:
        """Append the fate of a report to the file."""
        if self._file is not None:
            self._write(
                {
                    "event": "report",
                    "number": report.entry.number,
                    "provider_message_id": report.entry.wamid,
                    **report.to_json(),
                }
            )

    def write_event(self, event: str, **facts: Any) -> None:
        """Append something that happened to the whole ledger (a reset)."""
        if self._file is not None:
            self._write({"event": event, "at": round(time.time(), 6), **facts})

    def _write(self, record: dict[str, Any]) -> None:
        if self._file is not None:
            self._file.write(json.dumps(record, separators=(",", ":")) + "\n")
            self._file.flush()

    def find(
        self,
        *,
        campaign: str | None = None,
        recipient: str | None = None,
        outcome: str | None = None,
        after: int = 0,
    ) -> Iterator[Entry]:
        """Entries with a number above ``after``, filtered, in order."""
        for entry in list(self.entries):
            if (
                entry.number > after
                and (campaign is None or entry.campaign == campaign)
                and (recipient is None or entry.recipient == recipient)
                and (outcome is None or entry.outcome == outcome)
            ):
                yield entry

    def by_message_id(self, wamid: str) -> Entry | None:
        """The accepted entry with that WAMID."""
        return self._by_wamid.get(wamid)

    def forget(self, campaign: str | None) -> int:
        """Drop the entries of one campaign, or all; how many. Numbers are not used again."""
        kept = [] if campaign is None else [e for e in self.entries if e.campaign != campaign]
        dropped = len(self.entries) - len(kept)
        self.entries = kept
        self._by_wamid = {e.wamid: e for e in kept if e.wamid is not None}
        if campaign is None:
            self._accepted_per_second.clear()
        return dropped

    def forget_reports(self, campaign: str | None) -> int:
        """Drop what was reported about one campaign, or all; how many reports."""
        dropped = 0
        for entry in self.find(campaign=campaign):
            dropped += len(entry.reports)
            entry.reports = []
        return dropped

    def rate(self, seconds: int) -> float:
        """Messages accepted per second over the last whole ``seconds``."""
        now = int(time.time())
        return sum(n for s, n in self._accepted_per_second if now - seconds <= s < now) / seconds

    async def statistics(self, campaign: str | None) -> dict[str, Any]:
        """The ledger in numbers, for one campaign or all.

        Counted anew each time, which takes about a second for a million entries; requests are
        answered meanwhile.
        """
        outcomes: Counter[str] = Counter()
        faults: Counter[str] = Counter()
        codes: Counter[str] = Counter()
        people: Counter[tuple[str | None, str | None]] = Counter()
        references: Counter[str] = Counter()
        lost_replies = prepended = 0
        statuses: Counter[str] = Counter()
        fates: Counter[str] = Counter()
        copies = posts = 0
        async for entry in breathing(self.find(campaign=campaign)):
            outcomes[entry.outcome] += 1
            if entry.fault is not None:
                faults[entry.fault] += 1
            if entry.code is not None:
                codes[str(entry.code)] += 1
            if entry.outcome == "accepted":
                people[(entry.campaign, entry.recipient)] += 1
                if entry.reference is not None:
                    references[entry.reference] += 1
                prepended += entry.prepended
                lost_replies += entry.fault in ACCEPTING_FAULTS or not entry.reply_written
            for report in entry.reports:
                fates[report.fate] += 1
                copies += report.copy > 0
                posts += report.posts
                if report.fate == "acknowledged":
                    statuses[report.status] += 1
        twice = [count for count in people.values() if count > 1]
        return {
            "requests": sum(outcomes.values()),
            "accepted": outcomes["accepted"],
            "refused": outcomes["refused"],
            "not_accepted": outcomes["not_accepted"],
            "distinct_recipients": len({person for _, person in people}),
            "distinct_recipients_per_campaign": len(people),
            "accepted_twice": len(twice),
            "surplus_acceptances": sum(twice) - len(twice),
            "references_accepted_twice": sum(1 for count in references.values() if count > 1),
            "accepted_without_reply": lost_replies,
            "country_code_prepended": prepended,
            "faults": dict(sorted(faults.items())),
            "codes": dict(sorted(codes.items())),
            "reports": {
                "planned": sum(fates.values()),
                "pending": fates["pending"],
                "acknowledged": fates["acknowledged"],
                "lost": fates["lost"],
                "cancelled": fates["cancelled"],
                "given_up": fates["given_up"],
                "copies": copies,
                "statuses_posted": posts,
                "acknowledged_by_status": dict(sorted(statuses.items())),
            },
        }
