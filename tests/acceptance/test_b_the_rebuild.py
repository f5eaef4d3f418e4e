"""The rebuild: 139 sent for 100 contacts, 104.55 charged against 5.50 estimated, and "completed"
with 26 messages still queued.

`sendSms()` was called several times for one message, sending and reporting were tangled, completion
was read from inflated counters, and cost was added for every event.
"""

from __future__ import annotations

import itertools
from decimal import Decimal
from typing import Any

import pytest

from acceptance.abc_support import (
    RATE,
    Stage,
    accepted,
    at_once,
    call,
    drift,
    one,
    person,
    refusal,
    sound,
    watched,
    webhook,
)
from sendonce.simulator.process import SimulatorProcess
from support.database import Connection, Database
from worker.support import accepted_per_recipient, wait_until, workers_for

ESTIMATE = Decimal("5.50")


@pytest.mark.parametrize("charge_on", ["accepted", "delivered"])
def test_sending_called_several_times_for_one_message_sends_and_charges_it_once(
    connection: Connection, charge_on: str
) -> None:
    campaign = Stage(connection, charge_on=charge_on).campaign(100)
    assert campaign.numbers("estimated_cost", "actual_cost") == (ESTIMATE, 0)

    claimed = campaign.claim()
    ids = [entry["entry_id"] for entry in claimed["entries"]]
    assert len(ids) == 100
    # Each asks for the same again: while it is in hand, the answer is the same, and no second claim
    # gets any of it.
    for _ in range(3):
        assert sorted(campaign.dispatch(claimed)["dispatched"]) == sorted(ids)
        assert campaign.claim()["claim_id"] is None
        assert drift(connection) == []
    told = accepted(claimed["entries"])
    first = campaign.record(claimed, told)
    assert (first["recorded"], first["sent"]) == (100, 100)
    sound(connection)
    for _ in range(3):
        again = campaign.record(claimed, told)
        assert (again["already"], again["sent"]) == (100, 0)
    # Sent for good: whoever would send it once more gets no permission.
    assert refusal(
        connection, "select public.begin_dispatch(%s, %s)", claimed["claim_id"], ids[:39]
    ) == ("SO020")
    assert campaign.claim()["claim_id"] is None

    for _ in range(2):
        campaign.report(claimed["entries"], "sent", "delivered", "delivered")
        assert campaign.numbers("sent", "delivered", "progress") == (100, 100, 100)
        assert campaign.numbers("actual_cost") == (ESTIMATE,)
        sound(connection)
    assert one(connection, "select count(*) from public.messages") == 100


def test_another_id_for_39_messages_already_sent_makes_no_139(connection: Connection) -> None:
    campaign = Stage(connection).campaign(100)
    claimed = campaign.claim()
    campaign.dispatch(claimed)
    campaign.record(claimed, accepted(claimed["entries"]))
    before = connection.execute(
        "select id, provider_message_id from public.send_queue order by id"
    ).fetchall()
    others = [
        told | {"provider_message_id": f"wamid.other.{told['entry_id']}"}
        for told in accepted(claimed["entries"][:39])
    ]
    answer = campaign.record(claimed, others)
    assert (answer["sent"], answer["already"]) == (0, 39)
    # Not one is passed over in silence: whoever sent twice under one attempt is listed.
    assert (
        one(
            connection,
            "select count(distinct entry_id) from public.discrepancies"
            " where kind = 'second_acceptance'",
        )
        == 39
    )
    assert campaign.numbers("sent", "progress", "actual_cost") == (100, 100, ESTIMATE)
    after = connection.execute(
        "select id, provider_message_id from public.send_queue order by id"
    ).fetchall()
    assert after == before
    assert one(connection, "select count(*) from public.messages") == 100
    sound(connection)


def test_a_second_acceptance_that_a_person_asked_for_is_charged_and_listed_and_counts_no_contact(
    connection: Connection,
) -> None:
    stage = Stage(connection)
    campaign = stage.campaign(100)
    claimed = campaign.claim()
    campaign.dispatch(claimed)
    lost, *others = claimed["entries"]
    campaign.record(claimed, accepted(others))
    unsure = {"entry_id": lost["entry_id"], "attempt": lost["attempt"], "outcome": "ambiguous"}
    campaign.record(claimed, [unsure])
    assert campaign.numbers("status", "sent", "unknown") == ("running", 99, 1)
    assert campaign.claim()["claim_id"] is None
    sound(connection)

    call(connection, "resolve_unknown", lost["entry_id"], "retry")
    (again,) = campaign.send()
    assert again["entry_id"] == lost["entry_id"]
    assert campaign.numbers("status", "sent", "actual_cost") == ("completed", 100, ESTIMATE)
    # Then the provider reports that it had taken the first one, too: two messages, two charges.
    for _ in range(3):
        campaign.report([lost], "sent", "delivered")
        assert campaign.numbers("sent", "actual_cost") == (100, ESTIMATE + RATE)
        sound(connection)
    assert one(
        connection, "select count(*) from public.discrepancies where kind = 'second_acceptance'"
    ) == (1)


def test_two_workers_that_send_and_reports_that_repeat_cost_what_was_estimated(
    database: Database, connection: Connection, simulator: SimulatorProcess
) -> None:
    campaign = Stage(connection, charge_on="delivered").campaign(100)
    simulator.control.set_faults(report_duplicated=1.0, report_copies=4, report_reordered=0.5)
    with (
        webhook(database, simulator),
        workers_for(database, simulator.graph_url) as workers,
        watched(database),
    ):
        workers.start(SENDONCE_WORKER_NAME="first")
        workers.start(SENDONCE_WORKER_NAME="second")
        wait_until(campaign.is_completed, "completion")
        assert simulator.control.flush_reports()
        assert one(connection, "select count(*) from sendonce.report_log") == 100 * 3 * 4
        assert campaign.numbers("sent", "delivered", "progress") == (100, 100, 100)
        assert campaign.numbers("actual_cost", "estimated_cost") == (ESTIMATE, ESTIMATE)
        sound(connection)
    assert accepted_per_recipient(simulator) == {person(number): 1 for number in range(100)}


def test_reports_in_every_order_and_repeated_give_the_same_numbers(connection: Connection) -> None:
    words = ("sent", "delivered", "read", "failed")
    orders = [order for length in range(1, 5) for order in itertools.permutations(words, length)]
    campaign = Stage(connection, charge_on="delivered").campaign(len(orders))
    entries = campaign.send()
    expected = {"delivered": 0, "read": 0, "undelivered": 0}
    for entry, order in zip(entries, orders, strict=True):
        reached = {"delivered", "read"} & set(order)
        expected["delivered"] += bool(reached)
        expected["read"] += "read" in order
        expected["undelivered"] += not reached and "failed" in order
        # Each word of it one by one, then all of it once more in one call.
        for word in order:
            campaign.report([entry], word)
            assert drift(connection) == []
        assert campaign.numbers(*expected) == tuple(expected.values()), order
        campaign.report([entry, entry], *order)
        assert campaign.numbers(*expected) == tuple(expected.values()), order
        assert campaign.numbers("actual_cost") == (RATE * expected["delivered"],)
        assert drift(connection) == []
    assert campaign.numbers("sent", "progress") == (len(orders), 100)
    assert expected["undelivered"] == sum(
        {"failed"} <= set(o) <= {"sent", "failed"} for o in orders
    )
    sound(connection)


def test_a_campaign_with_26_messages_still_queued_does_not_complete(
    database: Database, connection: Connection
) -> None:
    campaign = Stage(connection).campaign(100)
    entries = campaign.send(74)
    # 74 sent and each of them reported again and again: more events than contacts.
    for _ in range(3):
        campaign.report(entries, "sent", "delivered", "failed", "read")
    assert campaign.numbers("status", "progress") == ("running", 74)
    assert campaign.statuses() == {"sent": 74, "ready": 26}
    for told in ("status = 'completed'", "status = 'completed', completed_at = now()"):
        assert refusal(connection, f"update public.campaigns set {told}") == "23514"
    sound(connection)

    claimed = campaign.claim()
    assert len(claimed["entries"]) == 26
    campaign.dispatch(claimed)
    campaign.record(claimed, accepted(claimed["entries"][:25]))
    assert campaign.numbers("status", "progress") == ("running", 99)
    with database.connect() as other, connection.transaction():
        campaign.record(claimed, accepted(claimed["entries"][25:]))
        # Completed by this very transaction, which nobody else sees yet.
        assert campaign.numbers("status", "progress") == ("completed", 100)
        assert one(other, "select status::text from public.campaigns") == "running"
        assert drift(other) == []
    assert campaign.numbers("status", "actual_cost") == ("completed", ESTIMATE)
    sound(connection)


def test_a_state_that_is_final_is_left_by_no_update(connection: Connection) -> None:
    campaign = Stage(connection).campaign(5)
    claimed = campaign.claim()
    campaign.dispatch(claimed)
    delivered, undelivered, read, only_sent, rejected = claimed["entries"]
    campaign.record(claimed, accepted([delivered, undelivered, read, only_sent]))
    failed = {"entry_id": rejected["entry_id"], "attempt": 1, "outcome": "rejected"}
    campaign.record(claimed, [failed | {"code": "135000", "http_status": 400}])
    campaign.report([delivered], "delivered")
    campaign.report([undelivered], "failed")
    campaign.report([read], "read")
    before = campaign.row()

    def update(entry: dict[str, Any], change: str) -> str:
        return refusal(
            connection, f"update public.send_queue set {change} where id = %s", entry["entry_id"]
        )

    for entry in (delivered, undelivered, read, only_sent):
        for status in ("ready", "processing", "unknown", "failed", "skipped", "cancelled"):
            assert update(entry, f"status = '{status}'") == "SO007", status
    for status in ("processing", "unknown", "skipped", "cancelled"):
        assert update(rejected, f"status = '{status}'") == "SO007", status
    for entry, lower in ((delivered, "'undelivered'"), (read, "'delivered'"), (read, "null")):
        assert update(entry, f"delivery_status = {lower}") == "SO007", lower
    for status in ("draft", "scheduled", "paused", "running", "cancelled"):
        # Some of these already fail for the times that such a status needs.
        assert refusal(
            connection, "update public.campaigns set status = %s::public.campaign_status", status
        ) in ("SO007", "23514"), status
    assert campaign.row() == before
    sound(connection)


def test_a_skipped_contact_stays_blocked_through_sending_and_reporting(
    connection: Connection,
) -> None:
    stage = Stage(connection)
    campaign = stage.campaign(100)
    call(connection, "suppress", stage.organization, person(7), "all", "asked to be left alone")
    entries = campaign.send()
    assert person(7) not in {entry["recipient"] for entry in entries}
    assert campaign.numbers("status", "sent", "skipped", "progress") == ("completed", 99, 1, 100)
    for status in ("ready", "processing", "unknown", "failed", "cancelled"):
        assert (
            refusal(
                connection,
                "update public.send_queue set status = %s::public.entry_status"
                " where status = 'skipped'",
                status,
            )
            == "SO007"
        )
    assert campaign.numbers("actual_cost") == (RATE * 99,)
    sound(connection)


def test_at_most_two_accounts_work_at_once_however_many_workers_ask(
    database: Database, connection: Connection
) -> None:
    stage = Stage(connection)
    accounts = [stage.account, *(stage.another_account(f"10650000000001{n}") for n in range(3))]
    campaigns = [
        stage.campaign(10, name=f"Sender {n}", account=account)
        for n, account in enumerate(accounts)
    ]
    connection.execute("update public.organizations set accounts_at_once = 2")
    sessions = [database.connect_as_worker() for _ in range(8)]
    try:
        actions = [
            lambda s=session, a=account, n=number: call(s, "claim_messages", f"worker {n}", a, 2)
            for number, (session, account) in enumerate(
                zip(sessions, accounts * 2, strict=True), start=1
            )
        ]
        answers = at_once(*actions)
    finally:
        for session in sessions:
            session.close()
    assert [answer for answer in answers if not isinstance(answer, dict)] == []
    # Who finds the others' claims under way waits: so at first it may be fewer, and never more.
    assert _working(connection) in (1, 2)
    for campaign in campaigns * 2:
        answer = campaign.claim(2)
        # Refused is told when to ask again, and so does not spin.
        assert (answer["claim_id"] is None) == (answer["wait_seconds"] > 0)
    assert _working(connection) == 2

    # One of the two finishes, and another may begin.
    working = {
        str(row[0]) for row in connection.execute("select account_id from public.claims").fetchall()
    }
    idle = next(c for c in campaigns if c.account not in working)
    assert idle.claim()["claim_id"] is None
    stopping = sorted(working)[0]
    connection.execute(
        "select public.release_claim(id) from public.claims where account_id = %s", [stopping]
    )
    assert idle.claim()["claim_id"] is not None
    sound(connection)


def _working(connection: Connection) -> int:
    """How many accounts have something in a worker's hands."""
    return int(one(connection, "select count(distinct account_id) from public.claims"))


def test_each_account_keeps_its_own_rate(connection: Connection) -> None:
    stage = Stage(connection)
    slow = stage.campaign(
        100, name="Slow", account=stage.another_account("106500000000021", maximum_rate=5)
    )
    fast = stage.campaign(100, name="Fast")
    held = slow.claim()
    answer = slow.dispatch(held)
    assert len(answer["dispatched"]) < 100
    assert answer["later"]
    assert len(answer["dispatched"]) + len(answer["later"]) == len(held["entries"])
    assert len(fast.send()) == 100
    assert fast.numbers("status") == ("completed",)
    assert slow.numbers("status", "sent") == ("running", 0)
    sound(connection)


def test_the_queue_statistics_are_the_rows(connection: Connection) -> None:
    stage = Stage(connection)
    campaign = stage.campaign(100)
    paused = stage.campaign(10, name="Paused")
    call(connection, "pause_campaign", paused.id, "not yet")
    call(
        connection,
        "send_message",
        stage.organization,
        stage.account,
        stage.template,
        person(5),
        {"name": "A"},
    )

    def statistics() -> tuple[Any, ...]:
        stats = call(connection, "queue_stats", stage.organization)
        names = ("active_campaigns", "running_campaigns", "unsettled", "in_hand", "single_waiting")
        (account,) = stats["accounts"]
        assert account["unsettled"] == stats["unsettled"]
        return (*(stats[name] for name in names), account["dispatched"])

    assert statistics() == (2, 1, 110, 0, 1, 0)
    claimed = campaign.claim(40)
    # The single message went first.
    assert statistics() == (2, 1, 110, 40, 0, 0)
    campaign.dispatch(claimed)
    assert statistics() == (2, 1, 110, 40, 0, 40)
    campaign.record(claimed, accepted(claimed["entries"]))
    assert statistics() == (2, 1, 71, 0, 0, 0)
    campaign.send()
    assert statistics() == (1, 0, 10, 0, 0, 0)
    sound(connection)


def test_a_clean_test_run_is_a_clone_and_what_was_sent_stays_on_record(
    connection: Connection,
) -> None:
    stage = Stage(connection)
    campaign = stage.campaign(100)
    campaign.report(campaign.send(), "delivered")
    before = campaign.row()
    # Back to draft: the reset that they had, and that would have sent to everybody once more.
    assert refusal(connection, "update public.campaigns set status = 'draft'") in ("SO007", "23514")
    assert refusal(connection, "delete from public.campaigns") == "SO009"

    made = call(connection, "clone_campaign", campaign.id, "all")
    assert (made["added"], made["more"]) == (100, False)
    clone = type(campaign)(stage, made["campaign_id"], campaign.account)
    assert clone.numbers("status", "contacts", "sent", "progress") == ("draft", 100, 0, 0)
    assert clone.numbers("estimated_cost", "actual_cost") == (ESTIMATE, 0)
    assert clone.claim()["claim_id"] is None
    call(connection, "start_campaign", clone.id)
    assert len(clone.send()) == 100
    assert clone.numbers("status", "sent", "actual_cost") == ("completed", 100, ESTIMATE)
    assert campaign.row() == before
    sound(connection)


def test_the_simulator_takes_back_and_forgets_reports_and_the_numbers_stand_still(
    database: Database, connection: Connection, simulator: SimulatorProcess
) -> None:
    stage = Stage(connection, charge_on="delivered")
    kept = stage.campaign(100, name="Kept")
    other = stage.campaign(20, name="Other")
    # A profile of its own: reports come late, so that they are still pending.
    simulator.control.set_faults(
        profile="slow", latency_mean=0, latency_jitter=0, reports_held=True
    )
    with (
        webhook(database, simulator),
        workers_for(database, simulator.graph_url) as workers,
        watched(database),
    ):
        workers.start()
        for campaign in (kept, other):
            wait_until(campaign.is_completed, "completion")
        # One campaign's pending reports are cancelled, the other's are not.
        assert simulator.control.cancel_reports(other.id) >= 20
        assert simulator.control.cancel_reports(other.id) == 0
        simulator.control.set_faults(reports_held=False)
        assert simulator.control.flush_reports()
        assert other.numbers("sent", "delivered", "actual_cost") == (20, 0, 0)
        delivered = kept.numbers("delivered")[0]
        assert 0 < delivered <= 100
        assert kept.numbers("actual_cost") == (RATE * delivered,)
        sound(connection)

        # Delivery tracking of one campaign, one campaign, everything: the record here is untouched.
        before = (kept.row(), other.row())
        simulator.control.reset(campaign=kept.id, scope="reports")
        assert simulator.control.statistics(kept.id)["reports"]["planned"] == 0
        assert simulator.control.statistics(kept.id)["accepted"] == 100
        simulator.control.reset(campaign=kept.id)
        assert simulator.control.statistics(kept.id)["accepted"] == 0
        assert simulator.control.statistics(other.id)["accepted"] == 20
        # What was cancelled can be reported after all.
        simulator.control.replay_reports(campaign=other.id, statuses=["sent", "delivered"])
        assert simulator.control.flush_reports()
        assert other.numbers("sent", "delivered", "actual_cost") == (20, 20, RATE * 20)
        simulator.control.reset()
        assert list(simulator.control.ledger()) == []
        assert kept.row() == before[0]
        sound(connection)


@pytest.mark.parametrize("success", [0.0, 0.8, 1.0])
def test_a_success_rate_of_the_simulator_is_a_failure_rate_of_the_campaign_and_no_more(
    database: Database, connection: Connection, simulator: SimulatorProcess, success: float
) -> None:
    campaign = Stage(connection).campaign(100)
    simulator.control.set_faults(errors={"131026": 1.0 - success})
    with workers_for(database, simulator.graph_url) as workers:
        workers.start()
        wait_until(campaign.is_completed, "completion")
    told = simulator.control.statistics(campaign.id)
    sent, failed, progress = campaign.numbers("sent", "failed", "progress")
    assert (sent, sent + failed, progress) == (told["accepted"], 100, 100)
    assert (sent == 100) == (success == 1.0)
    assert (sent == 0) == (success == 0.0)
    assert campaign.numbers("actual_cost") == (RATE * sent,)
    sound(connection)
