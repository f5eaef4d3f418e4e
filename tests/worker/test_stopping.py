"""A stop is a non-event: what is in flight is finished and recorded, the rest is given back."""

from __future__ import annotations

import signal

import pytest

from sendonce.simulator.process import SimulatorProcess
from support.database import Connection
from worker.support import (
    Workers,
    assert_nobody_got_it_twice,
    start_campaign,
    wait_until,
)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_in_the_middle_exits_0_and_leaves_nothing_in_hand(
    connection: Connection,
    slow_simulator: SimulatorProcess,
    slow_workers: Workers,
    number: signal.Signals,
) -> None:
    campaign = start_campaign(connection, 300)
    worker = slow_workers.start()
    wait_until(lambda: campaign.statuses().get("sent", 0) > 40, "some messages")
    worker.send(number)

    assert worker.wait() == 0
    assert campaign.claims() == 0
    statuses = campaign.statuses()
    # Nothing was cut off: no outcome is unknown, and it did stop in the middle.
    assert set(statuses) == {"sent", "ready"}
    [stopping] = worker.events("worker.stopping")
    assert stopping["reason"] == number.name
    [stopped] = worker.events("worker.stopped")
    assert stopped["unrecorded"] == 0

    slow_workers.start()
    wait_until(lambda: campaign.status() == "completed", "completion by the next worker")
    assert campaign.statuses() == {"sent": 300}
    assert_nobody_got_it_twice(campaign, slow_simulator)


def test_a_second_signal_stops_at_once_with_1(
    connection: Connection, slow_simulator: SimulatorProcess, slow_workers: Workers
) -> None:
    slow_simulator.control.set_faults(latency_mean=30.0, latency_jitter=0.0)
    start_campaign(connection, 50)
    worker = slow_workers.start(SENDONCE_REQUEST_TIMEOUT="50")
    wait_until(
        lambda: any(event["entries"] for event in worker.events("claim.received")), "a claim"
    )
    wait_until(lambda: slow_simulator.control.statistics()["requests"] > 0, "a request under way")
    worker.send(signal.SIGTERM)
    worker.wait_for_event("worker.stopping")
    worker.send(signal.SIGTERM)
    assert worker.wait() == 1
    assert worker.events("worker.stopped") == []


def test_a_stop_of_an_idle_worker_exits_0(workers: Workers) -> None:
    worker = workers.start()
    worker.wait_for_event("worker.started")
    assert worker.stop() == 0
