"""Hands outcomes to the database: at most 50 ms late, many at a time, and never loses one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from sendonce.transports.base import CallRefusedError, Recorded, Result, Transport
from sendonce.worker import stop_points
from sendonce.worker.database_watch import DatabaseWatch, GaveUpError
from sendonce.worker.held_claim import HeldClaim

#: Seconds a result waits for others; with the call itself they stay within 50 ms.
GATHER = 0.04
#: Calls at a time; while the database is away the rest waits in memory.
CALLS = 4
#: Results in one call.
LARGEST_CALL = 1000


class Recorder:
    """Keeps results until record_results has confirmed them.

    ``on_recorded(claim, count, recorded)`` is called after each confirmed call.
    """

    def __init__(
        self,
        transport: Transport,
        watch: DatabaseWatch,
        on_recorded: Callable[[HeldClaim, int, Recorded | None], Awaitable[None]],
    ) -> None:
        self._log = structlog.get_logger()
        self._transport = transport
        self._watch = watch
        self._on_recorded = on_recorded
        self._waiting: dict[HeldClaim, list[Result]] = {}
        self._calls = asyncio.Semaphore(CALLS)
        self._arrived = asyncio.Event()
        self._hurry = asyncio.Event()
        self._given_up = False
        self._idle = asyncio.Event()
        self._idle.set()
        #: Results that have arrived and are not confirmed.
        self.outstanding = 0

    def add(self, claim: HeldClaim, result: Result) -> None:
        """Take a result. Never waits."""
        self._waiting.setdefault(claim, []).append(result)
        self.outstanding += 1
        self._idle.clear()
        self._arrived.set()

    async def run(self) -> None:
        """Record what arrives, until cancelled."""
        async with asyncio.TaskGroup() as calls:
            while True:
                await self._arrived.wait()
                if not self._hurry.is_set():
                    await asyncio.sleep(GATHER)
                self._arrived.clear()
                waiting, self._waiting = self._waiting, {}
                for claim, results in waiting.items():
                    for first in range(0, len(results), LARGEST_CALL):
                        await self._calls.acquire()
                        calls.create_task(
                            self._record(claim, results[first : first + LARGEST_CALL])
                        )

    async def drain(self, seconds: float) -> int:
        """Record everything now, for at most so many seconds. Returns how many were left."""
        self._hurry.set()
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            self._given_up = True
        return self.outstanding

    async def _record(self, claim: HeldClaim, results: Sequence[Result]) -> None:
        try:
            await self._until_confirmed(claim, results)
        except GaveUpError:
            # Only on the way out: the claim expires and its entries end as unknown, visibly.
            return
        finally:
            self._calls.release()

    async def _until_confirmed(self, claim: HeldClaim, results: Sequence[Result]) -> None:
        if stop_points.ARMED:
            stop_points.reached("before_record")
        try:
            recorded = await self._watch.until_answered(
                lambda: self._transport.record_results(claim.claim_id, results),
                while_true=lambda: not self._given_up,
            )
        except CallRefusedError as error:
            if len(results) == 1:
                # One result that the database cannot take must not hold up the others. Its entry
                # stays dispatched, so it ends as unknown and is listed: visible, not sent again.
                self._log.error(
                    "result.refused",
                    claim_id=claim.claim_id,
                    entry_id=results[0].entry_id,
                    outcome=results[0].outcome,
                    reason=str(error),
                )
                await self._confirm(claim, 1, None)
                return
            half = len(results) // 2
            await self._until_confirmed(claim, results[:half])
            await self._until_confirmed(claim, results[half:])
            return
        for refused in recorded.refused:
            self._log.info(
                "result.not_taken",
                claim_id=claim.claim_id,
                entry_id=refused.entry_id,
                reason=refused.reason,
            )
        await self._confirm(claim, len(results), recorded)
        if stop_points.ARMED:
            stop_points.reached("after_record")

    async def _confirm(self, claim: HeldClaim, count: int, recorded: Recorded | None) -> None:
        await self._on_recorded(claim, count, recorded)
        self.outstanding -= count
        if self.outstanding == 0:
            self._idle.set()
