"""What holds a campaign up, as ``campaign watch`` and ``campaign status`` say it."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from psycopg.rows import dict_row
from typer.testing import CliRunner

from acceptance.abc_support import Campaign, Stage, accepted, call
from cli.terminal import Terminal
from sendonce.cli import campaign_waits
from sendonce.cli.database import call as call_as
from sendonce.cli.main import application
from support.database import Connection, Database


@pytest.fixture
def stage(connection: Connection) -> Stage:
    return Stage(connection)


def status(database: Database, *arguments: str) -> str:
    """The words of `campaign status`, and of its --json where that is asked for."""
    result = CliRunner().invoke(
        application(),
        ["campaign", "status", *arguments],
        env={"SENDONCE_DATABASE_URL": database.url},
    )
    assert result.exit_code == 0, (result.output, result.exception)
    return " ".join(result.stdout.split())


def alive(stage: Stage) -> None:
    """A worker lets hear from itself."""
    call(stage.connection, "worker_heartbeat", "tested-worker", {})


def progress(campaign: Campaign) -> dict[str, Any]:
    """What the database says of a campaign."""
    found = call(campaign.connection, "campaign_progress", campaign.id)
    assert isinstance(found, dict)
    return found


def record(campaign: Campaign, claimed: dict[str, Any], **result: Any) -> None:
    """The provider's same answer for everybody of a claim."""
    campaign.dispatch(claimed)
    campaign.record(
        claimed,
        [
            {"entry_id": entry["entry_id"], "attempt": entry["attempt"], **result}
            for entry in claimed["entries"]
        ],
    )


def test_the_view_names_what_stands_in_the_way_and_forgets_it_when_it_is_gone(
    database: Database, stage: Stage
) -> None:
    campaign = stage.campaign(100)
    change = stage.connection.execute
    with Terminal("campaign", "watch", campaign.id, url=database.url) as terminal:
        terminal.wait_for("held up    no worker is alive: start `sendonce worker`")
        alive(stage)
        terminal.wait_for(lambda screen: "held up" not in screen)
        call(stage.connection, "pause_account", campaign.account, "invoice open")
        terminal.wait_for("held up    its account is paused: invoice open")
        call(stage.connection, "resume_account", campaign.account)
        change("update public.templates set stopped_at = now(), stop_reason = 'paused by Meta'")
        terminal.wait_for("held up    its template is stopped: paused by Meta")
        change("update public.templates set stopped_at = null, stop_reason = null")
        terminal.wait_for(lambda screen: "held up" not in screen)
        while not progress(campaign)["account_resting_until"]:
            record(campaign, campaign.claim(1), outcome="ambiguous")
        resting = progress(campaign)["account_resting_until"]
        until = resting.replace("T", " ")[: len("2999-05-01 12:00:00")]
        terminal.wait_for(f"held up    its account rests until {until}")


def test_a_window_that_is_closed_is_named_with_its_opening(
    database: Database, stage: Stage
) -> None:
    # Not now and not within the next hours, whatever time it is.
    start, end = stage.connection.execute(
        "select (now() at time zone 'UTC' + interval '5 hours')::time(0)::text,"
        " (now() at time zone 'UTC' + interval '6 hours')::time(0)::text"
    ).fetchone() or ("", "")
    stage.campaign(0, name="Probe", start=False)
    made = call(
        stage.connection, "create_campaign", stage.organization, "Nightly", stage.account,
        stage.template, {"window_start": start, "window_end": end, "window_time_zone": "UTC"},
    )  # fmt: skip
    call(
        stage.connection, "add_recipients", str(made),
        [{"recipient": "+99920000001", "variables": {"name": "A"}}],
    )  # fmt: skip
    call(stage.connection, "start_campaign", str(made))
    opening = call(stage.connection, "campaign_progress", str(made))["next_window_opening"]
    said = status(database, str(made))
    assert "held up outside its sending hours, which begin " in said
    assert start in opening


def test_a_scheduled_campaign_says_when_it_starts(database: Database, stage: Stage) -> None:
    campaign = stage.campaign(1, start=False)
    call(stage.connection, "start_campaign", campaign.id, "2999-05-01 12:00Z")
    assert "held up it starts at 2999-05-01 " in status(database, campaign.id)


def test_a_cap_that_is_reached_is_named(database: Database, stage: Stage) -> None:
    account = stage.another_account("106500000000003", limit_group="Portfolio", daily_recipients=2)
    campaign = stage.campaign(5, account=account)
    alive(stage)
    assert "held up" not in status(database, campaign.id)
    claimed = campaign.claim()
    left = campaign.dispatch(claimed)["dispatched"]
    campaign.record(
        claimed, accepted([entry for entry in claimed["entries"] if entry["entry_id"] in left])
    )
    assert campaign.numbers("sent") == (2,)
    sentence = "its limit group has written to as many people as it may within 24 hours"
    assert f"held up {sentence}: there is room at 20" in status(database, campaign.id)
    assert sentence in status(database, campaign.id, "--json")


def test_outcomes_that_are_unknown_and_next_tries_are_waited_for(
    database: Database, stage: Stage
) -> None:
    campaign = stage.campaign(3)
    assert "held up no worker is alive" in status(database, campaign.id)
    claimed = campaign.claim(1)
    # While a worker holds some, nothing is waited for, though it may not let hear from itself.
    assert "held up" not in status(database, campaign.id)
    alive(stage)
    record(campaign, claimed, outcome="ambiguous")
    call(stage.connection, "resume_account", campaign.account)
    assert "held up" not in status(database, campaign.id)
    record(campaign, campaign.claim(1), outcome="rejected", code="131049")
    assert "tried again" not in status(database, campaign.id)
    last = campaign.claim(1)
    campaign.dispatch(last)
    campaign.record(last, accepted(last["entries"]))
    assert "held up what is ready is tried again from " in status(database, campaign.id)
    stage.connection.execute("update public.send_queue set due_at = now() where status = 'ready'")
    final = campaign.claim(1)
    campaign.dispatch(final)
    campaign.record(final, accepted(final["entries"]))
    assert (
        "held up the outcome of 1 message is unknown; `sendonce unknown list` shows until when"
    ) in status(database, campaign.id)


def test_what_has_ended_or_not_begun_waits_for_nothing(database: Database, stage: Stage) -> None:
    for campaign in (stage.campaign(1, start=False), stage.campaign(0, name="Empty")):
        assert "held up" not in status(database, campaign.id)


def test_a_member_who_may_only_look_is_told_as_well(database: Database, stage: Stage) -> None:
    campaign = stage.campaign(1)
    user = uuid4()
    call(stage.connection, "set_member", stage.organization, str(user), "viewer")
    with database.as_member(user) as connection:
        connection.row_factory = dict_row
        seen = call_as(connection, "campaign_progress", _campaign_id=campaign.id)
        assert seen["unsettled"] == 1
        assert campaign_waits.waits(connection, seen) == [
            "no worker is alive: start `sendonce worker`"
        ]
