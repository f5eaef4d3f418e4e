"""The engine: claim, dispatch, send, record.

Claims arrive in lanes, one lane an account, and a lane starts its entries in order at the account's
rate. Nothing here decides what an outcome means, whether to retry or whom to write to: the
database does. What the engine answers for is *when*: no request starts before its dispatch is
committed, nor unless the lease outlasts the request's time-out, and no outcome is forgotten.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import structlog

from sendonce.providers.base import Adapter, Outcome, OutcomeKind
from sendonce.transports.base import (
    Account,
    CallRefusedError,
    Claim,
    ClaimGoneError,
    Dispatch,
    Entry,
    NothingToClaim,
    Recorded,
    Result,
    Transport,
    TransportError,
)
from sendonce.worker import stop_points
from sendonce.worker.clock import lease_clock
from sendonce.worker.database_watch import DatabaseWatch, GaveUpError
from sendonce.worker.held_claim import HeldClaim
from sendonce.worker.maintenance import Maintenance, wait_unless
from sendonce.worker.pace import WINDOW, Pace, Places
from sendonce.worker.recorder import Recorder

#: Seconds between two heartbeats.
HEARTBEAT_INTERVAL = 10.0
#: Seconds between two looks at the leases.
RENEW_INTERVAL = 0.2
#: Seconds a lease must have beyond the request's time-out before a dispatch is asked for, so that
#: it is still long enough when the dispatch is back and the requests start.
DISPATCH_MARGIN = 0.2
#: Seconds without claiming after a claim could not be used.
AFTER_UNUSABLE_CLAIM = 5.0
#: The code of a not_sent outcome whose request was never made. It tells nothing about the
#: provider, so the database does not count it among an account's failures.
NOT_STARTED = "not_started"
#: Seconds between two claims that brought nothing, whatever the database says.
SHORTEST_WAIT = 0.01
#: Accounts that may have work in hand at a time.
MOST_LANES = 32


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """What the engine needs to know; see worker.settings for the meaning and the defaults."""

    worker_name: str
    account_id: str | None
    batch: int
    concurrency: int
    request_timeout: float
    stop_timeout: float


def not_started(reason: str) -> Outcome:
    """The outcome of an entry that was dispatched, or may have been, and whose request was not."""
    return Outcome(OutcomeKind.NOT_SENT, code=NOT_STARTED, message=reason)


class Lane:
    """The claims of one account in the order they came, and the account's pace."""

    def __init__(self, account: Account, pace: Pace) -> None:
        self.account = account
        self.claims: deque[HeldClaim] = deque()
        self.pace = pace


class Engine:
    """One worker process's engine. ``run`` returns after ``stop``, or raises on a defect."""

    def __init__(
        self, settings: EngineSettings, transport: Transport, adapters: Mapping[str, Adapter]
    ) -> None:
        self._log = structlog.get_logger()
        self._settings = settings
        self._transport = transport
        self._adapters = adapters
        self._watch = DatabaseWatch()
        self._recorder = Recorder(transport, self._watch, self._on_recorded)
        self._places = Places(settings.concurrency)
        self._held: dict[int, HeldClaim] = {}
        self._lanes: dict[str, Lane] = {}
        # A lane ends with its last claim; the account's pace goes on.
        self._paces: dict[str, Pace] = {}
        self._stopping = asyncio.Event()
        self._changed = asyncio.Event()
        self._requests: set[asyncio.Task[None]] = set()
        self._lane_tasks: set[asyncio.Task[None]] = set()
        self._accounts_without_credentials: set[str] = set()

    def stop(self, reason: str) -> None:
        """Start nothing more; ``run`` returns when what is in flight is finished and recorded."""
        if not self._stopping.is_set():
            self._log.info("worker.stopping", reason=reason, requests_in_flight=len(self._requests))
            self._stopping.set()
            self._changed.set()
            self._places.close()

    async def run(self) -> int:
        """Work until stopped. Returns how many results could not be recorded (0 is a clean end)."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            background = [
                tasks.create_task(self._recorder.run()),
                tasks.create_task(self._renew_leases()),
                tasks.create_task(Maintenance(self._transport, self._watch, self._stopping).run()),
                tasks.create_task(self._beat()),
            ]
            await self._claim_until_stopped()
            # Lanes finish their dispatch and start no more; then the requests end by themselves,
            # at the latest with their time-out.
            while self._lane_tasks or self._requests:
                await asyncio.wait(self._lane_tasks | self._requests)
            unrecorded = await self._recorder.drain(self._settings.stop_timeout)
            await self._release_all()
            for task in background:
                task.cancel()
        return unrecorded

    # Claiming

    async def _claim_until_stopped(self) -> None:
        while not self._stopping.is_set():
            if not self._wants_claim():
                self._changed.clear()
                await self._changed.wait()
                continue
            try:
                asked_at, answer = await self._watch.until_answered(
                    self._ask_for_claim, while_true=lambda: not self._stopping.is_set()
                )
            except GaveUpError:
                return
            except CallRefusedError as error:
                self._log.error("claim.refused", reason=str(error))
                await wait_unless(self._stopping, AFTER_UNUSABLE_CLAIM)
                continue
            if isinstance(answer, NothingToClaim):
                await wait_unless(self._stopping, max(answer.wait_seconds, SHORTEST_WAIT))
            else:
                await self._receive(HeldClaim(answer, asked_at))

    def _wants_claim(self) -> bool:
        """One claim at work and the next one waiting is enough, for each account.

        While accounts wait for their rate and places are free, other accounts may work too.
        """
        backlog = [len(lane.claims) for lane in self._lanes.values()]
        if any(claims >= 2 for claims in backlog) or len(backlog) >= MOST_LANES:
            return False
        return len(backlog) < 2 or self._places.free > 0

    async def _ask_for_claim(self) -> tuple[float, Claim | NothingToClaim]:
        asked_at = lease_clock()
        answer = await self._transport.claim_messages(
            self._settings.worker_name, self._settings.account_id, self._settings.batch
        )
        return asked_at, answer

    async def _receive(self, held: HeldClaim) -> None:
        self._held[held.claim_id] = held
        self._log.info(
            "claim.received",
            claim_id=held.claim_id,
            account_id=held.account.id,
            entries=held.size,
            lease_seconds=held.lease.full_seconds,
            rate=held.rate,
        )
        if stop_points.ARMED:
            stop_points.reached("after_claim")
        if held.lease.full_seconds <= self._settings.request_timeout + DISPATCH_MARGIN:
            self._log.error(
                "claim.lease_too_short",
                account_id=held.account.id,
                lease_seconds=held.lease.full_seconds,
                request_timeout=self._settings.request_timeout,
                advice="make the account's lease longer or SENDONCE_REQUEST_TIMEOUT shorter",
            )
            held.forget_pending()
            await self._close_if_done(held)
            await wait_unless(self._stopping, AFTER_UNUSABLE_CLAIM)
            return
        self._check_credentials(held.account)
        lane = self._lanes.get(held.account.id)
        if lane is None:
            pace = self._paces.setdefault(held.account.id, Pace())
            lane = self._lanes[held.account.id] = Lane(held.account, pace)
            task = self._tasks.create_task(self._run_lane(lane))
            self._lane_tasks.add(task)
            task.add_done_callback(self._lane_tasks.discard)
        lane.pace.rate = held.rate
        lane.claims.append(held)

    def _check_credentials(self, account: Account) -> None:
        adapter = self._adapters.get(account.provider)
        missing = (
            f"no adapter for provider {account.provider}"
            if adapter is None
            else adapter.missing_credentials(account)
        )
        if missing is None:
            self._accounts_without_credentials.discard(account.id)
        elif account.id not in self._accounts_without_credentials:
            self._accounts_without_credentials.add(account.id)
            self._log.error(
                "account.unusable", account_id=account.id, sender=account.sender, reason=missing
            )

    # Starting requests

    async def _run_lane(self, lane: Lane) -> None:
        while lane.claims and not self._stopping.is_set():
            held = lane.claims[0]
            if held.pending:
                await self._start_some(lane, held)
            else:
                lane.claims.popleft()
                self._changed.set()
                await self._close_if_done(held)
        del self._lanes[lane.account.id]
        self._changed.set()

    async def _start_some(self, lane: Lane, held: HeldClaim) -> None:
        """Dispatch and start the next entries of a claim, as many as may go now."""
        due = lane.pace.due()
        if due == 0:
            await wait_unless(self._stopping, lane.pace.seconds_until_due())
            return
        places = await self._places.take(min(due, len(held.pending)))
        if not held.lease.outlasts(self._settings.request_timeout + DISPATCH_MARGIN):
            await self._renew([held])
            if not held.lease.outlasts(self._settings.request_timeout + DISPATCH_MARGIN):
                await self._give_back_rest(held, "the lease is too short for another request")
        # Meanwhile the claim may have been lost, with all that was pending.
        entries = held.take(places)
        self._places.give_back(places - len(entries))
        if not entries:
            return
        dispatched, wait = await self._dispatch(held, entries)
        self._places.give_back(len(entries) - len(dispatched))
        if dispatched and stop_points.ARMED:
            stop_points.reached("after_dispatch")
        for entry in dispatched:
            delay = lane.pace.next_delay()
            if delay > 0:
                await asyncio.sleep(delay)
            self._start(held, entry)
        if wait > 0:
            # Asking for each token by itself would be a call a message.
            await wait_unless(self._stopping, max(wait, WINDOW))

    async def _dispatch(self, held: HeldClaim, entries: list[Entry]) -> tuple[list[Entry], float]:
        """The entries whose dispatch is committed: these, and no others, may be sent.

        The other value is how many seconds the rest must wait for the account's rate.
        """
        ids = [entry.entry_id for entry in entries]

        async def ask() -> tuple[float, Dispatch]:
            asked_at = lease_clock()
            return asked_at, await self._transport.begin_dispatch(held.claim_id, ids)

        try:
            # After a lost connection the same question returns what is dispatched already.
            asked_at, answer = await self._watch.until_answered(
                ask,
                while_true=lambda: (
                    not self._stopping.is_set()
                    and held.lease.outlasts(self._settings.request_timeout)
                ),
            )
        except GaveUpError:
            # Perhaps they are dispatched, certainly they did not start.
            for entry in entries:
                self._finish(held, entry, not_started("the database did not answer"))
            return [], 0.0
        except CallRefusedError as error:
            held.put_aside(len(entries))
            if isinstance(error, ClaimGoneError):
                self._lose(held, str(error))
            else:
                self._log.error("dispatch.refused", claim_id=held.claim_id, reason=str(error))
                await self._give_back_rest(held, "its dispatch was refused")
                await wait_unless(self._stopping, AFTER_UNUSABLE_CLAIM)
            return [], 0.0
        held.lease.update(asked_at, answer.lease_seconds)
        for refused in answer.refused:
            held.tally[refused.status or "refused"] += 1
        may_go = frozenset(answer.dispatched)
        dispatched = [entry for entry in entries if entry.entry_id in may_go]
        later_ids = frozenset(answer.later)
        later = [entry for entry in entries if entry.entry_id in later_ids]
        held.put_aside(len(entries) - len(dispatched) - len(later))
        held.put_back(later)
        return dispatched, answer.later_seconds if later else 0.0

    def _start(self, held: HeldClaim, entry: Entry) -> None:
        """Start one dispatched entry's request, or say that it never started."""
        reason = None
        if self._stopping.is_set():
            reason = "the worker is stopping"
        elif held.lost:
            reason = "the claim was lost"
        elif not held.lease.outlasts(self._settings.request_timeout):
            reason = "the lease does not outlast the request"
        if reason is not None:
            self._places.give_back()
            self._finish(held, entry, not_started(reason))
            return
        task = self._tasks.create_task(self._request(held, entry))
        self._requests.add(task)
        task.add_done_callback(self._requests.discard)

    async def _request(self, held: HeldClaim, entry: Entry) -> None:
        adapter = self._adapters.get(held.account.provider)
        if adapter is None:
            outcome = Outcome(
                OutcomeKind.NOT_SENT, message=f"no adapter for provider {held.account.provider}"
            )
        else:
            not_after = lease_clock() + self._settings.request_timeout
            try:
                outcome = await adapter.send(
                    held.account, held.template_of(entry), entry, not_after
                )
            except Exception as error:
                # A defect of the adapter: nobody knows how far the request came.
                self._log.exception("request.crashed", entry_id=entry.entry_id)
                outcome = Outcome(OutcomeKind.AMBIGUOUS, message=type(error).__name__)
        if stop_points.ARMED and outcome.kind is OutcomeKind.ACCEPTED:
            stop_points.reached("after_acceptance")
        self._places.give_back()
        self._changed.set()
        self._finish(held, entry, outcome)

    def _finish(self, held: HeldClaim, entry: Entry, outcome: Outcome) -> None:
        held.tally[outcome.kind] += 1
        held.unfinished -= 1
        self._recorder.add(
            held,
            Result(
                entry_id=entry.entry_id,
                attempt=entry.attempt,
                outcome=outcome.kind,
                provider_message_id=outcome.provider_message_id,
                http_status=outcome.http_status,
                code=outcome.code,
                message=outcome.message,
                retry_after=outcome.retry_after,
                message_status=outcome.message_status,
            ),
        )

    # Keeping and ending claims

    async def _renew_leases(self) -> None:
        while True:
            await asyncio.sleep(RENEW_INTERVAL)
            now = lease_clock()
            # Renewed together once the first is due: one call instead of one for each.
            if any(held.lease.renew_at <= now for held in self._held.values() if not held.lost):
                await self._renew([held for held in self._held.values() if not held.lost])

    async def _renew(self, claims: list[HeldClaim]) -> None:
        asked_at = lease_clock()
        try:
            leases = await self._watch.once(
                lambda: self._transport.renew_claims([held.claim_id for held in claims])
            )
        except CallRefusedError as error:
            self._log.error("renewal.refused", reason=str(error))
            return
        except TransportError:
            return  # noted by the watch; the next look tries again while the lease lasts
        for held in claims:
            seconds = leases.get(held.claim_id)
            if seconds is not None:
                held.lease.update(asked_at, seconds)
            elif held.claim_id in self._held and held.has_work:
                self._lose(held, "not renewed")

    def _lose(self, held: HeldClaim, reason: str) -> None:
        """The database took the claim back. What runs is still recorded, as evidence."""
        if held.lost:
            return
        held.lost = True
        self._log.warning(
            "claim.lost",
            claim_id=held.claim_id,
            account_id=held.account.id,
            reason=reason,
            forgotten=held.forget_pending(),
            running=held.unfinished,
        )

    async def _give_back_rest(self, held: HeldClaim, reason: str) -> None:
        """Start nothing more of a claim that is still ours; what runs goes on and is renewed."""
        self._log.warning(
            "claim.given_back",
            claim_id=held.claim_id,
            account_id=held.account.id,
            reason=reason,
            forgotten=held.forget_pending(),
            running=held.unfinished,
        )
        await self._release(held)

    async def _release(self, held: HeldClaim) -> None:
        """Give back what was never dispatched. A claim that is gone already needs no release."""
        try:
            released = await self._watch.once(lambda: self._transport.release_claim(held.claim_id))
        except ClaimGoneError:
            held.is_open = False
        except TransportError as error:
            # It expires by itself.
            self._log.warning("claim.not_released", claim_id=held.claim_id, reason=str(error))
        else:
            held.is_open = released.claim_open
            if released.released:
                held.tally["released"] += released.released

    async def _close_if_done(self, held: HeldClaim) -> None:
        """Forget a claim of which nothing is left, and see to it that the database does too."""
        if not held.is_done or self._held.pop(held.claim_id, None) is None:
            return
        if held.is_open and not held.lost:
            await self._release(held)
        self._log.info(
            "batch.recorded",
            claim_id=held.claim_id,
            account_id=held.account.id,
            entries=held.size,
            seconds=held.held_seconds,
            **held.tally,
        )

    async def _release_all(self) -> None:
        if self._watch.is_away:
            return  # they expire by themselves; waiting for each would only delay the end
        for held in list(self._held.values()):
            held.forget_pending()
            if held.is_done:
                await self._close_if_done(held)
            else:
                await self._release(held)

    async def _on_recorded(self, held: HeldClaim, count: int, recorded: Recorded | None) -> None:
        held.unrecorded -= count
        if recorded is not None:
            held.is_open = recorded.claim_open
            held.tally.update(recorded.counts)
        await self._close_if_done(held)

    async def _beat(self) -> None:
        while not self._stopping.is_set():
            try:
                await self._watch.once(
                    lambda: self._transport.worker_heartbeat(
                        self._settings.worker_name, self._vital_signs()
                    )
                )
            except CallRefusedError as error:
                self._log.error("heartbeat.refused", reason=str(error))
            except TransportError:
                pass  # noted by the watch
            await wait_unless(self._stopping, HEARTBEAT_INTERVAL)

    def _vital_signs(self) -> dict[str, Any]:
        return {
            "version": version("sendonce"),
            "host": socket.gethostname(),
            "process_id": os.getpid(),
            "claims": len(self._held),
            "requests_in_flight": len(self._requests),
            "results_waiting": self._recorder.outstanding,
        }
