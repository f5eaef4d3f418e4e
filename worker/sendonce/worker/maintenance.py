"""The database's housekeeping, which some worker has to call: expiry, sweeps, scheduled starts."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog

from sendonce.transports.base import Swept, Transport, TransportError
from sendonce.worker.database_watch import DatabaseWatch

#: Seconds between two calls of the same sweep.
INTERVAL = 1.0
#: Sweeps at a time, so that they never take all connections.
AT_A_TIME = 2


class Maintenance:
    """Calls every sweep about once a second, and at once again while it says there is more."""

    def __init__(self, transport: Transport, watch: DatabaseWatch, stopping: asyncio.Event) -> None:
        self._log = structlog.get_logger()
        self._watch = watch
        self._stopping = stopping
        self._turns = asyncio.Semaphore(AT_A_TIME)
        self._sweeps: tuple[tuple[str, Callable[[int], Awaitable[Swept]], int], ...] = (
            ("claims.expired", transport.expire_claims, 100),
            ("unknown.settled", transport.settle_overdue_unknown, 1000),
            ("entries.cancelled", transport.sweep_cancelled, 1000),
            ("campaigns.started", transport.start_due_campaigns, 100),
            ("reports.swept", transport.sweep_reports, 1000),
        )

    async def run(self) -> None:
        """Sweep until the worker stops."""
        async with asyncio.TaskGroup() as loops:
            for fact, sweep, limit in self._sweeps:
                loops.create_task(self._repeat(fact, sweep, limit))

    async def _repeat(
        self, fact: str, sweep: Callable[[int], Awaitable[Swept]], limit: int
    ) -> None:
        refused = False
        while not self._stopping.is_set():
            more = False
            try:
                async with self._turns:
                    swept = await self._watch.once(lambda: sweep(limit))
            except TransportError as error:
                if not self._watch.is_away and not refused:
                    self._log.error("sweep.refused", sweep=fact, reason=str(error))
                    refused = True
            else:
                refused = False
                more = swept.more
                if any(swept.counts.values()):
                    self._log.info(fact, **swept.counts)
            if not more:
                await wait_unless(
                    self._stopping,
                    INTERVAL * random.uniform(0.8, 1.2),  # noqa: S311 -- spreads load
                )


async def wait_unless(event: asyncio.Event, seconds: float) -> bool:
    """Wait so many seconds, or less where the event happens. Returns whether it has."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
    return event.is_set()
