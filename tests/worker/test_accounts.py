"""What differs from account to account: its token and its rate."""

from __future__ import annotations

from sendonce.simulator.process import SimulatorProcess
from support.database import Connection
from worker.support import SENDER, Workers, start_campaign, wait_until


def test_an_account_without_a_token_sends_nothing_and_says_so_loudly(
    connection: Connection, simulator: SimulatorProcess, workers: Workers
) -> None:
    campaign = start_campaign(connection, 10)
    workers.environment["SENDONCE_WHATSAPP_TOKEN_999"] = workers.environment.pop(
        "SENDONCE_WHATSAPP_TOKEN"
    )
    worker = workers.start()
    [unusable] = worker.wait_for_event("account.unusable")
    assert f"SENDONCE_WHATSAPP_TOKEN_{SENDER}" in unusable["reason"]
    assert unusable["level"] == "error"
    wait_until(
        lambda: bool(campaign.value("select max(attempt) > 0 from public.send_queue")), "a try"
    )
    assert worker.stop() == 0
    # Certainly not sent, so the contacts are not burnt: they wait for the token.
    assert campaign.statuses() == {"ready": 10}
    assert list(simulator.control.ledger()) == []


def test_an_account_with_a_token_of_its_own_uses_it(
    connection: Connection, workers: Workers
) -> None:
    campaign = start_campaign(connection, 5)
    token = workers.environment["SENDONCE_WHATSAPP_TOKEN"]
    workers.environment["SENDONCE_WHATSAPP_TOKEN"] = "not-this-one"
    workers.start(**{f"SENDONCE_WHATSAPP_TOKEN_{SENDER}": token})
    wait_until(lambda: campaign.status() == "completed", "completion")
    assert campaign.statuses() == {"sent": 5}


def test_the_accounts_rate_is_kept(
    connection: Connection, simulator: SimulatorProcess, workers: Workers
) -> None:
    # The provider refuses what comes faster than twice the account's rate.
    simulator.control.set_faults(throttle_rate=40)
    campaign = start_campaign(connection, 60, account_options={"maximum_rate": 20})
    workers.start()
    wait_until(lambda: campaign.status() == "completed", "completion")
    assert campaign.statuses() == {"sent": 60}
    assert {entry["outcome"] for entry in simulator.control.ledger()} == {"accepted"}
