"""When the next requests may start: a place in flight, and the account's rate."""

from __future__ import annotations

import asyncio
import sys
import time

#: Seconds that a dispatch looks ahead: entries whose requests start within it go in one call.
#: Longer means fewer calls, and more entries left unknown by a crash.
WINDOW = 0.02

#: Seconds to wait for more places where only few are free, so that begin_dispatch is not called
#: for every single reply.
GATHER = 0.01


class Places:
    """The requests that may be in flight at a time, over all accounts."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._free = limit
        self._worthwhile = max(1, limit // 8)
        self._closed = False
        self._turn = asyncio.Lock()
        self._freed = asyncio.Event()

    @property
    def free(self) -> int:
        """Requests that could start now."""
        return self._free

    @property
    def taken(self) -> int:
        """Requests in flight or about to start."""
        return self._limit - self._free

    async def take(self, wanted: int) -> int:
        """Wait for at least one place and take up to ``wanted``; 0 once closed."""
        async with self._turn:
            while self._free == 0 and not self._closed:
                self._freed.clear()
                await self._freed.wait()
            if self._free < min(wanted, self._worthwhile) and not self._closed:
                await asyncio.sleep(GATHER)
            if self._closed:
                return 0
            taken = min(wanted, self._free)
            self._free -= taken
            return taken

    def give_back(self, count: int = 1) -> None:
        """Free places again."""
        self._free += count
        self._freed.set()

    def close(self) -> None:
        """Let nobody wait or take any more."""
        self._closed = True
        self._freed.set()


class Pace:
    """Spreads the starts of one account evenly over time; catches up at most one WINDOW."""

    def __init__(self) -> None:
        #: Messages per second; None is unlimited.
        self.rate: float | None = None
        self._next_at = 0.0

    def due(self) -> int:
        """How many may start within the next WINDOW."""
        if self.rate is None:
            return sys.maxsize
        now = time.monotonic()
        first = max(self._next_at, now - WINDOW)
        last = now + WINDOW
        return int((last - first) * self.rate) + 1 if first <= last else 0

    def seconds_until_due(self) -> float:
        """Seconds until at least one may start."""
        return max(0.0, self._next_at - WINDOW - time.monotonic())

    def next_delay(self) -> float:
        """Seconds until the next start, which is thereby given away."""
        if self.rate is None:
            return 0.0
        now = time.monotonic()
        start = max(self._next_at, now - WINDOW)
        self._next_at = start + 1 / self.rate
        return max(0.0, start - now)
