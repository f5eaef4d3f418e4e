"""What a person decides afterwards, at the instant at which somebody else decides otherwise."""

from uuid import UUID

import psycopg
import pytest

from races.sessions import RECORD, World, result, results

BRING = "select core.bring(%s, %s)"
CANCEL = "select cancel_campaign(%s)"
RETRY = "select retry_failed(%s)"
RESOLVE = "select resolve_unknown(%s, %s)"
REPAIR = "select repair_campaign(%s, false)"
SEND = (
    "select send_message(core.organization_of(%s), core.account_of(%s), core.template_of(%s),"
    " %s, '{}', 'order-1')"
)


def failed_campaign(world: World, contacts: int = 2) -> UUID:
    """Make a running campaign whose first contact has failed."""
    campaign = world.campaign(contacts)
    assert world.value(BRING, world.entry(campaign), "failed") == "failed"
    return campaign


def forge(world: World, campaign: UUID, change: str) -> None:
    """Write the campaign's row as an owner who has disabled its guard."""
    world.owner.execute("alter table campaigns disable trigger guard_campaign")
    world.owner.execute(f"update campaigns set {change} where id = %s".encode(), [campaign])
    world.owner.execute("alter table campaigns enable trigger guard_campaign")


def refused(error: pytest.ExceptionInfo[psycopg.Error]) -> str | None:
    """Return the SQLSTATE."""
    return error.value.sqlstate


def test_a_retry_waits_for_the_cancel_and_is_taken_back(world: World) -> None:
    campaign = failed_campaign(world)
    left, right = world.session(), world.session()
    with left.transaction():
        left.execute(CANCEL, [campaign])
        waiting = world.call(right, RETRY, campaign)
        waiting.blocked_by(left, world.owner)
    with pytest.raises(psycopg.Error) as error:
        waiting.result()
    assert refused(error) == "SO006"
    assert world.state(world.entry(campaign)) == "failed"
    world.sound(campaign)


def test_a_decision_to_send_again_waits_for_the_cancel_and_is_taken_back(world: World) -> None:
    campaign = world.campaign(2)
    entry = world.entry(campaign)
    world.value(BRING, entry, "unknown")
    left, right = world.session(), world.session()
    with left.transaction():
        left.execute(CANCEL, [campaign])
        waiting = world.call(right, RESOLVE, entry, "retry")
        waiting.blocked_by(left, world.owner)
    with pytest.raises(psycopg.Error) as error:
        waiting.result()
    assert refused(error) == "SO006"
    assert world.state(entry) == "unknown"
    world.sound(campaign)


def test_a_cancel_after_the_retry_sweeps_what_came_back(world: World) -> None:
    campaign = failed_campaign(world, 1)
    left, right = world.session(), world.session()
    with left.transaction():
        assert left.execute(RETRY, [campaign]).fetchone() == ({"moved": 1, "more": False},)
        waiting = world.call(right, CANCEL, campaign)
        waiting.blocked_by(left, world.owner)
    waiting.result()
    while world.value("select sweep_cancelled()")["more"]:
        pass
    assert world.state(world.entry(campaign)) == "cancelled"
    world.sound(campaign)


def test_two_retries_move_each_entry_once(world: World) -> None:
    campaign = failed_campaign(world)
    left, right = world.session(), world.session()
    with left.transaction():
        left.execute(RETRY, [campaign])
        waiting = world.call(right, RETRY, campaign)
        waiting.blocked_by(left, world.owner)
    assert waiting.result() == {"moved": 0, "more": False}
    assert world.counter(campaign, "total_failed") == "0"
    world.sound(campaign)


def test_a_retry_leaves_the_entry_that_a_report_has_proven_sent(world: World) -> None:
    """Else somebody who has the message would get it again."""
    campaign = failed_campaign(world)
    entry = world.entry(campaign)
    left, right = world.session(), world.session()
    with left.transaction():
        left.execute("select core.report(%s, 'delivered')", [entry])
        waiting = world.call(right, RETRY, campaign)
        waiting.blocked_by(left, world.owner)
    assert waiting.result() == {"moved": 0, "more": False}
    assert world.state(entry) == "sent/delivered"
    world.sound(campaign)


def test_two_people_decide_about_one_entry_and_the_second_is_told(world: World) -> None:
    campaign = world.campaign(2)
    entry = world.entry(campaign)
    world.value(BRING, entry, "unknown")
    left, right = world.session(), world.session()
    with left.transaction():
        left.execute(RESOLVE, [entry, "fail"])
        waiting = world.call(right, RESOLVE, entry, "retry")
        waiting.blocked_by(left, world.owner)
    with pytest.raises(psycopg.Error) as error:
        waiting.result()
    assert refused(error) == "SO006"
    assert world.state(entry) == "failed"
    world.sound(campaign)


def test_a_repair_waits_for_the_result_and_counts_it(world: World) -> None:
    """Else it would write what it counted before, and the result would be lost to the counters."""
    campaign = world.campaign(3)
    claim = world.hand_out(campaign)
    entry = world.entry(campaign)
    forge(world, campaign, "total_unknown = 2")
    left, right = world.session(), world.session()
    with left.transaction():
        left.execute(RECORD, [claim, results(result(entry, "accepted"))])
        waiting = world.call(right, REPAIR, campaign)
        waiting.blocked_by(left, world.owner)
    repaired = waiting.result()
    assert repaired["differs"]
    assert (repaired["after"]["total_sent"], repaired["after"]["total_unknown"]) == (1, 0)
    world.sound(campaign)


def test_a_result_waits_for_the_repair_and_is_counted_on_top(world: World) -> None:
    campaign = world.campaign(3)
    claim = world.hand_out(campaign)
    entry = world.entry(campaign)
    forge(world, campaign, "total_unknown = 2")
    left, right = world.session(), world.session()
    with left.transaction():
        left.execute(REPAIR, [campaign])
        waiting = world.call(right, RECORD, claim, results(result(entry, "accepted")))
        waiting.blocked_by(left, world.owner)
    assert waiting.result()["sent"] == 1
    assert world.counter(campaign, "total_sent") == "1"
    world.sound(campaign)


def test_one_idempotency_key_at_the_same_instant_is_one_message(world: World) -> None:
    campaign = world.campaign(0)
    left, right = world.session(), world.session()
    with left.transaction():
        first = left.execute(SEND, [campaign, campaign, campaign, "+99900000001"]).fetchone()
        waiting = world.call(right, SEND, campaign, campaign, campaign, "+99900000001")
        waiting.blocked_by(left, world.owner)
    assert first is not None
    assert waiting.result() == first[0] | {"repeated": True}
    assert world.value("select count(*) from send_queue") == 1


def test_a_key_whose_first_use_is_taken_back_is_free(world: World) -> None:
    campaign = world.campaign(0)
    left, right = world.session(), world.session()
    left.execute("begin")
    left.execute(SEND, [campaign, campaign, campaign, "+99900000001"])
    waiting = world.call(right, SEND, campaign, campaign, campaign, "+99900000002")
    waiting.blocked_by(left, world.owner)
    left.execute("rollback")
    assert waiting.result()["repeated"] is False


def test_another_body_under_the_same_key_is_refused_at_the_same_instant_too(world: World) -> None:
    campaign = world.campaign(0)
    left, right = world.session(), world.session()
    with left.transaction():
        left.execute(SEND, [campaign, campaign, campaign, "+99900000001"])
        waiting = world.call(right, SEND, campaign, campaign, campaign, "+99900000002")
        waiting.blocked_by(left, world.owner)
    with pytest.raises(psycopg.Error) as error:
        waiting.result()
    assert refused(error) == "SO030"


def test_a_step_of_cloning_waits_for_the_start_and_is_refused(world: World) -> None:
    """Else entries would be added behind the cursor's back, and never be sent."""
    campaign = world.campaign(3)
    clone = world.value("select clone_campaign(%s) ->> 'campaign_id'", campaign)
    world.value("select clone_recipients(%s, 'all', 0, 1)", clone)
    left, right = world.session(), world.session()
    with left.transaction():
        left.execute("select start_campaign(%s)", [clone])
        waiting = world.call(right, "select clone_recipients(%s, 'all')", clone)
        waiting.blocked_by(left, world.owner)
    with pytest.raises(psycopg.Error) as error:
        waiting.result()
    assert refused(error) == "SO006"
    assert world.counter(clone, "total_contacts") == "1"
    world.sound(clone)


def test_who_verifies_sees_all_of_a_result_or_nothing(world: World) -> None:
    campaign = world.campaign(3)
    claim = world.hand_out(campaign)
    entries = world.entries(campaign)
    left = world.session()
    verify = "select coalesce(array_agg(v.name), '{}') from verify_invariants() v"
    assert world.value(verify) == []
    with left.transaction():
        told = results(*(result(entry, "accepted") for entry in entries))
        left.execute(RECORD, [claim, told])
        assert world.value(verify) == []
    assert world.value(verify) == []
    assert world.status(campaign) == "completed"
