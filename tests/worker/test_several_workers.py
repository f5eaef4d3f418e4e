"""Several workers share the work, also under one name."""

from __future__ import annotations

import pytest

from sendonce.simulator.process import SimulatorProcess
from support.database import Connection
from worker.support import (
    Workers,
    accepted_per_recipient,
    recipient,
    start_campaign,
    wait_until,
)


@pytest.mark.parametrize("names", [("one", "two"), ("same", "same")])
def test_two_workers_send_each_message_once_between_them(
    connection: Connection,
    slow_simulator: SimulatorProcess,
    slow_workers: Workers,
    names: tuple[str, str],
) -> None:
    campaign = start_campaign(connection, 300)
    both = [
        slow_workers.start(SENDONCE_WORKER_NAME=name, SENDONCE_BATCH="20", SENDONCE_CONCURRENCY="5")
        for name in names
    ]
    wait_until(lambda: campaign.status() == "completed", "completion")

    assert [worker.stop() for worker in both] == [0, 0]
    assert accepted_per_recipient(slow_simulator) == {recipient(number): 1 for number in range(300)}
    assert all(worker.events("batch.recorded") for worker in both)
    assert campaign.claims() == 0
