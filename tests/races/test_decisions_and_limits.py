"""A person decides while the provider reports, and workers share what is limited."""

import psycopg
import pytest

from races.sessions import RECORD, REPORT, World, result, results

CLAIM = "select claim_messages(%s, core.account_of(%s), %s)"
DISPATCH = "select core.dispatch(%s)"


def refused(call_error: pytest.ExceptionInfo[psycopg.Error]) -> str | None:
    """Return the SQLSTATE with which a call was refused."""
    return call_error.value.sqlstate


def test_a_retry_waits_for_the_evidence_and_sends_nothing_again(world: World) -> None:
    campaign = world.campaign(2)
    claim = world.hand_out(campaign)
    one, two = world.entries(campaign)
    told = results(result(one, "rejected", code="135000"), result(two, "rejected", code="135000"))
    world.value(RECORD, claim, told)
    webhook, person = world.session(), world.session()
    with webhook.transaction():
        webhook.execute(REPORT, [one, "delivered"])
        waiting = world.call(person, "select retry_failed(%s)", campaign)
        waiting.blocked_by(webhook, world.owner)
    assert waiting.result() == {"moved": 1, "more": False}
    assert [world.state(one), world.state(two)] == ["sent/delivered", "ready"]
    assert world.status(campaign) == "running"
    world.sound(campaign)


def test_evidence_waits_for_the_retry_and_takes_the_entry_back(world: World) -> None:
    campaign = world.campaign(1)
    claim = world.hand_out(campaign)
    entry = world.entry(campaign)
    world.value(RECORD, claim, results(result(entry, "rejected", code="135000")))
    webhook, person = world.session(), world.session()
    with person.transaction():
        person.execute("select retry_failed(%s)", [campaign])
        waiting = world.call(webhook, REPORT, entry, "sent")
        waiting.blocked_by(person, world.owner)
    assert waiting.result()["applied"] == 1
    assert world.state(entry) == "sent"
    assert world.status(campaign) == "completed"
    assert world.value(CLAIM, "worker-1", campaign, 10)["claim_id"] is None
    world.sound(campaign)


def test_a_retry_that_meets_a_cancel_moves_nothing(world: World) -> None:
    campaign = world.campaign(2)
    claim = world.hand_out(campaign, 1)
    entry = world.entry(campaign)
    world.value(RECORD, claim, results(result(entry, "rejected", code="135000")))
    canceller, person = world.session(), world.session()
    with canceller.transaction():
        canceller.execute("select cancel_campaign(%s)", [campaign])
        waiting = world.call(person, "select retry_failed(%s)", campaign)
        waiting.blocked_by(canceller, world.owner)
    with pytest.raises(psycopg.Error) as error:
        waiting.result()
    assert refused(error) == "SO006"
    assert world.state(entry) == "failed"
    world.sound(campaign)


def test_a_decision_waits_for_the_report_and_is_refused(world: World) -> None:
    """The outcome has become known: deciding to send again would be a second message."""
    campaign = world.campaign(1)
    claim = world.hand_out(campaign)
    entry = world.entry(campaign)
    world.value(RECORD, claim, results(result(entry, "ambiguous")))
    webhook, person = world.session(), world.session()
    with webhook.transaction():
        webhook.execute(REPORT, [entry, "sent"])
        waiting = world.call(person, "select resolve_unknown(%s, 'retry')", entry)
        waiting.blocked_by(webhook, world.owner)
    with pytest.raises(psycopg.Error) as error:
        waiting.result()
    assert refused(error) == "SO006"
    assert world.state(entry) == "sent"
    world.sound(campaign)


def test_a_decision_and_the_sweep_at_the_same_instant(world: World) -> None:
    campaign = world.campaign(1)
    claim = world.hand_out(campaign)
    entry = world.entry(campaign)
    world.value(RECORD, claim, results(result(entry, "ambiguous")))
    world.advance("1 hour")
    person, worker = world.session(), world.session()
    with person.transaction():
        person.execute("select resolve_unknown(%s, 'retry')", [entry])
        assert world.call(worker, "select settle_overdue_unknown()").result()["failed"] == 0
    assert world.state(entry) == "ready"
    world.sound(campaign)


def test_two_persons_start_one_campaign(world: World) -> None:
    campaign = world.campaign(1, start=False)
    left, right = world.session(), world.session()
    with left.transaction():
        left.execute("select start_campaign(%s)", [campaign])
        waiting = world.call(right, "select start_campaign(%s)", campaign)
        waiting.blocked_by(left, world.owner)
    with pytest.raises(psycopg.Error) as error:
        waiting.result()
    assert refused(error) == "SO006"
    assert world.value("select count(*) from campaign_events where event = 'campaign.started'") == 1
    world.sound(campaign)


def test_two_accounts_of_one_group_do_not_exceed_its_cap(world: World) -> None:
    first = world.campaign(0)
    group = '{"limit_group": "portfolio", "daily_recipients": 3}'
    campaigns = [
        world.value(
            "select core.campaign(core.account(core.organization_of(%s), %s::jsonb), "
            "core.template_of(%s), 0, false)",
            first,
            group,
            first,
        )
        for _ in range(2)
    ]
    # Six people, nobody in both.
    for number, campaign in enumerate(campaigns):
        people = [campaign, 10 * number + 1, 10 * number + 3]
        world.value("select add_recipients(%s, core.people(%s, %s))", *people)
        world.value("select start_campaign(%s)", campaign)
    claims = [world.value(CLAIM, "w", campaign, 3)["claim_id"] for campaign in campaigns]
    left, right = world.session(), world.session()
    with left.transaction():
        answer = left.execute(
            "select begin_dispatch(%s, (select entry_ids[1:2] from claims where id = %s))",
            [claims[0], claims[0]],
        ).fetchone()
        assert answer is not None
        assert len(answer[0]["dispatched"]) == 2
        waiting = world.call(right, DISPATCH, claims[1])
        waiting.blocked_by(left, world.owner)
    second = waiting.result()
    assert (len(second["dispatched"]), len(second["refused"])) == (1, 2)
    assert world.value("select count(*) from sendonce.limit_group_recipients") == 3
    world.sound(*campaigns)


def test_two_workers_of_one_account_share_its_tokens(world: World) -> None:
    campaign = world.campaign(40, account={"maximum_rate": 100})
    # The clock stands still here, so that no token comes in while one waits.
    world.owner.execute(
        "create or replace function sendonce.now() returns timestamptz language sql volatile "
        "set search_path = '' as $$ select timestamptz '2100-01-01' $$"
    )
    claims = [world.value(CLAIM, f"w{n}", campaign, 20)["claim_id"] for n in range(2)]
    left, right = world.session(), world.session()
    with left.transaction():
        answer = left.execute(DISPATCH, [claims[0]]).fetchone()
        assert answer is not None
        waiting = world.call(right, DISPATCH, claims[1])
        waiting.blocked_by(left, world.owner)
    second = waiting.result()
    # What an account may save up: the tokens of a twentieth of a second.
    assert len(answer[0]["dispatched"]) == 5
    assert second["dispatched"] == []
    assert len(second["later"]) == 20
    world.sound(campaign)


def test_two_workers_notice_a_restored_database_at_the_same_instant(world: World) -> None:
    campaigns = [world.campaign(1), world.campaign(1)]
    world.owner.execute("update sendonce.database_identity set timeline = 'FFFFFFFF'")
    left, right = world.session(), world.session()
    claim = "select claim_messages(%s)"
    with left.transaction():
        first = left.execute(claim, ["worker-1"]).fetchone()
        assert first is not None
        assert first[0]["claim_id"] is None
        waiting = world.call(right, claim, "worker-2")
        waiting.blocked_by(left, world.owner)
    assert waiting.result()["claim_id"] is None
    assert world.value("select count(*) from provider_accounts where paused_at is null") == 0
    events = "select count(*) from campaign_events where event = 'account.paused'"
    assert world.value(events) == 2
    world.sound(*campaigns)


def test_a_dispatch_sees_the_pause_that_came_while_it_waited(world: World) -> None:
    """The account is looked at after the wait for the claim, not before."""
    campaign = world.campaign(1)
    claim = world.value(CLAIM, "worker-1", campaign, 1)["claim_id"]
    holder, worker = world.session(), world.session()
    with holder.transaction():
        holder.execute("select from claims for no key update")
        waiting = world.call(worker, DISPATCH, claim)
        waiting.blocked_by(holder, world.owner)
        world.value("select pause_account(core.account_of(%s), 'stop')", campaign)
    answer = waiting.result()
    assert answer["dispatched"] == []
    assert answer["refused"][0]["reason"] == "account paused"
    world.sound(campaign)
