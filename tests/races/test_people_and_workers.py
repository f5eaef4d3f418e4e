"""What a person does while a worker claims: import, start, pause, cancel."""

import psycopg
import pytest

from races.sessions import RECORD, World, result, results

ADD = "select add_recipients(%s, core.people(%s, %s))"
START = "select start_campaign(%s)"
CLAIM = "select claim_messages('worker-1', core.account_of(%s), %s)"
DISPATCH = "select core.dispatch(%s)"


def test_a_start_waits_for_the_chunk_that_is_being_imported(world: World) -> None:
    """Else a chunk that commits after a claim has passed its ids would never be sent."""
    campaign = world.campaign(0, start=False)
    left, right = world.session(), world.session()
    with left.transaction():
        left.execute(ADD, [campaign, 1, 50])
        waiting = world.call(right, START, campaign)
        waiting.blocked_by(left, world.owner)
    assert waiting.result() == {"status": "running"}
    assert world.counter(campaign, "total_contacts") == "50"
    claimed = world.value(CLAIM, campaign, 1000)
    assert len(claimed["entries"]) == 50
    world.sound(campaign)


def test_a_chunk_waits_for_the_start_and_is_refused(world: World) -> None:
    campaign = world.campaign(1, start=False)
    left, right = world.session(), world.session()
    with left.transaction():
        left.execute(START, [campaign])
        waiting = world.call(right, ADD, campaign, 2, 50)
        waiting.blocked_by(left, world.owner)
    with pytest.raises(psycopg.Error) as refused:
        waiting.result()
    assert refused.value.sqlstate == "SO006"
    assert world.counter(campaign, "total_contacts") == "1"
    world.sound(campaign)


def test_a_chunk_is_added_when_the_start_is_taken_back(world: World) -> None:
    campaign = world.campaign(1, start=False)
    left, right = world.session(), world.session()
    left.execute("begin")
    left.execute(START, [campaign])
    waiting = world.call(right, ADD, campaign, 2, 50)
    waiting.blocked_by(left, world.owner)
    left.execute("rollback")
    assert waiting.result()["added"] == 49
    assert world.status(campaign) == "draft"
    world.sound(campaign)


def test_a_campaign_is_not_completed_between_two_chunks(world: World) -> None:
    """Started by the clock while an import is under way."""
    campaign = world.campaign(0, start=False)
    world.value("select start_campaign(%s, sendonce.now() + interval '1 hour')", campaign)
    world.advance("2 hours")
    left, right = world.session(), world.session()
    with left.transaction():
        left.execute(ADD, [campaign, 1, 10])
        # Bounded sweeps step over what somebody holds; they come again in a second.
        answer = world.call(right, "select start_due_campaigns()").result()
        assert answer["started"] == 0
    assert world.value("select start_due_campaigns()")["started"] == 1
    assert world.status(campaign) == "running"
    world.sound(campaign)


def test_two_imports_that_overlap_in_opposite_order_do_not_deadlock(world: World) -> None:
    campaign = world.campaign(0, start=False)
    left, right = world.session(), world.session()
    backwards = (
        "select add_recipients(%s, (select jsonb_agg(p.value order by p.ordinality desc) "
        "from jsonb_array_elements(core.people(%s, %s)) with ordinality p))"
    )
    with left.transaction():
        left.execute(ADD, [campaign, 1, 100])
        waiting = world.call(right, backwards, campaign, 51, 150)
        waiting.blocked_by(left, world.owner)
    assert waiting.result() == {
        "added": 50,
        "duplicate": 50,
        "suppressed": 0,
        "rejected": [],
        # Of the fifty that it added itself, at the world's 0.05 each.
        "estimated_cost": 2.5,
    }
    assert world.counter(campaign, "total_contacts") == "150"
    world.sound(campaign)


def test_rows_inserted_by_hand_in_opposite_order_meet_the_unique_index(world: World) -> None:
    """Without the campaign's lock the order of the recipients is what keeps two inserts apart."""
    campaign = world.campaign(0, start=False)
    insert = (
        "insert into send_queue (organization_id, account_id, campaign_id, recipient) "
        "select c.organization_id, c.account_id, c.id, core.person(n) "
        "from campaigns c, generate_series(%s::integer, %s::integer) n where c.id = %s "
        "order by core.person(n) "
        "on conflict (campaign_id, recipient) where campaign_id is not null do nothing"
    )
    left, right = world.session(), world.session()
    with left.transaction():
        left.execute(insert, [1, 10, campaign])
        waiting = world.call(
            right, f"with i as ({insert} returning 1) select count(*) from i", 5, 15, campaign
        )
        waiting.blocked_by(left, world.owner)
    assert waiting.result() == 5
    world.sound(campaign)


def test_what_was_claimed_while_a_pause_was_under_way_does_not_leave(world: World) -> None:
    campaign = world.campaign(3)
    person, worker = world.session(), world.session()
    with person.transaction():
        person.execute("select pause_campaign(%s, 'stop')", [campaign])
        # Not committed yet: nobody can know.
        claimed = world.call(worker, CLAIM, campaign, 2).result()
        assert len(claimed["entries"]) == 2
    answer = world.call(worker, DISPATCH, claimed["claim_id"]).result()
    assert answer["dispatched"] == []
    assert [refused["reason"] for refused in answer["refused"]] == ["campaign paused"] * 2
    assert world.value(CLAIM, campaign, 10)["claim_id"] is None
    world.value("select resume_campaign(%s)", campaign)
    assert len(world.value(CLAIM, campaign, 10)["entries"]) == 3
    world.sound(campaign)


def test_a_pause_does_not_wait_for_a_claim_and_stops_its_dispatch(world: World) -> None:
    campaign = world.campaign(3)
    person, worker = world.session(), world.session()
    with worker.transaction():
        row = worker.execute(CLAIM, [campaign, 3]).fetchone()
        assert row is not None
        world.call(person, "select pause_campaign(%s, 'stop')", campaign).result()
    answer = world.call(worker, DISPATCH, row[0]["claim_id"]).result()
    assert answer["dispatched"] == []
    world.sound(campaign)


def test_a_pause_of_the_account_stops_what_is_claimed(world: World) -> None:
    campaign = world.campaign(3)
    person, worker = world.session(), world.session()
    pause = "select pause_account(core.account_of(%s), 'stop')"
    with worker.transaction():
        row = worker.execute(CLAIM, [campaign, 3]).fetchone()
        assert row is not None
        waiting = world.call(person, pause, campaign)
        waiting.blocked_by(worker, world.owner)
    waiting.result()
    answer = world.call(worker, DISPATCH, row[0]["claim_id"]).result()
    assert answer["dispatched"] == []
    world.sound(campaign)


def test_a_cancel_during_a_claim_loses_nothing(world: World) -> None:
    """The sweep waits for the claim, and takes later what the claim gives back."""
    campaign = world.campaign(10)
    person, worker, sweeper = world.session(), world.session(), world.session()
    with worker.transaction():
        row = worker.execute(CLAIM, [campaign, 4]).fetchone()
        assert row is not None
        world.call(person, "select cancel_campaign(%s)", campaign).result()
        sweep = world.call(sweeper, "select sweep_cancelled()")
        sweep.blocked_by(worker, world.owner)
    assert sweep.result()["cancelled"] == 6
    answer = world.call(worker, DISPATCH, row[0]["claim_id"]).result()
    assert answer["dispatched"] == []
    assert world.value("select sweep_cancelled()")["cancelled"] == 4
    assert world.counter(campaign, "total_cancelled") == "10"
    world.sound(campaign)


def test_a_claim_during_a_sweep_gets_nothing_that_is_cancelled(world: World) -> None:
    campaign = world.campaign(10)
    other = world.another_campaign(campaign, 5)
    world.value("select cancel_campaign(%s)", campaign)
    sweeper, worker = world.session(), world.session()
    with sweeper.transaction():
        sweeper.execute("select sweep_cancelled(4)")
        waiting = world.call(worker, CLAIM, campaign, 100)
        waiting.blocked_by(sweeper, world.owner)
    claimed = waiting.result()
    assert {entry["entry_id"] for entry in claimed["entries"]} == set(world.entries(other))
    world.sound(campaign, other)


def test_a_cancel_while_a_result_comes_back(world: World) -> None:
    campaign = world.campaign(2)
    claim = world.hand_out(campaign)
    one, two = world.entries(campaign)
    person, worker = world.session(), world.session()
    with worker.transaction():
        worker.execute(RECORD, [claim, results(result(one, "accepted"))])
        waiting = world.call(person, "select cancel_campaign(%s)", campaign)
        waiting.blocked_by(worker, world.owner)
    waiting.result()
    world.value(RECORD, claim, results(result(two, "not_sent")))
    world.value("select sweep_cancelled()")
    assert [world.state(one), world.state(two)] == ["sent", "cancelled"]
    assert world.status(campaign) == "cancelled"
    world.sound(campaign)
