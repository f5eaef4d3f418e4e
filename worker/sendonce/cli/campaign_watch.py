"""``sendonce campaign watch``: a campaign as it goes, on a terminal or line by line.

It reads one row by primary key a second, so watching costs a campaign nothing. The database may go
away meanwhile: the view says so and asks again, more and more seldom.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg
import typer
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from sendonce.cli import campaign_view, campaign_waits, choose, output
from sendonce.cli.campaign_lists import CampaignArgument
from sendonce.cli.database import Url, call, connected, database_url
from sendonce.errors import CommandError

#: Seconds between two looks at the counters.
_EVERY = 1.0
#: What went wrong is counted from rows: as often, but for at most a fiftieth of the time.
_FAILURES_PAUSE = 50.0
#: Seconds between two looks for what a campaign waits for of which nothing goes out.
_WAITS_EVERY = 2.0
#: The rate is that of the last ten seconds, and known once it rests on two.
_RATE_OVER = 10.0
_RATE_FROM = 2.0
#: Seconds until the next attempt to reach a database that is away: doubled each time.
_FIRST_WAIT = 1.0
_LONGEST_WAIT = 30.0
_ERRORS_SHOWN = 5

#: A connection whose other side vanished without a word would keep the view waiting for ever.
_NOTICE_A_DEAD_CONNECTION = {
    "keepalives_idle": "5",
    "keepalives_interval": "5",
    "keepalives_count": "2",
    "tcp_user_timeout": "15000",
}


class Rate:
    """Contacts settled a second, over the last ten seconds."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def see(self, at: float, settled: int) -> None:
        """Take note of how many were settled at a time."""
        if self._seen and settled < self._seen[-1][1]:
            # A retry has put some back: what was measured before says nothing any more.
            self._seen.clear()
        self._seen.append((at, settled))
        while at - self._seen[0][0] > _RATE_OVER:
            self._seen.popleft()

    def forget(self) -> None:
        """Begin anew, after a time in which nothing was seen."""
        self._seen.clear()

    def value(self) -> float | None:
        """The rate, or None while too little was seen."""
        if len(self._seen) < 2:
            return None
        (first_at, first), (last_at, last) = self._seen[0], self._seen[-1]
        seconds = last_at - first_at
        return (last - first) / seconds if seconds >= _RATE_FROM else None


@dataclass
class Sight:
    """What is known about the campaign at one moment."""

    progress: dict[str, Any]
    failures: dict[str, Any]
    waits: list[str] = field(default_factory=list)
    rate: float | None = None
    away: str | None = None
    #: Seconds until the database is asked again, while it is away.
    asking_in: float = 0.0
    rate_seen: Rate = field(default_factory=Rate)

    def moved_to(self, progress: dict[str, Any]) -> bool:
        """Whether contacts were settled between this sight and these counters."""
        return bool(progress["settled"] != self.progress["settled"])

    def remaining(self) -> float | None:
        """Seconds until the end at the present rate; None where nobody can know."""
        if not self.rate or self.progress["status"] != "running":
            return None
        return float(self.progress["unsettled"]) / self.rate

    def changing(self) -> dict[str, Any]:
        """What makes a new line worth printing."""
        return {
            "progress": self.progress,
            "failures": self.failures,
            "waits": self.waits,
            "away": self.away,
        }

    def held_up(self) -> list[str]:
        """Why nothing goes out, one sentence each."""
        return [*campaign_view.holdups(self.progress), *self.waits]

    def document(self) -> dict[str, Any]:
        """The line of --json."""
        remaining = self.remaining()
        return {
            "event": "progress" if self.away is None else "database_away",
            **({} if self.away is None else {"message": self.away}),
            **self.progress,
            "rate": self.rate,
            "remaining_seconds": None if remaining is None else round(remaining),
            "held_up": self.held_up(),
            "failures": {
                what: self.failures[what] for what in ("failed", "skipped", "undelivered")
            },
        }

    def line(self) -> str:
        """The line for people who read a log."""
        if self.away is not None:
            return f"{time.strftime('%H:%M:%S')}  the database is away: {self.away}; asking again"
        progress = self.progress
        words = [
            time.strftime("%H:%M:%S"),
            str(progress["status"]),
            f"{float(progress['progress']):.2f} %",
            f"{progress['settled']:,} of {progress['total_contacts']:,}",
            f"sent {progress['total_sent']:,}",
            f"failed {progress['total_failed']:,}",
            f"unknown {progress['total_unknown']:,}",
            output.money(progress["actual_cost"], progress["currency"]),
        ]
        if self.rate is not None:
            words.append(campaign_view.rate_text(self.rate))
        remaining = self.remaining()
        if remaining is not None:
            words.append(f"about {campaign_view.duration(remaining)} left")
        words += self.held_up()
        return "  ".join(words)

    def picture(self) -> RenderableType:
        """The live view."""
        remaining = self.remaining()
        rates = [
            ("rate", f"{campaign_view.rate_text(self.rate)}  (the last 10 seconds)"),
            ("left", "-" if remaining is None else f"about {campaign_view.duration(remaining)}"),
        ]
        parts: list[RenderableType] = [
            campaign_view.block(self.progress, rates, self.waits, times=False)
        ]
        # Above what went wrong, for which a small window may have no room.
        if self.away is not None:
            asking = f"asking again in {campaign_view.duration(self.asking_in)}"
            parts.append(Text(f"the database is away: {self.away}; {asking}", style="bold red"))
        wrong = campaign_view.failures(self.failures, most=_ERRORS_SHOWN, one_line_each=True)
        if wrong is not None:
            parts.append(wrong)
        return Group(*parts)


def watch(campaign: CampaignArgument, url: Url = None, as_json: output.AsJson = False) -> None:
    """Watch a campaign until it ends; Ctrl-C ends the view alone.

    Off a terminal it prints one line whenever something changed; with --json one JSON object a
    line.

    Exit codes: 0 completed, 1 cancelled, 2 wrong use or refused by the database; the campaign goes
    on after 130 interrupted, 141 nobody reads the output any more, 143 ended by SIGTERM.
    """
    # Before the first look nothing is known, so a database that is away then is an error.
    with connected(url) as connection:
        campaign_id: UUID = choose.campaign(connection, campaign)["id"]
    try:
        seen = _until_interrupted(_sights(url, campaign_id))
        if as_json:
            status = _print_lines(seen, as_json=True)
        elif sys.stdout.isatty() and not output.console().is_dumb_terminal:
            status = _show(seen)
        else:
            status = _print_lines(seen, as_json=False)
    except KeyboardInterrupt:
        typer.echo("sendonce: the view has ended, the campaign is left as it is", err=True)
        raise typer.Exit(130) from None
    except BrokenPipeError:
        # Python would try to write the rest once more at its end, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(141) from None
    if status == "cancelled":
        raise typer.Exit(1)


def _until_interrupted(seen: Iterator[Sight]) -> Iterator[Sight]:
    """What is seen, until Ctrl-C: also one whose KeyboardInterrupt somebody in between lost.

    Python ignores it where it arrives in a finalizer or in a callback, and the view would go on.
    """
    interrupted: list[int] = []

    def interrupt(number: int, _frame: object) -> None:
        interrupted.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        for sight in seen:
            if interrupted:
                raise KeyboardInterrupt
            yield sight
    finally:
        signal.signal(signal.SIGINT, before)


def _sights(url: str | None, campaign_id: UUID) -> Iterator[Sight]:
    """What is to be seen, about once a second, until the campaign has ended."""
    where = make_conninfo(
        database_url(url),
        **{
            name: value
            for name, value in _NOTICE_A_DEAD_CONNECTION.items()
            if name not in conninfo_to_dict(database_url(url))
        },
    )
    sight: Sight | None = None
    wait = _FIRST_WAIT
    while True:
        try:
            with connected(where) as connection:
                failures_from = waits_at = float("-inf")
                while True:
                    progress = call(connection, "campaign_progress", _campaign_id=campaign_id)
                    now = time.monotonic()
                    ended = progress["status"] in ("completed", "cancelled")
                    if sight is None or ended or now >= failures_from:
                        failures = call(connection, "failure_breakdown", _campaign_id=campaign_id)
                        failures_from = now + _FAILURES_PAUSE * (time.monotonic() - now)
                    else:
                        failures = sight.failures
                    if sight is None:
                        sight = Sight(progress, failures)
                    if campaign_view.holdups(progress) or sight.moved_to(progress):
                        sight.waits = []
                    elif now - waits_at >= _WAITS_EVERY:
                        sight.waits = campaign_waits.waits(connection, progress)
                        waits_at = now
                    sight.progress, sight.failures, sight.away = progress, failures, None
                    sight.rate_seen.see(now, int(progress["settled"]))
                    sight.rate = sight.rate_seen.value()
                    wait = _FIRST_WAIT
                    yield sight
                    if ended:
                        return
                    time.sleep(_EVERY)
        except CommandError as error:
            if sight is None or not _is_away(error.__cause__):
                raise
            sight.away = str(error)
            sight.rate = None
            sight.rate_seen.forget()
            asking_at = time.monotonic() + wait
            wait = min(wait * 2, _LONGEST_WAIT)
            # Seen meanwhile as well: the window may be made another size.
            while (left := asking_at - time.monotonic()) > 0:
                sight.asking_in = left
                yield sight
                time.sleep(min(left, _EVERY))


def _is_away(cause: BaseException | None) -> bool:
    """Whether it may come back by itself: restarted, failed over, out of reach, full."""
    if not isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError):
        return False
    return cause.sqlstate is None or cause.sqlstate[:2] in ("08", "53", "57")


def _show(seen: Iterator[Sight]) -> str:
    """The live view, on the terminal's other screen; what it showed last stays on the first one.

    There a window that is made smaller leaves no halves of lines behind. Returns the last status.
    """
    screen = output.console()
    last: Sight | None = None
    try:
        with _ended_in_order(), Live(console=screen, auto_refresh=False, screen=True) as live:
            for sight in seen:
                last = sight
                live.update(sight.picture(), refresh=True)
    finally:
        if last is not None:
            screen.print(last.picture())
    return "" if last is None else str(last.progress["status"])


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """Let SIGTERM too leave the terminal as it was."""

    def end(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _print_lines(seen: Iterator[Sight], *, as_json: bool) -> str:
    """One line whenever something changed. Returns the last status."""
    status = ""
    printed: dict[str, Any] | None = None
    for sight in seen:
        status = sight.progress["status"]
        changing = sight.changing()
        if changing == printed:
            continue
        printed = changing
        line = json.dumps(sight.document(), ensure_ascii=False) if as_json else sight.line()
        # Whoever reads a pipe wants to see it now.
        print(line, flush=True)
    return status


def register(commands: typer.Typer) -> None:
    """Add this command to the group ``campaign``."""
    commands.command("watch")(watch)
