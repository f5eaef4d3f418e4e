"""What one sees meanwhile: a panel in a terminal, elsewhere a line every few seconds."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Final, Self

import psycopg
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from proof.chaos.stack import Stack
from proof.chaos.timeline import Timeline

_LOOK_EVERY: Final = 1.0
_LINE_EVERY: Final = 15.0

_COUNTERS: Final = """
    select count(*), coalesce(sum(total_contacts), 0), coalesce(sum(total_sent), 0),
        coalesce(sum(total_failed), 0), coalesce(sum(total_unknown), 0),
        coalesce(sum(total_skipped + total_cancelled), 0)
    from public.campaigns
"""


class View(AbstractContextManager["View"]):
    """Shows a run while the block runs; `look` is called often."""

    def __init__(self, console: Console, stack: Stack, timeline: Timeline, seconds: float) -> None:
        self._console = console
        self._stack = stack
        self._timeline = timeline
        self._seconds = seconds
        self._live: Live | None = None
        self._next_look = 0.0
        self._next_line = 0.0
        self._numbers = "starting"
        #: What is done at present.
        self.phase = "faults"

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live = Live(console=self._console, auto_refresh=False)
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def look(self) -> None:
        """Look at the campaigns, and say what is to be said."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + _LOOK_EVERY
        self._numbers = self._count()
        if self._live is not None:
            self._live.update(self._panel(), refresh=True)
        elif now >= self._next_line:
            self._next_line = now + _LINE_EVERY
            self._console.print(self._headline(), highlight=False)

    def _count(self) -> str:
        if not self._stack.server_lock.acquire(blocking=False):
            return "the database is away"
        try:
            with self._stack.connect() as connection:
                row = connection.execute(_COUNTERS).fetchone()
        except psycopg.Error:
            return "the database is away"
        finally:
            self._stack.server_lock.release()
        campaigns, contacts, sent, failed, unknown, others = row or (0,) * 6
        return (
            f"{campaigns} campaigns, {contacts:,} contacts: {sent:,} sent, {failed:,} failed, "
            f"{unknown:,} unknown, {others:,} skipped or cancelled"
        )

    def _headline(self) -> str:
        counts: Any = self._timeline.counts
        return (
            f"{self._timeline.seconds:6.0f} of {self._seconds:.0f} s  {self.phase}  "
            f"{counts['over']} faults  {self._numbers}"
        )

    def _panel(self) -> RenderableType:
        lines = [Text(self._headline(), style="bold")]
        lines += [
            Text(f"  {line}", style="dim", overflow="ellipsis", no_wrap=True)
            for line in self._timeline.recent
        ]
        return Group(*lines)
