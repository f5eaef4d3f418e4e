"""The last entries of a campaign, settled by two sessions at the same instant."""

import threading

import pytest

from races.sessions import INGEST, RECORD, REPORT, World, result, results


@pytest.mark.parametrize("second", ["accepted", "rejected"])
def test_the_last_two_entries_complete_the_campaign_exactly_once(world: World, second: str) -> None:
    """Neither session sees the other's row; the count, not a look at the rows, decides."""
    campaign = world.campaign(2)
    first_claim, second_claim = world.hand_out(campaign, 1), world.hand_out(campaign, 1)
    one, two = world.entries(campaign)
    left, right = world.session(), world.session()

    with left.transaction():
        left.execute(RECORD, [first_claim, results(result(one, "accepted"))])
        waiting = world.call(
            right, RECORD, second_claim, results(result(two, second, code="135000"))
        )
        waiting.blocked_by(left, world.owner)
        # The first to settle has not completed it: one is still out, as far as anybody can see.
        seen = left.execute("select status::text from campaigns where id = %s", [campaign])
        assert seen.fetchone() == ("running",)
    assert waiting.result()["claim_open"] is False

    assert world.status(campaign) == "completed"
    assert world.counter(campaign, "progress") == "100.00"
    world.sound(campaign)


def test_the_last_entry_by_a_report_and_the_last_but_one_by_a_result(world: World) -> None:
    campaign = world.campaign(2)
    claim = world.hand_out(campaign)
    one, two = world.entries(campaign)
    left, right = world.session(), world.session()

    with left.transaction():
        left.execute(REPORT, [one, "delivered"])
        waiting = world.call(right, RECORD, claim, results(result(two, "accepted")))
        waiting.blocked_by(left, world.owner)
    assert waiting.result()["recorded"] == 1

    assert world.status(campaign) == "completed"
    world.sound(campaign)


def test_a_rolled_back_last_entry_leaves_the_campaign_running(world: World) -> None:
    campaign = world.campaign(2)
    first_claim, second_claim = world.hand_out(campaign, 1), world.hand_out(campaign, 1)
    one, two = world.entries(campaign)
    left, right = world.session(), world.session()

    left.execute("begin")
    left.execute(RECORD, [first_claim, results(result(one, "accepted"))])
    waiting = world.call(right, RECORD, second_claim, results(result(two, "accepted")))
    waiting.blocked_by(left, world.owner)
    left.execute("rollback")
    waiting.result()

    assert world.status(campaign) == "running"
    assert world.state(one) == "processing"
    world.sound(campaign)
    left.execute(RECORD, [first_claim, results(result(one, "accepted"))])
    assert world.status(campaign) == "completed"


def test_many_sessions_settle_one_campaign(world: World) -> None:
    """Eight sessions, each with results and reports of its own, all at once."""
    campaign = world.campaign(400)
    claims = [world.hand_out(campaign, 50) for _ in range(8)]
    held = {
        claim: list(world.value("select dispatched from claims where id = %s", claim))
        for claim in claims
    }
    start = threading.Barrier(8)
    failures: list[BaseException] = []

    def work(claim: int) -> None:
        session = world.session()
        try:
            start.wait(30)
            for entry in held[claim]:
                outcome = "accepted" if entry % 5 else "rejected"
                told = results(result(entry, outcome, code="135000"))
                session.execute(RECORD, [claim, told])
                session.execute(REPORT, [entry, "read" if entry % 2 else "failed"])
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work, args=(claim,)) for claim in claims]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []

    assert world.status(campaign) == "completed"
    assert world.counter(campaign, "total_sent") == "400"
    assert world.value("select count(*) from claims") == 0
    world.sound(campaign)


def test_two_posts_about_the_same_entries_in_opposite_order_do_not_deadlock(world: World) -> None:
    campaign, other = world.campaign(20), world.campaign(20)
    world.hand_out(campaign)
    world.hand_out(other)
    entries = world.entries(campaign) + world.entries(other)
    rows = world.owner.execute(
        "select jsonb_build_object('app', a.app, 'sender', a.sender, 'provider_message_id', "
        "core.wamid(q.id, 1), 'status', 'read', 'timestamp', '1772452800', 'reference', "
        "'so1:' || q.campaign_id || ':' || q.id || ':1') from send_queue q "
        "join provider_accounts a on a.id = q.account_id where q.id = any (%s) order by q.id",
        [entries],
    ).fetchall()
    reports = [row[0] for row in rows]
    start = threading.Barrier(2)
    failures: list[BaseException] = []

    def post(order: int) -> None:
        session = world.session()
        try:
            for _ in range(10):
                start.wait(30)
                session.execute(
                    "select ingest_delivery_reports('whatsapp', jsonb_agg(r.value order by "
                    "r.ordinality * %s)) from jsonb_array_elements(%s::jsonb) "
                    "with ordinality r",
                    [order, results(*reports)],
                )
        except BaseException as failure:
            start.abort()
            failures.append(failure)

    threads = [threading.Thread(target=post, args=(order,)) for order in (1, -1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert INGEST  # the statement above is the same call, in two orders
    assert world.counter(campaign, "total_read") == "20"
    world.sound(campaign, other)
