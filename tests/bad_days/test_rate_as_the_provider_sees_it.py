"""The account's rate as the provider sees it, whoever and however many send."""

from __future__ import annotations

from collections.abc import Sequence

from sendonce.simulator.process import SimulatorProcess
from support.database import Connection
from worker.support import Campaign, Workers, start_campaign, wait_until

RATE = 80
#: Seconds of sending, long enough for the average to mean something.
DURATION = 8


def most_in_a_second(arrivals: Sequence[float]) -> int:
    """The most requests that any stretch of one second held."""
    most = first = 0
    for last, arrival in enumerate(arrivals):
        while arrivals[first] <= arrival - 1:
            first += 1
        most = max(most, last - first + 1)
    return most


def measured(campaign: Campaign, simulator: SimulatorProcess) -> tuple[int, float]:
    """The most in any second, and the average of messages per second, of a whole campaign."""
    wait_until(lambda: campaign.status() == "completed", "the campaign's end")
    arrivals = sorted(
        float(entry["at"]) for entry in simulator.control.ledger(campaign.campaign_id)
    )
    assert len(arrivals) == campaign.size
    return most_in_a_second(arrivals), (len(arrivals) - 1) / (arrivals[-1] - arrivals[0])


def test_four_workers_keep_to_the_rate_and_use_it(
    connection: Connection, simulator: SimulatorProcess, workers: Workers
) -> None:
    simulator.control.set_faults(latency_mean=0.1, latency_jitter=0.1)
    campaign = start_campaign(connection, RATE * DURATION, account_options={"maximum_rate": RATE})
    for _ in range(4):
        workers.start()
    seen = [measured(campaign, simulator)]
    # A machine that is busy with something else delays arrivals and then lets many in at once, so
    # it may try again; what the database hands out is the same each time.
    while not (seen[-1][0] <= RATE * 1.1 and seen[-1][1] >= RATE * 0.95) and len(seen) < 3:
        cloned = campaign.value(
            f"select public.clone_campaign('{campaign.campaign_id}', 'all') ->> 'campaign_id'"
        )
        connection.execute("select public.start_campaign(%s)", [cloned])
        campaign = Campaign(connection, cloned, campaign.account_id, campaign.size)
        seen.append(measured(campaign, simulator))
    assert seen[-1][0] <= RATE * 1.1, seen
    assert seen[-1][1] >= RATE * 0.95, seen
