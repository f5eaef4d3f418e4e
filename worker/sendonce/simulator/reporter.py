"""Sends the reports: a heap of what is due, many statuses in one signed POST, retried.

Like the provider it keeps trying until the webhook answers 200, with growing pauses, and gives no
order. Unlike it, it stops after a set number of attempts, and every report can be taken back.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import heapq
import hmac
import itertools
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import aiohttp
import structlog

from sendonce.simulator.ledger import Entry, Ledger, Report
from sendonce.simulator.provider_errors import report_error
from sendonce.simulator.settings import SimulatorSettings

log = structlog.get_logger("sendonce.simulator")

# The provider spreads what it knows over several changes and entries of one POST; receivers that
# read only the first of each are a known mistake, so these are small.
_STATUSES_PER_CHANGE = 20
_CHANGES_PER_ENTRY = 2

Categories = Callable[[Entry], str]


class Reporter:
    """Owns the pending reports and the connections to the webhook."""

    def __init__(self, settings: SimulatorSettings, ledger: Ledger, category: Categories) -> None:
        self._settings = settings
        self._ledger = ledger
        self._category = category
        secret = settings.app_secret
        self._secret = secret.get_secret_value().encode() if secret is not None else b""
        self.webhook_url = _fill_url(settings.webhook_url, settings.app)
        self._heap: list[tuple[float, int, Report]] = []
        self._order = itertools.count()
        self._pending: set[Report] = set()
        self._changed = asyncio.Event()
        self._posting: set[asyncio.Task[None]] = set()
        self._free = asyncio.Semaphore(settings.webhook_connections)
        self._session: aiohttp.ClientSession | None = None
        self._loop_task: asyncio.Task[None] | None = None
        self.held = False
        self.posts: Counter[str] = Counter()
        self.answers: Counter[str] = Counter()

    # Life

    async def start(self) -> None:
        """Start sending what is due."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._settings.webhook_connections),
            timeout=aiohttp.ClientTimeout(total=self._settings.webhook_timeout),
            headers={"User-Agent": "facebookexternalua", "Accept": "*/*"},
        )
        self._loop_task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop at once; what is pending stays pending."""
        tasks = list(self._posting)
        if self._loop_task is not None:
            tasks.append(self._loop_task)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    # What comes in

    @property
    def enabled(self) -> bool:
        """Whether there is a webhook to report to."""
        return self.webhook_url is not None

    @property
    def pending(self) -> int:
        """Reports that wait, for their time or for an answer."""
        return len(self._pending)

    @property
    def in_flight(self) -> int:
        """Reports inside a POST that is not answered yet."""
        return sum(1 for report in self._pending if report.in_flight)

    def use_webhook(self, url: str) -> None:
        """Report to another URL from now on."""
        self.webhook_url = _fill_url(url, self._settings.app)

    def schedule(self, reports: Iterable[Report]) -> None:
        """Take reports to send when they are due; lost ones are only counted."""
        for report in reports:
            if report.fate == "lost":
                self._ledger.write_report(report)
                continue
            self._pending.add(report)
            self._push(report)

    def _push(self, report: Report) -> None:
        item = (report.due, next(self._order), report)
        heapq.heappush(self._heap, item)
        # Only a report that is due before all others changes when to wake up.
        if self._heap[0] is item:
            self._changed.set()

    async def post_now(self, report: Report) -> None:
        """Send one report and wait for its answer; without one it is retried like any other."""
        self._pending.add(report)
        await self._free.acquire()
        if report.fate != "pending":
            self._free.release()
            return
        report.in_flight = True
        task = asyncio.create_task(self._post_and_free([report]))
        self._posting.add(task)
        task.add_done_callback(self._posting.discard)
        # Shielded: a client that gives up does not take the report with it.
        await asyncio.shield(task)

    def hold(self, held: bool) -> None:
        """Hold every report back, or let them go."""
        self.held = held
        self._changed.set()

    async def cancel(self, campaign: str | None) -> int:
        """Take back the pending reports of one campaign, or all; how many.

        Returns once no POST that carried one of them is under way: after this nothing of them
        arrives any more.
        """
        cancelled = 0
        touched = False
        for report in list(self._pending):
            if campaign is not None and report.entry.campaign != campaign:
                continue
            touched = touched or report.in_flight
            if not report.in_flight:
                self._settle(report, "cancelled")
                cancelled += 1
        if touched:
            await self._wait_for_posts()
            # What was not acknowledged by those POSTs waits to be tried again: take it back too.
            for report in list(self._pending):
                if (campaign is None or report.entry.campaign == campaign) and not report.in_flight:
                    self._settle(report, "cancelled")
                    cancelled += 1
        self._compact()
        return cancelled

    def _compact(self) -> None:
        self._heap = [item for item in self._heap if item[2].fate == "pending"]
        heapq.heapify(self._heap)
        self._changed.set()

    async def _wait_for_posts(self) -> None:
        posting = list(self._posting)
        if posting:
            await asyncio.wait(posting, timeout=self._settings.webhook_timeout + 1)

    async def flush(self, seconds: float) -> bool:
        """Make every pending report due now and wait until none is left; False when time is up."""
        now = time.monotonic()
        self._heap = [
            (min(due, now), order, report)
            for due, order, report in self._heap
            if report.fate == "pending"
        ]
        heapq.heapify(self._heap)
        self._changed.set()
        end = now + seconds
        while self._pending:
            if time.monotonic() >= end:
                return False
            await asyncio.sleep(0.01)
        return True

    # What goes out

    async def _run(self) -> None:
        backlog = False
        while True:
            wait = self._seconds_to_next()
            if wait is None or wait > 0:
                self._changed.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), wait)
                continue
            # A moment's patience makes one POST out of many; a full one needs none.
            if self._settings.webhook_linger and not backlog:
                await asyncio.sleep(self._settings.webhook_linger)
            await self._free.acquire()
            batch = self._take_due()
            backlog = len(batch) == self._settings.webhook_batch
            if not batch:
                self._free.release()
                continue
            task = asyncio.create_task(self._post_and_free(batch))
            self._posting.add(task)
            task.add_done_callback(self._posting.discard)

    def _seconds_to_next(self) -> float | None:
        while self._heap and self._heap[0][2].fate != "pending":
            heapq.heappop(self._heap)
        if self.held or not self._heap:
            return None
        return self._heap[0][0] - time.monotonic()

    def _take_due(self) -> list[Report]:
        now = time.monotonic()
        batch: list[Report] = []
        while self._heap and not self.held and len(batch) < self._settings.webhook_batch:
            due, _, report = self._heap[0]
            if report.fate != "pending":
                heapq.heappop(self._heap)
                continue
            if due > now:
                break
            heapq.heappop(self._heap)
            report.in_flight = True
            batch.append(report)
        return batch

    async def _post_and_free(self, batch: list[Report]) -> None:
        try:
            await self._post(batch)
        finally:
            self._free.release()

    async def _post(self, batch: list[Report]) -> None:
        body = self.render(batch)
        signature = hmac.new(self._secret, body, hashlib.sha256).hexdigest()
        answer = "no answer"
        if self._session is None or self.webhook_url is None:
            raise RuntimeError("reports need a webhook and a started reporter")
        try:
            async with self._session.post(
                self.webhook_url,
                data=body,
                headers={
                    "Content-Type": "application/json",
                    "X-Hub-Signature-256": f"sha256={signature}",
                },
                allow_redirects=False,
            ) as response:
                await response.read()
                answer = str(response.status)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            answer = type(error).__name__
        finally:
            for report in batch:
                report.in_flight = False
                report.posts += 1
        self.answers[answer] += 1
        if answer == "200":
            self.posts["acknowledged"] += 1
            for report in batch:
                self._settle(report, "acknowledged")
            return
        self.posts["failed"] += 1
        log.warning("webhook_did_not_take_reports", answer=answer, statuses=len(batch))
        self._retry(batch)

    def _retry(self, batch: list[Report]) -> None:
        now = time.monotonic()
        for report in batch:
            if report.fate != "pending":
                continue
            if report.posts >= self._settings.webhook_attempts:
                self._settle(report, "given_up")
                continue
            # Bounded before the power: 2 ** 1000 does not fit a float.
            doublings = min(report.posts - 1, 30)
            pause = self._settings.webhook_retry_first * 2.0**doublings
            report.due = now + min(pause, self._settings.webhook_retry_longest)
            self._push(report)

    def _settle(self, report: Report, fate: str) -> None:
        if report.fate != "pending":
            return
        report.fate = fate  # type: ignore[assignment]
        self._pending.discard(report)
        self._ledger.write_report(report)

    # What it looks like

    def render(self, batch: list[Report]) -> bytes:
        """The raw body of one POST, as the provider writes JSON: slashes escaped, ASCII only."""
        by_number: dict[str, list[Report]] = {}
        for report in batch:
            by_number.setdefault(report.entry.phone_number_id, []).append(report)
        changes = [
            self._change(number, reports[start : start + _STATUSES_PER_CHANGE])
            for number, reports in by_number.items()
            for start in range(0, len(reports), _STATUSES_PER_CHANGE)
        ]
        envelope = {
            "object": "whatsapp_business_account",
            "entry": [
                {
                    "id": self._settings.business_account_id,
                    "changes": changes[start : start + _CHANGES_PER_ENTRY],
                }
                for start in range(0, len(changes), _CHANGES_PER_ENTRY)
            ],
        }
        text = json.dumps(envelope, separators=(",", ":"))
        return text.replace("/", "\\/").encode("ascii")

    def _change(self, number: str, reports: list[Report]) -> dict[str, Any]:
        people = {report.entry.wa_id: report.entry for report in reports}
        return {
            "value": {
                "messaging_product": "whatsapp",
                "metadata": {
                    "display_phone_number": display_number(number),
                    "phone_number_id": number,
                },
                "contacts": [_contact(entry) for entry in people.values()],
                "statuses": [self._status(report) for report in reports],
            },
            "field": "messages",
        }

    def _status(self, report: Report) -> dict[str, Any]:
        entry = report.entry
        seconds = report.timestamp
        status: dict[str, Any] = {
            "id": entry.wamid,
            "status": report.status,
            "timestamp": str(int(seconds * 1000) if entry.milliseconds else int(seconds)),
        }
        if not entry.hidden:
            status["recipient_id"] = entry.wa_id
        status["recipient_user_id"] = _user_id(entry)
        if entry.reference is not None and not entry.reference_missing:
            status["biz_opaque_callback_data"] = entry.reference
        if report.status == "failed":
            status["errors"] = [report_error(report.code or 0)]
            return status
        category = self._category(entry)
        if report.status in ("sent", "delivered"):
            conversation: dict[str, Any] = {
                "id": hashlib.sha256(f"{entry.wamid}".encode()).hexdigest()[:32],
                "origin": {"type": category},
            }
            if report.status == "sent":
                conversation["expiration_timestamp"] = str(int(seconds) + 86_400)
            status["conversation"] = conversation
        # Told on sent, and on the first of delivered and read.
        if report.status in ("sent", "delivered") or not any(
            other.status == "delivered" for other in entry.reports
        ):
            status["pricing"] = {
                "billable": True,
                "pricing_model": "PMP",
                "type": "regular",
                "category": category,
            }
        return status


def display_number(phone_number_id: str) -> str:
    """A made-up phone number that belongs to a phone number id."""
    digits = "".join(filter(str.isdigit, phone_number_id)) or "0"
    return "1555000" + digits[-4:].rjust(4, "0")


def _contact(entry: Entry) -> dict[str, Any]:
    contact = {"user_id": _user_id(entry)}
    return contact if entry.hidden else {"wa_id": entry.wa_id, **contact}


def _user_id(entry: Entry) -> str:
    """A made-up business-scoped user id, the same for the same person."""
    digest = hashlib.sha256((entry.wa_id or "").encode()).hexdigest()
    return "US." + str(int(digest[:16], 16))


def _fill_url(url: str | None, app: str) -> str | None:
    return url.replace("{app}", app) if url is not None else None
