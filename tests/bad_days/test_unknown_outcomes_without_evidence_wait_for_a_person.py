"""No report ever comes: nothing goes out again by itself, and a person can see and decide."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import pytest

from bad_days.reporting import Campaign, World, open_world
from cli.command import sendonce
from sendonce.simulator.process import SimulatorProcess
from support.database import Database
from worker.support import wait_until


@pytest.fixture
def world(database: Database, simulator: SimulatorProcess) -> Iterator[World]:
    """Worker, provider and webhook, and every report is lost on its way."""
    with open_world(database, simulator) as world:
        simulator.control.set_faults(
            report_lost=1.0, fail_recipients=["cut_after_acceptance=suffix:2"]
        )
        yield world


def lost_one(campaign: Campaign) -> str:
    """The contact whose reply was lost."""
    return f"+999{campaign.sender[-5:]}00002"


def test_it_is_never_sent_again_by_itself_and_is_listed_until_a_person_retries_it_by_name(
    world: World,
) -> None:
    organization = world.call("create_organization", "Acme")
    failing = world.campaign(4, organization=organization, on_unknown="fail")
    holding = world.campaign(4, organization=organization, on_unknown="hold")
    before = world.value("select sendonce.now()")
    world.worker(SENDONCE_WORKER_NAME="the-night-shift")
    failing.wait_for(sent=3, unknown=1)
    holding.wait_for(sent=3, unknown=1)

    # Listed while they wait: since when, which worker, which attempt, until when.
    url = world.database.url
    listed = {
        row["campaign_id"]: row for row in sendonce("unknown", "list", "--json", url=url).json()
    }
    assert set(listed) == {failing.id, holding.id}
    for campaign in (failing, holding):
        row = listed[campaign.id]
        assert (row["recipient"], row["attempt"], row["worker"]) == (
            lost_one(campaign),
            1,
            "the-night-shift",
        )
        assert (
            before
            <= datetime.fromisoformat(row["unknown_since"])
            <= world.value("select sendonce.now()")
        )
        assert row["why"]
    assert listed[failing.id]["settles_at"] is not None
    assert listed[holding.id]["settles_at"] is None
    printed = sendonce("unknown", "list", url=url, settings={"COLUMNS": "160"}).stdout
    assert "the-night-shift" in printed
    assert "held for a person" in printed

    # Weeks go by, with a worker that may send and a provider that would take it.
    world.simulator.control.set_faults(fail_recipients=[])
    world.pass_time("11 minutes")
    failing.wait_for(sent=3, failed__outcome_unknown=1)
    for _ in range(2):
        world.pass_time("15 days")
        for sweep in (
            "expire_claims",
            "settle_overdue_unknown",
            "sweep_cancelled",
            "sweep_reports",
        ):
            world.call(sweep)
        for campaign in (failing, holding):
            assert world.call("claim_messages", "another", campaign.account)["claim_id"] is None
    assert failing.states() == {"sent": 3, "failed/outcome_unknown": 1}
    assert failing.status() == "completed"
    assert holding.states() == {"sent": 3, "unknown": 1}
    assert holding.status() == "running"
    assert len(world.accepted()) == 8
    world.nobody_got_two()
    failed = sendonce("campaign", "entries", failing.id, "--status", "failed", "--json", url=url)
    assert [(row["recipient"], row["error_class"]) for row in failed.json()["entries"]] == [
        (lost_one(failing), "outcome_unknown")
    ]

    # Retrying without its name, and by another name, leaves it alone.
    told = sendonce("campaign", "retry", failing.id, "--json", url=url).json()
    assert (told["moved"], told["outcome_unknown"]) == (0, 1)
    told = sendonce(
        "campaign", "retry", failing.id, "--class", "recipient", "--json", url=url
    ).json()
    assert (told["moved"], told["outcome_unknown"]) == (0, 1)
    world.nobody_got_two()
    # By its name without a yes: nothing either.
    refused = sendonce("campaign", "retry", failing.id, "--class", "outcome_unknown", url=url)
    assert refused.code != 0
    assert failing.states()["failed/outcome_unknown"] == 1

    # By its name: once more, and to nobody else.
    told = sendonce(
        "campaign", "retry", failing.id, "--class", "outcome_unknown", "--yes", "--json", url=url
    ).json()
    assert told["moved"] == 1
    failing.wait_for(sent=4)
    wait_until(lambda: failing.status() == "completed", "completion")
    assert {who: n for who, n in world.accepted().items() if n > 1} == {lost_one(failing): 2}
    assert holding.states() == {"sent": 3, "unknown": 1}

    # The first message's report comes after all: kept, and listed, for that person has two.
    (first,) = (
        entry
        for entry in world.simulator.control.ledger(failing.id, recipient=lost_one(failing))
        if entry["attempt"] == 1
    )
    world.simulator.control.set_faults(report_lost=0.0)
    world.simulator.control.replay_reports(
        provider_message_id=first["provider_message_id"], statuses=["delivered"]
    )
    world.report_everything()
    (listed_twice,) = world.discrepancies()
    assert listed_twice["kind"] == "second_acceptance"
    assert listed_twice["detail"]["provider_message_id"] == first["provider_message_id"]
    assert listed_twice["detail"]["attempt"] == 1
    assert failing.counters()["total_sent"] == 4
    world.sound()


def test_each_account_has_its_own_window_and_policy(world: World) -> None:
    organization = world.call("create_organization", "Acme")
    soon = world.campaign(4, organization=organization, unknown_window="1 minute")
    late = world.campaign(4, organization=organization, unknown_window="3 hours")
    held = world.campaign(
        4, organization=organization, unknown_window="1 minute", on_unknown="hold"
    )
    world.worker()
    for campaign in (soon, late, held):
        campaign.wait_for(sent=3, unknown=1)

    world.pass_time("2 minutes")
    soon.wait_for(sent=3, failed__outcome_unknown=1)
    assert late.states() == {"sent": 3, "unknown": 1}
    assert held.states() == {"sent": 3, "unknown": 1}

    world.pass_time("3 hours")
    late.wait_for(sent=3, failed__outcome_unknown=1)
    assert held.states() == {"sent": 3, "unknown": 1}

    # A person changes the policy: what was held is past its window, and ends.
    changed = sendonce("account", "list", "--json", url=world.database.url).json()
    assert {row["sender"]: row["on_unknown"] for row in changed}[held.sender] == "hold"
    world.connection.execute(
        "select public.upsert_account(a.organization_id, a.provider, a.sender, a.name,"
        ' \'{"on_unknown": "fail"}\') from public.provider_accounts a where a.id = %s',
        [held.account],
    )
    held.wait_for(sent=3, failed__outcome_unknown=1)
    assert [campaign.status() for campaign in (soon, late, held)] == ["completed"] * 3
    world.nobody_got_two()
    world.sound()
