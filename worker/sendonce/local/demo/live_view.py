"""What one sees meanwhile: bar and counters in a terminal, elsewhere a line every few seconds."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Final, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sendonce.local.demo.campaign import Progress
from sendonce.local.demo.layout import hanging

#: Seconds over which the rate is taken.
_RATE_OVER: Final = 4.0
#: Seconds between two lines where there is no terminal.
_LINE_EVERY: Final = 3.0
_REFRESHES_PER_SECOND: Final = 5
#: Columns of the terminal.
_BESIDE_THE_BAR: Final = 72
_LONGEST_BAR: Final = 36


class Pace:
    """Contacts settled per second, over the last seconds, and when the rest will be."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def note(self, settled: int, now: float) -> None:
        """Take in how many are settled at a time (seconds, any monotonic clock)."""
        self._seen.append((now, settled))
        while self._seen[-1][0] - self._seen[0][0] > _RATE_OVER:
            self._seen.popleft()

    @property
    def rate(self) -> float:
        """Per second."""
        if len(self._seen) < 2:
            return 0.0
        (first_at, first), (last_at, last) = self._seen[0], self._seen[-1]
        return max(last - first, 0) / (last_at - first_at) if last_at > first_at else 0.0

    def seconds_left(self, unsettled: int) -> float | None:
        """Seconds until so many more are settled, None while nothing moves."""
        return unsettled / self.rate if self.rate > 0 else None


class LiveView(AbstractContextManager["LiveView"]):
    """Shows a campaign while the block runs."""

    def __init__(self, console: Console, started_at: float) -> None:
        """`started_at`: monotonic time at which the sending began, for the times shown."""
        self._console = console
        self._started_at = started_at
        self._pace = Pace()
        self._live: Live | None = None
        self._next_line = 0.0
        self._bar = min(max(console.width - _BESIDE_THE_BAR, 8), _LONGEST_BAR)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live = Live(
                console=self._console,
                refresh_per_second=_REFRESHES_PER_SECOND,
                auto_refresh=False,
                transient=False,
            )
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

    def announce(self, text: str) -> None:
        """Say what has just happened; it stays on the screen."""
        seconds = time.monotonic() - self._started_at
        self._console.print(hanging(f"{seconds:5.1f} s", Text(text, style="bold yellow"), 7))

    def show(self, progress: Progress, *, last: bool = False) -> None:
        """Show where it stands."""
        now = time.monotonic()
        self._pace.note(progress.settled, now)
        if self._live is not None:
            self._live.update(self._picture(progress, now), refresh=True)
        elif now >= self._next_line or last:
            self._next_line = now + _LINE_EVERY
            self._console.print(self._line(progress, now), highlight=False, soft_wrap=True)

    def _eta(self, progress: Progress) -> str:
        unsettled = progress.total - progress.settled
        if unsettled == 0:
            return "done"
        if progress.obstacle is not None:
            return progress.obstacle
        if unsettled == progress.unknown:
            return "waiting for reports"
        seconds = self._pace.seconds_left(unsettled)
        return "ETA --:--" if seconds is None else f"ETA {_clock(seconds)}"

    def _line(self, progress: Progress, now: float) -> str:
        sending, reported = _counts(progress)
        counts = ", ".join(f"{name} {value}" for name, value in sending + reported)
        return (
            f"  {now - self._started_at:5.1f} s  {progress['progress']:6.2f} %  "
            f"{progress.settled:,} of {progress.total:,} settled, {self._pace.rate:,.0f}/s, "
            f"{self._eta(progress)} | {counts}"
        )

    def _picture(self, progress: Progress, now: float) -> RenderableType:
        head = Table.grid(padding=(0, 2))
        head.add_row(
            Text(f"  {now - self._started_at:5.1f} s", style="dim"),
            ProgressBar(total=max(progress.total, 1), completed=progress.settled, width=self._bar),
            f"{progress['progress']:6.2f} %",
            f"{progress.settled:,} of {progress.total:,} settled",
            f"{self._pace.rate:,.0f}/s",
            self._eta(progress),
        )
        sending, reported = _counts(progress)
        return Group(head, _count_line(sending), _count_line(reported))


def _counts(progress: Progress) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Contacts by state of sending, and what was reported about those that were sent."""
    waiting = progress.total - progress.settled - progress.unknown - progress.in_hand
    return (
        [
            ("sent", f"{progress['total_sent']:,}"),
            ("failed", f"{progress['total_failed']:,}"),
            ("skipped", f"{progress['total_skipped']:,}"),
            ("unknown", f"{progress.unknown:,}"),
            ("in hand", f"{progress.in_hand:,}"),
            ("waiting", f"{max(waiting, 0):,}"),
        ],
        [
            ("delivered", f"{progress['total_delivered']:,}"),
            ("read", f"{progress['total_read']:,}"),
            ("undelivered", f"{progress['total_undelivered']:,}"),
            ("cost", f"{progress['actual_cost']:,.2f} {progress['currency']}"),
        ],
    )


def _count_line(counts: Sequence[tuple[str, str]]) -> Text:
    line = Text(" " * 11)
    for place, (name, value) in enumerate(counts):
        if place:
            line.append(" · ", style="dim")
        line.append(f"{name} ", style="dim")
        line.append(value, style="dim" if value == "0" else "bold")
    return line


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds + 0.5), 60)
    return f"{minutes}:{rest:02d}"
