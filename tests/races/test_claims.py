"""Two workers at one account, and leases that end while somebody acts."""

import threading

import psycopg
import pytest

from races.sessions import RECORD, World, result, results

CLAIM = "select claim_messages(%s, core.account_of(%s), %s)"
EXPIRE = "select expire_claims()"
DISPATCH = "select begin_dispatch(%s, %s)"


def test_two_claims_at_the_same_instant_share_no_entry(world: World) -> None:
    campaign = world.campaign(30)
    left, right = world.session(), world.session()
    with left.transaction():
        row = left.execute(CLAIM, ["worker-1", campaign, 10]).fetchone()
        assert row is not None
        waiting = world.call(right, CLAIM, "worker-2", campaign, 10)
        waiting.blocked_by(left, world.owner)
    first = {entry["entry_id"] for entry in row[0]["entries"]}
    second = {entry["entry_id"] for entry in waiting.result()["entries"]}
    assert len(first) == len(second) == 10
    assert not first & second
    world.sound(campaign)


def test_a_claim_that_is_taken_back_leaves_its_entries_to_the_next(world: World) -> None:
    """The cursor goes back with the transaction that moved it."""
    campaign = world.campaign(10)
    left, right = world.session(), world.session()
    left.execute("begin")
    left.execute(CLAIM, ["worker-1", campaign, 10])
    waiting = world.call(right, CLAIM, "worker-2", campaign, 10)
    waiting.blocked_by(left, world.owner)
    left.execute("rollback")
    assert len(waiting.result()["entries"]) == 10
    world.sound(campaign)


def test_many_workers_hand_out_every_entry_once(world: World) -> None:
    """Eight sessions that let the database choose among three accounts, until nothing is left."""
    campaigns = [world.campaign(200) for _ in range(3)]
    start = threading.Barrier(8)
    seen: list[int] = []
    failures: list[BaseException] = []

    def work(number: int) -> None:
        session = world.session()
        idle = 0
        try:
            start.wait(30)
            while idle < 5:
                row = session.execute(
                    "select claim_messages(%s, null, 7)", [f"worker-{number}"]
                ).fetchone()
                assert row is not None
                idle = 0 if row[0]["claim_id"] else idle + 1
                seen.extend(entry["entry_id"] for entry in row[0]["entries"])
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert len(seen) == len(set(seen)) == 600
    world.sound(*campaigns)


@pytest.mark.parametrize("capped", [False, True], ids=["accounts", "organizations"])
def test_two_workers_looking_through_idle_accounts_do_not_deadlock(
    world: World, capped: bool
) -> None:
    """Accounts with a running campaign and nothing to hand out, looked at in opposite orders.

    The order is chance, so it is seeded, with enough pairs of seeds for every pair of orders. A
    third session holds one of the two: where the first worker begins with that and the second with
    the other, each would hold what the other wants as soon as it is let go.
    """
    campaigns = [world.campaign(1), world.campaign(1)]
    for campaign in campaigns:
        world.hand_out(campaign)
    locked = "provider_accounts"
    if capped:
        # Each organization's one place is taken by an account that holds a claim already.
        locked = "organizations"
        world.owner.execute("update organizations set accounts_at_once = 1")
    holder = world.session()
    workers = [world.session(), world.session()]
    for pair in range(24):
        for number, worker in enumerate(workers):
            worker.execute("select setseed(%s)", [(2 * pair + number) / 100])
        with holder.transaction():
            holder.execute(f"select from {locked} order by id limit 1 for no key update")
            calls = []
            for number, worker in enumerate(workers):
                claim = "select claim_messages(%s, null, 10)"
                calls.append(world.call(worker, claim, f"worker-{number}"))
                calls[-1].waits_or_returned(world.owner)
        for call in calls:
            assert call.result()["claim_id"] is None
    world.sound(*campaigns)


def test_an_expiry_steps_over_the_claim_that_is_being_recorded(world: World) -> None:
    campaign = world.campaign(2)
    claim = world.hand_out(campaign)
    one, two = world.entries(campaign)
    world.advance("1 hour")
    worker, sweeper = world.session(), world.session()
    told = results(result(one, "accepted"), result(two, "rejected", code="135000"))
    with worker.transaction():
        worker.execute(RECORD, [claim, told])
        assert world.call(sweeper, EXPIRE).result()["expired"] == 0
    assert world.value(EXPIRE)["expired"] == 0
    assert [world.state(one), world.state(two)] == ["sent", "failed"]
    world.sound(campaign)


@pytest.mark.parametrize(
    ("outcome", "code", "ends"),
    [
        ("accepted", None, "sent"),
        ("rejected", "135000", "failed"),
        ("rejected", "131016", "ready"),
        ("not_sent", None, "ready"),
        ("ambiguous", None, "unknown"),
    ],
)
def test_a_result_waits_for_the_expiry_and_is_taken_all_the_same(
    world: World, outcome: str, code: str | None, ends: str
) -> None:
    campaign = world.campaign(1)
    claim = world.hand_out(campaign)
    entry = world.entry(campaign)
    world.advance("1 hour")
    worker, sweeper = world.session(), world.session()
    with sweeper.transaction():
        sweeper.execute(EXPIRE)
        waiting = world.call(worker, RECORD, claim, results(result(entry, outcome, code=code)))
        waiting.blocked_by(sweeper, world.owner)
    waiting.result()
    assert world.state(entry) == ends
    assert world.value("select count(*) from claims") == 0
    world.sound(campaign)


def test_a_result_of_an_undispatched_entry_does_not_count_after_its_expiry(world: World) -> None:
    """What never left comes back ready, and a stray "not sent" must not move it a second time."""
    campaign = world.campaign(1)
    claim = world.value(CLAIM, "worker-1", campaign, 1)["claim_id"]
    entry = world.entry(campaign)
    world.advance("1 hour")
    worker, sweeper = world.session(), world.session()
    with sweeper.transaction():
        sweeper.execute(EXPIRE)
        waiting = world.call(worker, RECORD, claim, results(result(entry, "ambiguous")))
        waiting.blocked_by(sweeper, world.owner)
    assert len(waiting.result()["refused"]) == 1
    assert world.state(entry) == "ready"
    world.sound(campaign)


def test_a_dispatch_waits_for_the_expiry_and_finds_its_claim_gone(world: World) -> None:
    campaign = world.campaign(1)
    claim = world.value(CLAIM, "worker-1", campaign, 1)["claim_id"]
    entry = world.entry(campaign)
    world.advance("1 hour")
    worker, sweeper = world.session(), world.session()
    with sweeper.transaction():
        sweeper.execute(EXPIRE)
        waiting = world.call(worker, DISPATCH, claim, [entry])
        waiting.blocked_by(sweeper, world.owner)
    with pytest.raises(psycopg.Error) as gone:
        waiting.result()
    assert gone.value.sqlstate == "SO020"
    assert world.state(entry) == "ready"
    world.sound(campaign)


def test_a_dispatch_that_waited_past_its_lease_dispatches_nothing(world: World) -> None:
    """The lease is judged after the wait, not by the time at which the call began."""
    campaign = world.campaign(1)
    claim = world.value(CLAIM, "worker-1", campaign, 1)["claim_id"]
    entry = world.entry(campaign)
    worker, holder = world.session(), world.session()
    with holder.transaction():
        holder.execute("select from claims for no key update")
        waiting = world.call(worker, DISPATCH, claim, [entry])
        waiting.blocked_by(holder, world.owner)
        world.advance("1 hour")
    with pytest.raises(psycopg.Error) as over:
        waiting.result()
    assert over.value.sqlstate == "SO021"
    assert world.value("select dispatched from claims") == []


def test_an_expiry_steps_over_a_dispatch_and_then_knows_what_left(world: World) -> None:
    campaign = world.campaign(2)
    claim = world.value(CLAIM, "worker-1", campaign, 2)["claim_id"]
    one, two = world.entries(campaign)
    worker, sweeper = world.session(), world.session()
    with worker.transaction():
        worker.execute(DISPATCH, [claim, [one]])
        world.advance("1 hour")
        assert world.call(sweeper, EXPIRE).result()["expired"] == 0
    answer = world.value(EXPIRE)
    assert (answer["unknown"], answer["returned"]) == (1, 1)
    assert [world.state(one), world.state(two)] == ["unknown", "ready"]
    world.sound(campaign)


def test_a_renewal_and_an_expiry_at_the_same_instant(world: World) -> None:
    campaign = world.campaign(1)
    claim = world.value(CLAIM, "worker-1", campaign, 1)["claim_id"]
    worker, sweeper = world.session(), world.session()
    with worker.transaction():
        renewed = worker.execute("select renew_claims(%s)", [[claim]]).fetchone()
        assert renewed is not None
        assert len(renewed[0]["claims"]) == 1
        world.advance("50 seconds")
        assert world.call(sweeper, EXPIRE).result()["expired"] == 0
    world.advance("1 hour")
    with sweeper.transaction():
        sweeper.execute(EXPIRE)
        waiting = world.call(worker, "select renew_claims(%s)", [claim])
        waiting.blocked_by(sweeper, world.owner)
    assert waiting.result() == {"claims": []}
    world.sound(campaign)


def test_a_release_and_a_result_of_one_claim_at_the_same_instant(world: World) -> None:
    campaign = world.campaign(3)
    claim = world.value(CLAIM, "worker-1", campaign, 3)["claim_id"]
    one, two, three = world.entries(campaign)
    world.value(DISPATCH, claim, [one])
    worker, stopping = world.session(), world.session()
    with stopping.transaction():
        stopping.execute("select release_claim(%s)", [claim])
        waiting = world.call(worker, RECORD, claim, results(result(one, "accepted")))
        waiting.blocked_by(stopping, world.owner)
    assert waiting.result()["claim_open"] is False
    assert [world.state(entry) for entry in (one, two, three)] == ["sent", "ready", "ready"]
    assert world.value("select count(*) from claims") == 0
    world.sound(campaign)


def test_a_release_waits_for_the_result_and_leaves_no_claim_behind(world: World) -> None:
    """It must not write back what the claim held before the result."""
    campaign = world.campaign(3)
    claim = world.value(CLAIM, "worker-1", campaign, 3)["claim_id"]
    one, two, three = world.entries(campaign)
    world.value(DISPATCH, claim, [one])
    worker, stopping = world.session(), world.session()
    with worker.transaction():
        worker.execute(RECORD, [claim, results(result(one, "accepted"))])
        waiting = world.call(stopping, "select release_claim(%s)", claim)
        waiting.blocked_by(worker, world.owner)
    assert waiting.result() == {"released": 2, "claim_open": False}
    assert [world.state(entry) for entry in (one, two, three)] == ["sent", "ready", "ready"]
    assert world.value("select count(*) from claims") == 0
    world.sound(campaign)
