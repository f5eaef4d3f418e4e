"""Our own result and the provider's report at the same instant, and one message id for two."""

import json
from typing import Any

import pytest

from races.sessions import INGEST, RECORD, REPORT, World, result, results


def report(world: World, entry: int, wamid: str, status: str = "sent") -> dict[str, Any]:
    """Return one report with the reference, as the webhook hands it over."""
    told = world.value(
        "select jsonb_build_object('app', a.app, 'sender', a.sender, 'provider_message_id', "
        "%s::text, 'status', %s::text, 'timestamp', '1772452800', 'reference', "
        "format('so1:%%s:%%s:%%s', q.campaign_id, q.id, q.attempt)) from send_queue q "
        "join provider_accounts a on a.id = q.account_id where q.id = %s",
        wamid,
        status,
        entry,
    )
    assert isinstance(told, dict)
    return told


def test_a_result_waits_for_the_report_and_is_no_news(world: World) -> None:
    campaign = world.campaign(1)
    claim = world.hand_out(campaign)
    entry = world.entry(campaign)
    webhook, worker = world.session(), world.session()
    with webhook.transaction():
        webhook.execute(REPORT, [entry, "delivered"])
        waiting = world.call(worker, RECORD, claim, results(result(entry, "accepted")))
        waiting.blocked_by(webhook, world.owner)
    answer = waiting.result()
    assert (answer["recorded"], answer["already"]) == (0, 1)
    assert answer["claim_open"] is False
    assert world.state(entry) == "sent/delivered"
    assert world.counter(campaign, "actual_cost") == "0.050000"
    assert world.value("select count(*) from messages") == 1
    world.sound(campaign)


def test_a_report_waits_for_the_result_and_adds_to_it(world: World) -> None:
    campaign = world.campaign(1)
    claim = world.hand_out(campaign)
    entry = world.entry(campaign)
    webhook, worker = world.session(), world.session()
    with worker.transaction():
        worker.execute(RECORD, [claim, results(result(entry, "accepted"))])
        waiting = world.call(webhook, REPORT, entry, "delivered")
        waiting.blocked_by(worker, world.owner)
    assert waiting.result()["applied"] == 1
    assert world.state(entry) == "sent/delivered"
    assert world.counter(campaign, "actual_cost") == "0.050000"
    assert world.value("select count(*) from messages") == 1
    world.sound(campaign)


@pytest.mark.parametrize("outcome", ["ambiguous", "rejected", "not_sent"])
def test_a_result_that_says_otherwise_does_not_undo_the_report(world: World, outcome: str) -> None:
    campaign = world.campaign(1)
    claim = world.hand_out(campaign)
    entry = world.entry(campaign)
    webhook, worker = world.session(), world.session()
    told = results(result(entry, outcome, code="131016"))
    with webhook.transaction():
        webhook.execute(REPORT, [entry, "sent"])
        waiting = world.call(worker, RECORD, claim, told)
        waiting.blocked_by(webhook, world.owner)
    waiting.result()
    assert world.state(entry) == "sent"
    assert world.value("select count(*) from claims") == 0
    world.sound(campaign)


@pytest.mark.parametrize("outcome", ["ambiguous", "rejected", "not_sent"])
def test_a_report_corrects_the_result_that_it_waited_for(world: World, outcome: str) -> None:
    campaign = world.campaign(1)
    claim = world.hand_out(campaign)
    entry = world.entry(campaign)
    webhook, worker = world.session(), world.session()
    with worker.transaction():
        worker.execute(RECORD, [claim, results(result(entry, outcome, code="131016"))])
        waiting = world.call(webhook, REPORT, entry, "sent")
        waiting.blocked_by(worker, world.owner)
    assert waiting.result()["applied"] == 1
    assert world.state(entry) == "sent"
    assert world.value("select claim_messages('worker-1')")["claim_id"] is None
    world.sound(campaign)


def test_one_message_id_in_two_results_at_the_same_instant(world: World) -> None:
    """The one that comes second is kept out; the rest of its batch is recorded."""
    campaign = world.campaign(4)
    left_claim, right_claim = world.hand_out(campaign, 1), world.hand_out(campaign, 3)
    one, two, three, four = world.entries(campaign)
    left, right = world.session(), world.session()
    with left.transaction():
        told = results(result(one, "accepted", provider_message_id="wamid.same"))
        left.execute(RECORD, [left_claim, told])
        waiting = world.call(
            right,
            RECORD,
            right_claim,
            results(
                result(two, "accepted", provider_message_id="wamid.same"),
                result(three, "accepted"),
                result(four, "rejected", code="135000"),
            ),
        )
        waiting.blocked_by(left, world.owner)
    answer = waiting.result()
    assert (answer["sent"], answer["unknown"], answer["failed"]) == (1, 1, 1)
    states = [world.state(entry) for entry in (one, two, three, four)]
    assert states == ["sent", "unknown", "sent", "failed"]
    assert world.value("select count(*) from discrepancies where kind = 'wamid_conflict'") == 1
    world.sound(campaign)


def test_one_message_id_in_a_result_and_another_entrys_report(world: World) -> None:
    campaign = world.campaign(3)
    world.hand_out(campaign)
    claim = world.value("select id from claims")
    one, two, three = world.entries(campaign)
    worker, webhook = world.session(), world.session()
    told = results(result(one, "accepted", provider_message_id="wamid.same"))
    post = json.dumps([report(world, two, "wamid.same"), report(world, three, "wamid.three")])
    with worker.transaction():
        worker.execute(RECORD, [claim, told])
        waiting = world.call(webhook, INGEST, post)
        waiting.blocked_by(worker, world.owner)
    answer = waiting.result()
    assert (answer["applied"], answer["refused"]) == (1, 1)
    assert [world.state(entry) for entry in (one, two, three)] == ["sent", "processing", "sent"]
    world.sound(campaign)


def test_one_message_id_in_a_report_and_another_entrys_result(world: World) -> None:
    campaign = world.campaign(3)
    claim = world.hand_out(campaign)
    one, two, three = world.entries(campaign)
    worker, webhook = world.session(), world.session()
    told = results(
        result(two, "accepted", provider_message_id="wamid.same"), result(three, "accepted")
    )
    with webhook.transaction():
        webhook.execute(INGEST, [json.dumps([report(world, one, "wamid.same")])])
        waiting = world.call(worker, RECORD, claim, told)
        waiting.blocked_by(webhook, world.owner)
    answer = waiting.result()
    assert (answer["sent"], answer["unknown"]) == (1, 1)
    assert [world.state(entry) for entry in (one, two, three)] == ["sent", "unknown", "sent"]
    world.sound(campaign)


def test_second_acceptances_of_two_campaigns_do_not_deadlock(world: World) -> None:
    """Each session counts in one campaign and charges in the other, in opposite order.

    A third session holds both campaigns until both have come as far as their first lock, so that
    without a common order each would then hold what the other wants.
    """
    first = world.campaign(2)
    world.owner.execute(
        "insert into rates (organization_id, provider, category, rate, charge_on, valid_from) "
        "select core.organization_of(%s), 'whatsapp', 'MARKETING', 0.07, 'accepted', '2000-01-01'",
        [first],
    )
    second = world.another_campaign(first, 2)
    # Entry 1 of each: accepted by attempt 2, so that attempt 1 is a second acceptance.
    world.hand_out(first)
    for campaign in (first, second):
        one, two = world.entries(campaign)
        world.value(RECORD, 0, results(result(one, "ambiguous"), result(two, "ambiguous")))
        for entry in (one, two):
            world.value("select core.result(%s, 'ambiguous')", entry)
    world.owner.execute("update send_queue set status = 'ready' where status = 'unknown'")
    claim = world.hand_out(first)
    for campaign in (first, second):
        one, _ = world.entries(campaign)
        world.value(RECORD, claim, results(result(one, "accepted", attempt=2)))

    holder, left, right = world.session(), world.session(), world.session()
    news = {campaign: world.entries(campaign) for campaign in (first, second)}

    def batch(counts_in: Any, charges_in: Any) -> str:
        return results(
            result(news[counts_in][1], "accepted", attempt=2),
            result(news[charges_in][0], "accepted", attempt=1),
        )

    with holder.transaction():
        holder.execute("select from campaigns order by id for no key update")
        one_way = world.call(left, RECORD, 0, batch(first, second))
        one_way.blocked_by(holder, world.owner)
        other_way = world.call(right, RECORD, 0, batch(second, first))
        # For the holder, or for the one that waits for the holder.
        other_way.waits_or_returned(world.owner)
    assert one_way.result()["recorded"] == 2
    assert other_way.result()["recorded"] == 2
    assert world.value("select count(*) from messages where is_second_acceptance") == 2
    world.sound(first, second)


def test_an_overdue_unknown_entry_is_settled_by_the_report_that_comes_first(world: World) -> None:
    campaign = world.campaign(2)
    claim = world.hand_out(campaign)
    one, two = world.entries(campaign)
    world.value(RECORD, claim, results(result(one, "ambiguous"), result(two, "ambiguous")))
    world.advance("1 hour")
    webhook, worker = world.session(), world.session()
    with webhook.transaction():
        webhook.execute(REPORT, [one, "sent"])
        # The sweep steps over what somebody settles at this moment, and waits to count the other.
        sweep = world.call(worker, "select settle_overdue_unknown()")
        sweep.blocked_by(webhook, world.owner)
    assert sweep.result()["failed"] == 1
    assert [world.state(one), world.state(two)] == ["sent", "failed"]
    world.sound(campaign)


def test_a_report_waits_for_the_settling_and_corrects_it(world: World) -> None:
    campaign = world.campaign(1)
    claim = world.hand_out(campaign)
    entry = world.entry(campaign)
    world.value(RECORD, claim, results(result(entry, "ambiguous")))
    world.advance("1 hour")
    webhook, worker = world.session(), world.session()
    with worker.transaction():
        worker.execute("select settle_overdue_unknown()")
        waiting = world.call(webhook, REPORT, entry, "read")
        waiting.blocked_by(worker, world.owner)
    assert waiting.result()["applied"] == 1
    assert world.state(entry) == "sent/read"
    assert world.status(campaign) == "completed"
    world.sound(campaign)
