"""Sends the campaign to its end, and kills the worker on the way."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from sendonce.local.demo.campaign import Campaign, HeldEntry, Progress
from sendonce.local.demo.live_view import LiveView
from sendonce.local.demo.settings import LEASE, DemoSettings
from sendonce.local.demo.stack import Worker

#: Seconds between two looks at the progress.
_LOOK_EVERY: Final = 0.1
#: Seconds without any change after which the campaign counts as stuck.
_PATIENCE: Final = 120.0
#: Seconds that statements of a dead worker which the database is still working on may take.
_LAST_STATEMENTS: Final = 0.15


class StuckError(RuntimeError):
    """Something ended that should run, or nothing moves any more; the message says what."""


@dataclass(frozen=True)
class Kill:
    """One time the worker was killed."""

    number: int
    process_id: int
    #: Contacts settled at that moment.
    settled: int
    #: What it had in hand.
    held: tuple[HeldEntry, ...]


def send_campaign(
    campaign: Campaign,
    worker: Worker,
    restart_worker: Callable[[], None],
    view: LiveView,
    settings: DemoSettings,
    ended_programs: Callable[[], list[str]],
) -> list[Kill]:
    """Watch until the campaign is over; return what the kills interrupted.

    `ended_programs` names those of the other programs that are not there any more. Raises
    StuckError.
    """
    kills: list[Kill] = []
    planned = list(settings.kill_at)
    watch = _Watch()
    while True:
        progress = campaign.progress()
        view.show(progress, last=progress.is_over)
        if progress.is_over:
            return kills
        watch.look(progress)
        ended = ended_programs()
        if worker.exit_code is not None:
            ended.append(f"the worker (exit code {worker.exit_code})")
        if ended:
            raise StuckError(f"{', '.join(ended)} ended by itself")
        if (
            planned
            and progress.settled >= planned[0] * progress.total
            # One that has only just started has nothing to lose yet.
            and any(entry.dispatched for entry in _in_its_hands(campaign, kills))
        ):
            share = planned.pop(0)
            kills.append(_kill(kills, share, campaign, worker, view, progress))
            restart_worker()
            view.announce(
                f"a new worker, same name, process {worker.process_id}; what the dead one held "
                f"comes back after {LEASE:g} s"
            )
        time.sleep(_LOOK_EVERY)


class _Watch:
    """Notices when nothing moves any more."""

    def __init__(self) -> None:
        self._last: object = None
        self._since = time.monotonic()

    def look(self, progress: Progress) -> None:
        now = time.monotonic()
        state = dict(progress.counters)
        if state != self._last:
            self._last, self._since = state, now
        elif now - self._since > _PATIENCE:
            reason = progress.obstacle or "no reason is known to the database"
            raise StuckError(f"nothing moved for {_PATIENCE:.0f} s: {reason}")


def _in_its_hands(campaign: Campaign, before: Sequence[Kill]) -> tuple[HeldEntry, ...]:
    """What the running worker holds. Claims of earlier victims, with the same name, may be open."""
    long_held = {(held.entry_id, held.attempt) for kill in before for held in kill.held}
    return tuple(
        held for held in campaign.held_entries() if (held.entry_id, held.attempt) not in long_held
    )


def _kill(
    before: Sequence[Kill],
    share: float,
    campaign: Campaign,
    worker: Worker,
    view: LiveView,
    progress: Progress,
) -> Kill:
    process_id = worker.process_id
    worker.kill()
    time.sleep(_LAST_STATEMENTS)
    held = _in_its_hands(campaign, before)
    on_their_way = sum(entry.dispatched for entry in held)
    view.announce(
        f"kill {len(before) + 1} at {share * 100:.0f} %: SIGKILL to process {process_id}, with "
        f"{len(held)} contacts in hand, {on_their_way} of them on their way"
    )
    return Kill(len(before) + 1, process_id, progress.settled, held)
