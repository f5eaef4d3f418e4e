"""A message that may have gone out waits for evidence, and takes it at any time."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator

import pytest

from bad_days.reporting import World, open_world
from sendonce.simulator.process import SimulatorProcess
from support.database import Database
from worker.support import wait_until

#: Ways to lose the reply to a message that went out, each for the contacts whose number ends so.
LOST_REPLIES = {
    "cut_after_acceptance": "1",
    "truncated_reply": "3",
    "server_error_after_acceptance": "5",
    "garbage_after_acceptance": "7",
    "provider_server_error_after_acceptance": "9",
}


@pytest.fixture
def world(database: Database, simulator: SimulatorProcess) -> Iterator[World]:
    """Worker, provider and webhook around the test's own database; no report leaves as yet."""
    with open_world(database, simulator) as world:
        simulator.control.set_faults(reports_held=True)
        yield world


def test_a_message_whose_reply_was_lost_is_sent_by_its_report(world: World) -> None:
    world.simulator.control.set_faults(
        fail_recipients=[f"{fault}=suffix:{digit}" for fault, digit in LOST_REPLIES.items()]
    )
    campaign = world.campaign(20)
    world.worker()
    campaign.wait_for(sent=10, unknown=10)
    assert campaign.status() == "running"

    world.report_everything()
    assert campaign.states() == {"sent": 20}
    assert campaign.status() == "completed"
    assert {attempt["outcome"] for attempt in campaign.attempts()} == {"accepted"}
    campaign.everyone_has_the_message_id_of_the_provider()
    world.nobody_got_two()
    world.sound()


@pytest.mark.parametrize("lease", ["has run", "is over"])
def test_what_a_killed_worker_could_not_store_is_sent_by_its_report(
    world: World, lease: str
) -> None:
    campaign = world.campaign(12)
    crashing = world.worker(SENDONCE_STOP_AT="after_acceptance:5", SENDONCE_BATCH="6")
    assert crashing.wait() == -signal.SIGKILL
    # What it had written before it died may still be on its way into the ledger.
    wait_until(lambda: world.simulator.control.statistics()["open_requests"] == 0, "its requests")
    stored = campaign.states()["sent"]
    taken = len(world.accepted())
    assert taken > stored

    if lease == "is over":
        world.pass_time("2 minutes")
        world.connection.execute("select public.expire_claims()")
        assert campaign.states()["unknown"] >= taken - stored
    else:
        assert campaign.states()["processing"] >= taken - stored
    # Nothing but the reports moves anything here: no worker runs.
    world.report_everything()
    assert campaign.states()["sent"] == taken
    world.nobody_got_two()

    world.pass_time("2 minutes")
    world.worker()
    wait_until(
        lambda: campaign.states()["ready"] + campaign.states()["processing"] == 0, "the rest"
    )
    world.report_everything()
    world.pass_time("11 minutes")
    wait_until(lambda: campaign.status() == "completed", "completion")
    # Whoever has it is sent, and whoever is not sent has not got it.
    campaign.everyone_sent_is_in_the_ledger_and_nobody_else()
    assert set(campaign.states()) <= {"sent", "failed/outcome_unknown"}
    world.nobody_got_two()
    world.sound()


def test_a_report_an_hour_late_settles_what_had_been_given_up_in_a_campaign_of_any_state(
    world: World,
) -> None:
    world.simulator.control.set_faults(fail_recipients=["cut_after_acceptance=suffix:2"])
    going_on, paused, cancelled = (world.campaign(3) for _ in range(3))
    held = world.campaign(3, on_unknown="hold")
    every = (going_on, paused, cancelled, held)
    world.worker()
    for campaign in every:
        campaign.wait_for(sent=2, unknown=1)
    world.call("pause_campaign", paused.id, "lunch")
    world.call("cancel_campaign", cancelled.id)

    world.pass_time("11 minutes")
    for campaign in (going_on, paused, cancelled):
        campaign.wait_for(sent=2, failed__outcome_unknown=1)
    assert [campaign.status() for campaign in every] == [
        "completed",
        "completed",
        "cancelled",
        "running",
    ]
    assert held.states() == {"sent": 2, "unknown": 1}
    assert [campaign.counters()["total_failed"] for campaign in every] == [1, 1, 1, 0]

    world.pass_time("49 minutes")
    world.report_everything()
    assert [campaign.states() for campaign in every] == [{"sent": 3}] * 4
    assert [campaign.status() for campaign in every] == [
        "completed",
        "completed",
        "cancelled",
        "completed",
    ]
    assert [
        (campaign.counters()["total_sent"], campaign.counters()["total_failed"])
        for campaign in every
    ] == [(3, 0)] * 4
    world.nobody_got_two()
    world.sound()


def test_a_report_within_the_window_settles_an_entry_of_a_cancelled_campaign(
    world: World,
) -> None:
    world.simulator.control.set_faults(fail_recipients=["cut_after_acceptance=suffix:1"])
    campaign = world.campaign(2)
    world.worker()
    campaign.wait_for(sent=1, unknown=1)
    world.call("cancel_campaign", campaign.id)
    world.report_everything()
    assert campaign.states() == {"sent": 2}
    assert campaign.status() == "cancelled"
    world.nobody_got_two()
    world.sound()


def test_the_late_result_of_a_stalled_worker_settles_what_had_been_given_up(world: World) -> None:
    # It is the result that has to settle it, so no report comes.
    world.simulator.control.set_faults(latency_mean=2.5, report_lost=1.0)
    campaign = world.campaign(8)
    # A request outlasts the time that the worker is away; half of its claim has no request yet.
    stalled = world.worker(
        SENDONCE_REQUEST_TIMEOUT="50", SENDONCE_CONCURRENCY="4", SENDONCE_WORKER_NAME="stalled"
    )
    wait_until(lambda: world.simulator.control.statistics()["open_requests"] == 4, "four requests")
    stalled.send(signal.SIGSTOP)
    try:
        wait_until(lambda: len(world.accepted()) == 4, "four acceptances")
        world.simulator.control.set_faults(latency_mean=0.0)
        world.pass_time("2 minutes")
        other = world.worker(SENDONCE_WORKER_NAME="other")
        campaign.wait_for(sent=4, unknown=4)
        world.pass_time("11 minutes")
        campaign.wait_for(sent=4, failed__outcome_unknown=4)
        assert campaign.status() == "completed"
    finally:
        stalled.send(signal.SIGCONT)
    campaign.wait_for(sent=8)
    campaign.everyone_has_the_message_id_of_the_provider()
    assert Counter(attempt["worker"] for attempt in campaign.attempts()) == {
        "stalled": 4,
        "other": 4,
    }
    assert campaign.counters()["total_failed"] == 0
    # What it still held had been sent by the other meanwhile.
    assert stalled.stop() == 0
    assert other.stop() == 0
    world.nobody_got_two()
    world.sound()
