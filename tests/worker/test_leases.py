"""When a request may start: after its committed dispatch, and only while the lease is long enough.

The database is in memory here, and only here, because a real one cannot be made to lose an answer
or to end a lease between two given instructions.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from sendonce.transports.base import (
    CallRefusedError,
    Claim,
    ClaimGoneError,
    DatabaseAwayError,
    Dispatch,
    Entry,
    Recorded,
    RefusedEntry,
    Result,
)
from sendonce.worker.engine import NOT_STARTED, Engine, EngineSettings
from worker.memory_transport import MemoryAdapter, MemoryTransport, make_claim
from worker.support import PATIENCE

REQUEST_TIMEOUT = 5.0


@pytest.fixture
def sleep_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let the lease clock jump, as it does when a machine wakes up."""
    slept = 0.0
    real = time.clock_gettime

    def clock_gettime(which: int) -> float:
        return real(which) + slept

    def sleep(seconds: float) -> None:
        nonlocal slept
        slept += seconds

    monkeypatch.setattr(time, "clock_gettime", clock_gettime)
    return sleep


@asynccontextmanager
async def engine_for(
    transport: MemoryTransport, adapter: MemoryAdapter, *, concurrency: int = 10
) -> AsyncIterator[Engine]:
    """A running engine, stopped at the end of the block."""
    engine = Engine(
        EngineSettings(
            worker_name="w",
            account_id=None,
            batch=100,
            concurrency=concurrency,
            request_timeout=REQUEST_TIMEOUT,
            stop_timeout=30.0,
        ),
        transport,
        {"whatsapp": adapter},
    )
    running = asyncio.create_task(engine.run())
    try:
        async with asyncio.timeout(PATIENCE):
            yield engine
    finally:
        engine.stop("end of the test")
        async with asyncio.timeout(PATIENCE):
            await running


async def until(condition: Callable[[], bool]) -> None:
    """Let the engine work until something holds; the engine's own time limit fails the test."""
    while not condition():  # noqa: ASYNC110 -- whatever the condition looks at, at any time
        await asyncio.sleep(0.005)


async def test_a_claim_is_sent_once_dispatched_and_recorded() -> None:
    transport, adapter = MemoryTransport(make_claim(5)), MemoryAdapter()
    async with engine_for(transport, adapter):
        await until(lambda: len(transport.results) == 5)
    assert sorted(adapter.sent) == [1, 2, 3, 4, 5]
    assert {result.outcome for result in transport.results.values()} == {"accepted"}
    assert transport.results[3].provider_message_id == "wamid.3"


async def test_only_what_was_dispatched_is_sent() -> None:
    class Refusing(MemoryTransport):
        async def begin_dispatch(self, claim_id: int, entry_ids: Sequence[int]) -> Dispatch:
            await super().begin_dispatch(claim_id, entry_ids)
            first = entry_ids[0] == 1
            return Dispatch(
                lease_seconds=60.0,
                dispatched=(1,) if first else tuple(entry_ids),
                refused=(RefusedEntry(2, "skipped", "suppressed"),) if first else (),
                later=(4,) if first else (),
                later_seconds=0.01,
            )

    transport, adapter = Refusing(make_claim(4)), MemoryAdapter()
    async with engine_for(transport, adapter):
        await until(lambda: len(transport.results) == 2)
    # 2 was refused, 3 is not named at all; 4 was only to wait, and is asked for again.
    assert adapter.sent == [1, 4]
    assert transport.asked == [(1, 2, 3, 4), (4,)]


async def test_a_lease_not_longer_than_a_request_starts_nothing_and_is_said_loudly() -> None:
    transport, adapter = MemoryTransport(make_claim(3, lease=REQUEST_TIMEOUT)), MemoryAdapter()
    with capture_logs() as logs:
        async with engine_for(transport, adapter):
            await until(lambda: transport.released == [1])
    assert transport.asked == []
    assert adapter.sent == []
    assert [log["log_level"] for log in logs if log["event"] == "claim.lease_too_short"] == [
        "error"
    ]


async def test_a_lease_counts_from_before_the_call(
    sleep_of_the_machine: Callable[[float], None],
) -> None:
    class Slow(MemoryTransport):
        async def claim_messages(self, worker: str, account_id: str | None, limit: int) -> Any:
            answer = await super().claim_messages(worker, account_id, limit)
            if isinstance(answer, Claim):
                sleep_of_the_machine(58.0)
            return answer

        async def renew_claims(self, claim_ids: Sequence[int]) -> Any:
            return {}

    transport, adapter = Slow(make_claim(3, lease=60.0)), MemoryAdapter()
    async with engine_for(transport, adapter):
        await until(lambda: bool(transport.released))
    # Of 60 s only 2 are left: too few for a request of 5.
    assert transport.asked == []
    assert adapter.sent == []


async def test_a_short_lease_is_renewed_before_the_next_dispatch(
    sleep_of_the_machine: Callable[[float], None],
) -> None:
    async def nap(entry: Entry) -> None:
        if entry.entry_id == 1:
            sleep_of_the_machine(57.0)

    transport, adapter = MemoryTransport(make_claim(2)), MemoryAdapter(nap)
    async with engine_for(transport, adapter, concurrency=1):
        await until(lambda: len(transport.results) == 2)
    assert transport.renewed.is_set()
    assert adapter.sent == [1, 2]


async def test_nothing_starts_when_the_machine_slept_between_dispatch_and_start(
    sleep_of_the_machine: Callable[[float], None],
) -> None:
    class Sleepy(MemoryTransport):
        async def begin_dispatch(self, claim_id: int, entry_ids: Sequence[int]) -> Dispatch:
            answer = await super().begin_dispatch(claim_id, entry_ids)
            sleep_of_the_machine(3600.0)
            return answer

    transport, adapter = Sleepy(make_claim(2)), MemoryAdapter()
    async with engine_for(transport, adapter):
        await until(lambda: len(transport.results) == 2)
    assert adapter.sent == []
    assert {(r.outcome, r.code) for r in transport.results.values()} == {("not_sent", NOT_STARTED)}


async def test_nothing_starts_when_the_claim_was_lost_between_dispatch_and_start() -> None:
    engines: list[Engine] = []

    class Losing(MemoryTransport):
        async def begin_dispatch(self, claim_id: int, entry_ids: Sequence[int]) -> Dispatch:
            answer = await super().begin_dispatch(claim_id, entry_ids)
            # As a renewal does that runs meanwhile.
            engines[0]._lose(engines[0]._held[claim_id], "not renewed")
            return answer

    transport, adapter = Losing(make_claim(2)), MemoryAdapter()
    async with engine_for(transport, adapter) as engine:
        engines.append(engine)
        await until(lambda: len(transport.results) == 2)
    assert adapter.sent == []
    assert {result.code for result in transport.results.values()} == {NOT_STARTED}


async def test_a_claim_that_is_gone_is_dropped_and_running_requests_are_still_recorded() -> None:
    lost = asyncio.Event()

    class Losing(MemoryTransport):
        async def begin_dispatch(self, claim_id: int, entry_ids: Sequence[int]) -> Dispatch:
            if self.asked:
                lost.set()
                raise ClaimGoneError("SO020", "the claim is gone")
            return await super().begin_dispatch(claim_id, entry_ids)

    async def wait_for_loss(entry: Entry) -> None:
        if entry.entry_id == 2:
            await lost.wait()

    transport, adapter = Losing(make_claim(6)), MemoryAdapter(wait_for_loss)
    with capture_logs() as logs:
        async with engine_for(transport, adapter, concurrency=2):
            await until(lambda: len(transport.results) == 2)
    assert adapter.sent == [1, 2]
    assert sorted(transport.results) == [1, 2]
    # Not released either: it is not ours any more.
    assert transport.released == []
    assert [log["event"] for log in logs].count("claim.lost") == 1


async def test_a_claim_is_renewed_while_its_requests_run() -> None:
    transport = MemoryTransport(make_claim(1, lease=REQUEST_TIMEOUT + 1))
    transport.lease = REQUEST_TIMEOUT + 1

    async def until_renewed(entry: Entry) -> None:
        await transport.renewed.wait()

    adapter = MemoryAdapter(until_renewed)
    async with engine_for(transport, adapter):
        await until(lambda: len(transport.results) == 1)
    assert adapter.sent == [1]


async def test_a_claim_that_could_not_be_renewed_starts_nothing_more(
    sleep_of_the_machine: Callable[[float], None],
) -> None:
    renewal = asyncio.Event()

    class Forgetting(MemoryTransport):
        async def renew_claims(self, claim_ids: Sequence[int]) -> Any:
            renewal.set()
            return {}

    async def until_lost(entry: Entry) -> None:
        # A third of the lease is over, so it is time to renew; what is left would be enough.
        sleep_of_the_machine(25.0)
        await renewal.wait()

    transport, adapter = Forgetting(make_claim(3, lease=60.0)), MemoryAdapter(until_lost)
    with capture_logs() as logs:
        async with engine_for(transport, adapter, concurrency=1):
            await until(lambda: len(transport.results) == 1)
            await until(lambda: "batch.recorded" in [log["event"] for log in logs])
    assert adapter.sent == [1]
    assert transport.asked == [(1,)]
    assert [log["forgotten"] for log in logs if log["event"] == "claim.lost"] == [2]


async def test_a_dispatch_whose_answer_got_lost_is_asked_for_again_and_sent_once() -> None:
    class Forgetful(MemoryTransport):
        async def begin_dispatch(self, claim_id: int, entry_ids: Sequence[int]) -> Dispatch:
            answer = await super().begin_dispatch(claim_id, entry_ids)
            if len(self.asked) == 1:
                raise DatabaseAwayError("the connection was lost after the commit")
            return answer

    transport, adapter = Forgetful(make_claim(3)), MemoryAdapter()
    async with engine_for(transport, adapter):
        await until(lambda: len(transport.results) == 3)
    assert transport.asked == [(1, 2, 3), (1, 2, 3)]
    assert sorted(adapter.sent) == [1, 2, 3]


async def test_results_are_kept_until_they_are_confirmed() -> None:
    class Away(MemoryTransport):
        refusals = 3

        async def record_results(self, claim_id: int, results: Sequence[Result]) -> Recorded:
            if self.refusals:
                self.refusals -= 1
                raise DatabaseAwayError("gone")
            return await super().record_results(claim_id, results)

    transport, adapter = Away(make_claim(20)), MemoryAdapter()
    with capture_logs() as logs:
        async with engine_for(transport, adapter):
            await until(lambda: len(transport.results) == 20)
    assert sorted(adapter.sent) == list(range(1, 21))
    events = [log["event"] for log in logs]
    assert events.count("database.away") == events.count("database.back")


async def test_one_result_that_the_database_cannot_take_does_not_hold_up_the_others() -> None:
    class Picky(MemoryTransport):
        async def record_results(self, claim_id: int, results: Sequence[Result]) -> Recorded:
            if any(result.entry_id == 7 for result in results):
                raise CallRefusedError("22P05", "unsupported Unicode escape sequence")
            return await super().record_results(claim_id, results)

    transport, adapter = Picky(make_claim(10)), MemoryAdapter()
    with capture_logs() as logs:
        async with engine_for(transport, adapter):
            await until(lambda: len(transport.results) == 9)
    assert 7 not in transport.results
    assert [log["entry_id"] for log in logs if log["event"] == "result.refused"] == [7]


async def test_what_is_dispatched_but_not_started_at_a_stop_is_recorded_as_such() -> None:
    engines: list[Engine] = []

    async def stop(entry: Entry) -> None:
        engines[0].stop("SIGTERM")

    # Two starts within the window of one dispatch: the second one comes after the stop.
    transport, adapter = MemoryTransport(make_claim(10, rate=30.0)), MemoryAdapter(stop)
    async with engine_for(transport, adapter) as engine:
        engines.append(engine)
        await until(lambda: bool(transport.released))
    dispatched = set(transport.asked[0])
    assert len(dispatched) > len(adapter.sent)
    assert set(transport.results) == dispatched
    for entry_id, result in transport.results.items():
        expected = "accepted" if entry_id in adapter.sent else "not_sent"
        assert result.outcome == expected


async def test_a_request_in_flight_at_a_stop_is_finished_and_recorded() -> None:
    engines: list[Engine] = []

    async def stop_and_go_on(entry: Entry) -> None:
        engines[0].stop("SIGTERM")
        # Longer than anything else has to do for a stop.
        await asyncio.sleep(0.3)

    transport, adapter = MemoryTransport(make_claim(1)), MemoryAdapter(stop_and_go_on)
    async with engine_for(transport, adapter) as engine:
        engines.append(engine)
        await until(lambda: bool(adapter.sent))
    assert transport.results[1].outcome == "accepted"


async def test_an_adapter_that_crashes_leaves_an_ambiguous_outcome() -> None:
    async def crash(entry: Entry) -> None:
        raise ZeroDivisionError

    transport, adapter = MemoryTransport(make_claim(1)), MemoryAdapter(crash)
    with capture_logs() as logs:
        async with engine_for(transport, adapter):
            await until(lambda: len(transport.results) == 1)
    assert transport.results[1].outcome == "ambiguous"
    assert "request.crashed" in [log["event"] for log in logs]
