"""A campaign whose messages fail pauses itself before much of it is wasted."""

from __future__ import annotations

import re
from typing import Final

from bad_days.support import (
    FAST_ACCOUNT,
    FAST_CONCURRENCY,
    FAST_WORKERS,
    Campaign,
    Stage,
    assert_each_got_it_once,
    people,
    requests,
    rule,
    webhook,
)
from cli.command import sendonce
from sendonce.simulator.process import SimulatorProcess
from support.database import Database
from worker.support import wait_until

CONTACTS: Final = 400
#: The share that may fail, and the share that does.
ALLOWED: Final = 0.2
FAILING: Final = 0.5
#: So many outcomes are needed to judge by.
ENOUGH: Final = 50
#: Messages a second.
RATE: Final = 100

_REASON: Final = re.compile(
    r"(\d+) of (\d+) messages failed: more than the 20 % allowed\."
    r" See failure_breakdown, then resume_campaign"
)


def limited(stage: Stage) -> Campaign:
    """A campaign of which a fifth may fail."""
    return stage.campaign(
        people(CONTACTS),
        account=stage.account(maximum_rate=RATE, **FAST_ACCOUNT),
        template=stage.template(),
        maximum_failure_rate=ALLOWED,
    )


def assert_it_says_why(stage: Stage, database: Database, campaign: Campaign) -> tuple[int, int]:
    """In its progress, in the log, and where a person looks; how many failed, of how many."""
    progress = campaign.progress
    assert progress["status"] == "paused"
    said = _REASON.fullmatch(progress["pause_reason"])
    assert said is not None, progress["pause_reason"]
    mine = [
        event for event in stage.events("campaign.paused") if event["campaign_id"] == campaign.id
    ]
    assert mine[-1]["detail"]["reason"] == progress["pause_reason"]
    assert progress["started_at"] < progress["paused_at"] <= mine[-1]["at"]

    shown = sendonce("campaign", "status", campaign.id, url=database.url)
    assert shown.code == 0, shown
    assert progress["pause_reason"] in " ".join(shown.stdout.split())
    assert re.search(r"^paused +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", shown.stdout, re.MULTILINE)
    told = sendonce("campaign", "status", campaign.id, "--json", url=database.url).json()
    assert told["paused_at"] == progress["paused_at"]
    assert told["held_up"] == [f"paused: {progress['pause_reason']}"]
    return int(said[1]), int(said[2])


def test_a_campaign_whose_messages_fail_pauses_itself_and_goes_on_when_told(
    fast_stage: Stage, fast_database: Database, simulator: SimulatorProcess
) -> None:
    """Half of them fail where a fifth is allowed: it stops after those under way."""
    stage = fast_stage
    simulator.control.set_faults(errors={"131026": FAILING}, latency_mean=0.02)
    campaign = limited(stage)
    wait_until(lambda: campaign.status == "paused", "the campaign pauses itself")
    wait_until(lambda: campaign.count("processing") == 0, "what was in flight has come back")

    failed, outcomes = assert_it_says_why(stage, fast_database, campaign)
    assert outcomes >= ENOUGH
    assert failed > ALLOWED * outcomes
    # Not before it was so, and nothing but what was under way after it.
    under_way = 2 * FAST_WORKERS * FAST_CONCURRENCY
    tried = campaign.count("sent", "failed")
    assert outcomes <= tried <= outcomes + under_way
    assert tried <= ENOUGH + 2 * under_way < CONTACTS / 2
    assert sum(requests(simulator, campaign.id).values()) == tried

    # What was wrong is put in order, and a person lets it go on. A failure now and then does not
    # stop it again: what came before is forgiven.
    to_come = sorted(
        (row["id"], who) for who, row in campaign.entries().items() if row["status"] == "ready"
    )
    now_and_then = [who for _, who in to_come[10:30:10]]
    simulator.control.restore_faults()
    simulator.control.set_faults(fail_recipients=[rule(131026, now_and_then)])
    campaign.resume()
    wait_until(lambda: campaign.is_completed, "the rest goes out")
    gone = campaign.entries()
    never = {who for who, row in gone.items() if row["status"] == "failed"}
    assert never >= set(now_and_then)
    assert len(never) == campaign.progress["total_failed"] >= failed + len(now_and_then)
    assert_each_got_it_once(simulator, campaign, set(people(CONTACTS)) - never)
    assert campaign.progress["pause_reason"] is None
    stage.assert_sound()


def test_failures_told_by_reports_pause_a_campaign_as_well(
    fast_stage: Stage, fast_database: Database, simulator: SimulatorProcess
) -> None:
    """The provider accepts everything, and reports for half of it that it did not arrive."""
    stage = fast_stage
    with webhook(fast_database, simulator):
        simulator.control.set_faults(report_errors={"131026": FAILING}, delivered_rate=1.0)
        campaign = limited(stage)
        wait_until(lambda: campaign.status == "paused", "the campaign pauses itself")
        wait_until(lambda: campaign.count("processing") == 0, "what was in flight has come back")
        assert simulator.control.flush_reports()

        failed, outcomes = assert_it_says_why(stage, fast_database, campaign)
        assert outcomes >= ENOUGH
        assert failed > ALLOWED * outcomes
        assert campaign.progress["total_failed"] == 0
        assert campaign.progress["total_undelivered"] >= failed
        assert campaign.count("ready") > CONTACTS / 4

        simulator.control.restore_faults()
        campaign.resume()
        wait_until(lambda: campaign.is_completed, "the rest goes out")
        assert simulator.control.flush_reports()
    # What was accepted is never sent again, whether it arrived or not.
    assert_each_got_it_once(simulator, campaign, people(CONTACTS))
    stage.assert_sound()
