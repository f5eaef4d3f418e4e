"""Patience with a database that goes away and comes back: one log line per change, not per try."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from sendonce.transports.base import (
    CallRefusedError,
    DatabaseAwayError,
    DatabaseBusyError,
    TransportError,
)
from sendonce.worker.clock import lease_clock

Answer = TypeVar("Answer")

#: Seconds before the second try, and at most between two.
FIRST_WAIT = 0.1
LONGEST_WAIT = 5.0


class GaveUpError(Exception):
    """The caller did not want to wait any longer. The last call may have been executed."""


class DatabaseWatch:
    """Knows whether the database answers, and repeats calls until it does."""

    def __init__(self) -> None:
        self._log = structlog.get_logger()
        self._away_since: float | None = None
        self._answered = asyncio.Event()

    @property
    def is_away(self) -> bool:
        """Whether the last call that tells had no answer."""
        return self._away_since is not None

    async def until_answered(
        self, call: Callable[[], Awaitable[Answer]], *, while_true: Callable[[], bool]
    ) -> Answer:
        """Make a call, again and again with growing waits, until the database answers.

        Raises CallRefusedError when the answer is an error of its own, and GaveUpError after a
        failed try when ``while_true`` says no.
        """
        tries = 0
        while True:
            try:
                return await self.once(call)
            except CallRefusedError:
                raise
            except TransportError as error:
                if not while_true():
                    raise GaveUpError(str(error)) from error
            await self._wait(min(FIRST_WAIT * 2**tries, LONGEST_WAIT))
            tries = min(tries + 1, 10)

    async def once(self, call: Callable[[], Awaitable[Answer]]) -> Answer:
        """Make a call a single time and note what its answer says about the database."""
        try:
            answer = await call()
        except CallRefusedError:
            self._note_answer()
            raise
        except DatabaseBusyError as error:
            self._note_answer()
            self._log.warning("database.busy", reason=str(error))
            raise
        except TransportError as error:
            self._note_trouble(error)
            raise
        self._note_answer()
        return answer

    def _note_trouble(self, error: TransportError) -> None:
        if self._away_since is None:
            self._away_since = lease_clock()
            self._answered.clear()
            if isinstance(error, DatabaseAwayError):
                self._log.warning("database.away", reason=str(error))
            else:
                self._log.error("database.unfit", reason=str(error))

    def _note_answer(self) -> None:
        if self._away_since is not None:
            seconds = round(lease_clock() - self._away_since, 1)
            self._away_since = None
            self._answered.set()
            self._log.info("database.back", away_seconds=seconds)

    async def _wait(self, seconds: float) -> None:
        """Wait, with jitter so that many workers do not come back at once; less if it answers."""
        seconds *= random.uniform(0.5, 1.0)  # noqa: S311 -- spreads load, guards nothing
        if not self.is_away:
            await asyncio.sleep(seconds)
            return
        try:
            async with asyncio.timeout(seconds):
                await self._answered.wait()
        except TimeoutError:
            pass
