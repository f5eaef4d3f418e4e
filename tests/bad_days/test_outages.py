"""An outage of minutes: the account rests, says so, and goes on by itself; nobody gets it twice.

Minutes pass in seconds, because the database's clock runs faster here.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from bad_days.support import (
    FAST_ACCOUNT,
    FAST_CONCURRENCY,
    FAST_WORKERS,
    Campaign,
    Stage,
    accepted,
    people,
)
from sendonce.simulator.process import SimulatorProcess
from worker.support import wait_until

CONTACTS: Final = 140
#: Messages a second, by each worker's own clock.
RATE: Final = 75
#: Requests in flight at a time.
IN_FLIGHT: Final = FAST_WORKERS * FAST_CONCURRENCY


def under_way(stage: Stage) -> Campaign:
    """A campaign of which the workers have sent a part."""
    account = stage.account(maximum_rate=RATE, **FAST_ACCOUNT)
    campaign = stage.campaign(people(CONTACTS), account=account, template=stage.template())
    wait_until(lambda: campaign.count("sent") >= CONTACTS / 5, "a part has gone out")
    return campaign


def rests(stage: Stage) -> list[dict[str, Any]]:
    """The rests that the log tells of."""
    return stage.events("account.rests")


def lasts(rest: dict[str, Any]) -> timedelta:
    """How long a rest was to last when it was logged, a moment after it had begun."""
    until = datetime.fromisoformat(rest["detail"]["until"])
    return until - datetime.fromisoformat(rest["at"])


def assert_it_rests_visibly(stage: Stage, campaign: Campaign) -> None:
    """Whoever looks sees that it rests, until when, and why."""
    told = rests(stage)
    progress = campaign.progress
    assert (progress["status"], progress["account_paused"]) == ("running", None)
    assert progress["account_resting_until"] == told[-1]["detail"]["until"]
    assert progress["account_rest_reason"] == told[-1]["detail"]["reason"]
    assert "outcomes in a row told nothing, the last: " in progress["account_rest_reason"]
    # Each twice as long as the one before.
    for rest, seconds in zip(told, (30, 60, 120), strict=True):
        assert timedelta(seconds=seconds / 2) < lasts(rest) <= timedelta(seconds=seconds)
    assert {rest["account_id"] for rest in told} == {campaign.account}


def assert_one_probed(stage: Stage) -> None:
    """Between the second rest and the third the account learned of one outcome."""
    _, second, third = (rest["detail"]["unsure_in_a_row"] for rest in rests(stage))
    assert third == second + 1


def assert_few_are_unknown(stage: Stage, campaign: Campaign) -> set[str]:
    """What was in flight when it began, and the probes, may be unknown; nobody else."""
    entries = campaign.entries()
    unknown = {who for who, row in entries.items() if row["status"] != "sent"}
    assert {entries[who]["error_class"] for who in unknown} <= {"outcome_unknown"}
    # More may have started until the first had come back without an answer.
    assert len(unknown) <= 3 * IN_FLIGHT + len(rests(stage)) - 1
    # That is less than what was still to be sent.
    assert 4 * IN_FLIGHT < CONTACTS * 4 / 5
    return unknown


@pytest.mark.parametrize("mode", ["unavailable", "provider_error", "cut", "silence"])
def test_after_an_outage_of_minutes_everything_goes_out_once(
    mode: str, fast_stage: Stage, simulator: SimulatorProcess
) -> None:
    """Nobody has to get up: the account rests, probes ever more seldom, and goes on."""
    stage = fast_stage
    campaign = under_way(stage)
    simulator.control.start_outage(mode)
    # Two probes have found that it lasts.
    wait_until(lambda: len(rests(stage)) >= 3, "the account rests for the third time")
    assert_it_rests_visibly(stage, campaign)
    if mode != "silence":
        # What was in flight had its answer before the second rest; then one entry probed.
        assert_one_probed(stage)
    simulator.control.end_outage()
    wait_until(lambda: campaign.is_completed, "the campaign completes by itself")

    unknown = assert_few_are_unknown(stage, campaign)
    if mode == "provider_error":
        # The provider said no, so that nothing is unknown, and nobody used up his tries.
        assert unknown == set()
    others = set(people(CONTACTS)) - unknown
    assert accepted(simulator, campaign.id) == dict.fromkeys(others, 1)
    assert campaign.progress["account_resting_until"] is None

    # The rest goes out when a person says so by name.
    campaign.retry_failed(["outcome_unknown"])
    wait_until(lambda: campaign.is_completed, "what was unknown goes out")
    assert accepted(simulator, campaign.id) == dict.fromkeys(people(CONTACTS), 1)
    stage.assert_sound()


def test_a_provider_that_cannot_be_reached_costs_no_contact_anything(
    fast_stage: Stage, simulator: SimulatorProcess, ledger_file: Path
) -> None:
    """Where no connection was made nothing is unknown, and no try is used."""
    stage = fast_stage
    campaign = under_way(stage)
    simulator.stop()
    try:
        wait_until(lambda: len(rests(stage)) >= 3, "the account rests for the third time")
        assert_it_rests_visibly(stage, campaign)
        assert_one_probed(stage)
    finally:
        simulator.start()
    wait_until(lambda: campaign.is_completed, "the campaign completes by itself")

    entries = campaign.entries()
    # Only what was written when it went may be unknown.
    unknown = {who for who, row in entries.items() if row["status"] != "sent"}
    assert len(unknown) <= IN_FLIGHT
    assert {row["tries"] for row in entries.values()} == {0}
    got_it = written_down(ledger_file, campaign)
    assert set(got_it.values()) == {1}
    assert set(entries) - unknown <= set(got_it)
    stage.assert_sound()


def written_down(ledger_file: Path, campaign: Campaign) -> Counter[str]:
    """How many messages the provider accepted for whom, over all its lives."""
    lines = map(json.loads, ledger_file.read_text(encoding="utf-8").splitlines())
    return Counter(
        line["recipient"]
        for line in lines
        if line["event"] == "request"
        and line["outcome"] == "accepted"
        and line["campaign"] == campaign.id
    )
