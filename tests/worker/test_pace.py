"""Starts are spread by the account's rate, and never more are in flight than there are places."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sendonce.worker import pace as pace_module
from sendonce.worker.pace import WINDOW, Pace, Places


class Time:
    """A clock that stands still until it is moved."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(pace_module, "time", SimpleNamespace(monotonic=lambda: self.now))


def make_pace(rate: float | None) -> Pace:
    pace = Pace()
    pace.rate = rate
    return pace


def test_without_a_rate_everything_may_start_at_once() -> None:
    pace = make_pace(None)
    assert pace.due() > 1_000_000
    assert [pace.next_delay() for _ in range(3)] == [0.0, 0.0, 0.0]


def test_starts_are_evenly_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    Time(monkeypatch)
    pace = make_pace(10)
    pace.next_delay()
    delays = [pace.next_delay() for _ in range(5)]
    gaps = [later - earlier for earlier, later in pairwise(delays)]
    assert gaps == pytest.approx([0.1] * 4)


def test_a_slow_account_waits_for_its_next_start(monkeypatch: pytest.MonkeyPatch) -> None:
    time = Time(monkeypatch)
    pace = make_pace(1)
    assert pace.due() == 1
    pace.next_delay()
    assert pace.due() == 0
    time.now += pace.seconds_until_due() + 1e-6
    assert pace.due() == 1


@settings(deadline=None)
@given(
    rate=st.floats(0.5, 200),
    steps=st.lists(st.floats(0, 0.2), min_size=1, max_size=15),
    rounds=st.integers(1, 3),
)
def test_no_stretch_of_time_holds_more_starts_than_rate_and_window_allow(
    rate: float, steps: list[float], rounds: int
) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        time = Time(monkeypatch)
        pace = make_pace(rate)
        starts: list[float] = []
        for step in steps:
            time.now += step
            for _ in range(rounds):
                starts += [time.now + pace.next_delay() for _ in range(pace.due())]
    starts.sort()
    for first, start in enumerate(starts):
        # What lies between these two, over the time that they span.
        for last in range(first, len(starts), 7):
            span = starts[last] - start
            assert last - first + 1 <= rate * (span + WINDOW) + 2


async def test_places_are_never_exceeded_and_all_are_used() -> None:
    places = Places(16)
    most = 0
    done = 0

    async def work() -> None:
        nonlocal most, done
        taken = await places.take(5)
        most = max(most, places.taken)
        await asyncio.sleep(0)
        places.give_back(taken)
        done += taken

    await asyncio.gather(*(work() for _ in range(50)))
    assert most <= 16
    assert places.free == 16
    assert done >= 50


async def test_who_waits_for_a_place_is_let_go_at_the_close() -> None:
    places = Places(1)
    assert await places.take(3) == 1
    waiting = asyncio.create_task(places.take(1))
    await asyncio.sleep(0)
    places.close()
    assert await waiting == 0
