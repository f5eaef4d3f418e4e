"""A worker may die between any two instructions; nobody gets a second message for it."""

from __future__ import annotations

import signal

import pytest

from sendonce.simulator.process import SimulatorProcess
from sendonce.worker.stop_points import POINTS
from support.database import Connection
from worker.support import (
    Workers,
    accepted_per_recipient,
    assert_nobody_got_it_twice,
    start_campaign,
    wait_until,
)

#: Leases and windows that end within a test, and a request that fits into such a lease.
SHORT = {"lease": "4 seconds", "unknown_window": "1 second"}
REQUEST_TIMEOUT = {"SENDONCE_REQUEST_TIMEOUT": "3"}


def test_sigkill_in_the_middle_and_a_restart_with_the_same_name_sends_nobody_twice(
    connection: Connection, slow_simulator: SimulatorProcess, slow_workers: Workers
) -> None:
    campaign = start_campaign(connection, 300, account_options=SHORT)
    for sent in (40, 120):
        worker = slow_workers.start(**REQUEST_TIMEOUT)
        wait_until(lambda: campaign.statuses().get("sent", 0) > sent, "some messages")  # noqa: B023
        worker.send(signal.SIGKILL)
        assert worker.wait() == -signal.SIGKILL

    last = slow_workers.start(**REQUEST_TIMEOUT)
    wait_until(lambda: campaign.status() == "completed", "completion")
    assert last.stop() == 0
    assert_nobody_got_it_twice(campaign, slow_simulator)
    # What the dead ones had dispatched stays visible, the others were served.
    assert campaign.statuses()["sent"] > 150


@pytest.mark.parametrize("point", POINTS)
def test_a_crash_at_every_point_of_the_path_sends_nobody_twice(
    connection: Connection, simulator: SimulatorProcess, workers: Workers, point: str
) -> None:
    campaign = start_campaign(connection, 60, account_options=SHORT)
    settings = {"SENDONCE_BATCH": "20", "SENDONCE_CONCURRENCY": "4"} | REQUEST_TIMEOUT
    # The first claim of all, so that nothing was dispatched before; elsewhere in the middle.
    passes = 1 if point == "after_claim" else 2
    crashing = workers.start(SENDONCE_STOP_AT=f"{point}:{passes}", **settings)
    assert crashing.wait() == -signal.SIGKILL
    after_crash = campaign.statuses()
    assert after_crash.get("processing", 0) > 0

    workers.start(**settings)
    wait_until(lambda: campaign.status() == "completed", "completion")
    assert_nobody_got_it_twice(campaign, simulator)
    accepted = accepted_per_recipient(simulator)
    unknown = campaign.statuses().get("failed", 0)
    if point == "after_claim":
        # Nothing was dispatched, so nothing is in doubt.
        assert unknown == 0
    if point in ("after_dispatch", "request_half_written", "after_acceptance", "before_record"):
        assert unknown > 0
    if point in ("after_acceptance", "before_record"):
        # These people do have the message, and the database does not know it.
        assert len(accepted) > campaign.statuses()["sent"]


def test_an_unknown_stop_point_is_refused(workers: Workers) -> None:
    worker = workers.start(SENDONCE_STOP_AT="somewhere")
    assert worker.wait() == 2
    assert worker.log().startswith("sendonce: SENDONCE_STOP_AT: no point is called 'somewhere'")
