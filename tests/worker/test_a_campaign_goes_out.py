"""The whole way: claim, dispatch, send, record, with a real database and a simulated provider."""

from __future__ import annotations

from sendonce.simulator.process import SimulatorProcess
from support.database import Connection
from worker.support import Workers, accepted_per_recipient, recipient, start_campaign, wait_until


def test_every_contact_gets_one_message_and_the_campaign_completes(
    connection: Connection, simulator: SimulatorProcess, workers: Workers
) -> None:
    campaign = start_campaign(connection, 300)
    worker = workers.start()
    wait_until(lambda: campaign.status() == "completed", "completion")

    assert worker.stop() == 0
    assert campaign.statuses() == {"sent": 300}
    assert accepted_per_recipient(simulator) == {recipient(number): 1 for number in range(300)}
    assert campaign.claims() == 0
    assert campaign.violations() == []
