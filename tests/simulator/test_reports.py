"""Reports reach the webhook as the provider sends them, and go wrong as told."""

from __future__ import annotations

import re
import threading
from collections import Counter

import pytest

from sendonce.simulator import SimulatorProcess
from simulator.patience import until
from simulator.receiver import Post, Receiver
from simulator.sender import (
    CAMPAIGN,
    NUMBER_ID,
    OTHER_CAMPAIGN,
    recipient,
    reference,
    send,
    send_many,
)


def test_a_message_is_reported_sent_delivered_and_read(
    simulator: SimulatorProcess, receiver: Receiver
) -> None:
    message_id = send(simulator, "+15005550006", reference(1)).message_id
    assert simulator.control.flush_reports()

    assert [status["status"] for status in receiver.statuses] == ["sent", "delivered", "read"]
    for status in receiver.statuses:
        assert status["id"] == message_id
        assert status["recipient_id"] == "15005550006"
        assert status["biz_opaque_callback_data"] == reference(1)
        assert re.fullmatch(r"[0-9]{10}", status["timestamp"])


def test_reports_come_in_the_documented_envelope(
    simulator: SimulatorProcess, receiver: Receiver
) -> None:
    send(simulator, recipient(1))
    assert simulator.control.flush_reports()

    post = receiver.posts[0]
    assert post.path == "/delivery-webhook/whatsapp/north"
    assert post.headers["Content-Type"] == "application/json"
    assert set(post.envelope) == {"object", "entry"}
    assert post.envelope["object"] == "whatsapp_business_account"
    [entry] = post.envelope["entry"]
    assert set(entry) == {"id", "changes"}
    [change] = entry["changes"]
    assert change["field"] == "messages"
    assert set(change["value"]) == {"messaging_product", "metadata", "contacts", "statuses"}
    [contact] = change["value"]["contacts"]
    assert set(contact) == {"wa_id", "user_id"}
    assert change["value"]["messaging_product"] == "whatsapp"
    assert change["value"]["metadata"]["phone_number_id"] == NUMBER_ID


def test_the_signature_is_that_of_the_raw_body(
    simulator: SimulatorProcess, receiver: Receiver
) -> None:
    simulator.control.set_faults(fail_reports=["131026=suffix:1"])
    send(simulator, recipient(1))
    send(simulator, recipient(2), "ação")
    assert simulator.control.flush_reports()

    assert receiver.posts
    for post in receiver.posts:
        assert post.signed_with(simulator.app_secret)
        assert not post.signed_with("another secret")
    raw = b"".join(post.raw for post in receiver.posts)
    # Two ways in which the provider's JSON differs from what a parser would write again.
    assert b"https:\\/\\/" in raw
    assert b"\\u00e7" in raw


def test_the_price_is_told_on_sent_and_on_the_first_of_delivered_and_read(
    simulator: SimulatorProcess, receiver: Receiver
) -> None:
    send(simulator, recipient(1))
    assert simulator.control.flush_reports()
    simulator.control.set_faults(read_without_delivered=1)
    send(simulator, recipient(2))
    assert simulator.control.flush_reports()

    told = [(status["status"], "pricing" in status) for status in receiver.statuses]
    assert told == [
        ("sent", True),
        ("delivered", True),
        ("read", False),
        ("sent", True),
        ("read", True),
    ]
    assert receiver.statuses[0]["pricing"] == {
        "billable": True,
        "pricing_model": "PMP",
        "type": "regular",
        "category": "marketing",
    }
    assert receiver.statuses[0]["conversation"]["origin"] == {"type": "marketing"}


def test_the_category_is_that_of_the_template(receiver: Receiver) -> None:
    with SimulatorProcess(
        webhook_url=receiver.url, template=["harvest_festival:en:1:utility"]
    ) as simulator:
        send(simulator, recipient(1))
        assert simulator.control.flush_reports()

    assert receiver.statuses[0]["pricing"]["category"] == "utility"


def test_one_post_carries_many_entries_changes_and_statuses(
    simulator: SimulatorProcess, receiver: Receiver
) -> None:
    simulator.control.set_faults(reports_held=True)
    send_many(simulator, range(60), at_once=8)
    send(simulator, recipient(60), number_id="77")
    simulator.control.set_faults(reports_held=False)
    assert simulator.control.flush_reports()

    assert len(receiver.posts) < 61 * 3 / 50
    largest = max(receiver.posts, key=lambda post: len(post.statuses))
    assert len(largest.statuses) == 100
    assert len(largest.envelope["entry"]) > 1
    assert len(largest.envelope["entry"][0]["changes"]) > 1
    numbers = {
        status["id"]: change["value"]["metadata"]["phone_number_id"]
        for post in receiver.posts
        for change in post.changes
        for status in change["value"]["statuses"]
    }
    for entry in simulator.control.ledger():
        assert numbers[entry["provider_message_id"]] == entry["phone_number_id"]
    assert len(receiver.statuses) == 61 * 3


def test_a_report_is_sent_again_until_the_webhook_answers_200(
    simulator: SimulatorProcess, receiver: Receiver
) -> None:
    answers = iter([500, 401, 302])
    receiver.answer = lambda post: next(answers, 200)
    send(simulator, recipient(1))
    assert simulator.control.flush_reports()

    assert len(receiver.posts) == 4
    assert Counter(status["status"] for status in receiver.posts[-1].statuses) == Counter(
        ["sent", "delivered", "read"]
    )
    statistics = simulator.control.statistics()
    assert statistics["webhook"]["answers"] == {"200": 1, "302": 1, "401": 1, "500": 1}
    assert statistics["reports"]["acknowledged"] == 3
    assert statistics["reports"]["statuses_posted"] == 12


def test_a_report_is_given_up_after_the_set_number_of_attempts(
    simulator: SimulatorProcess, receiver: Receiver
) -> None:
    receiver.answer = lambda post: 503
    send(simulator, recipient(1))
    assert simulator.control.flush_reports()

    assert len(receiver.posts) == 4
    assert simulator.control.statistics()["reports"]["given_up"] == 3


def test_a_webhook_that_is_not_there_is_tried_again(receiver: Receiver) -> None:
    gone = Receiver("unused")
    gone.close()
    with SimulatorProcess(webhook_url=gone.url, webhook_retry_first=0.01) as simulator:
        send(simulator, recipient(1))
        until(lambda: simulator.control.statistics()["webhook"]["posts_failed"] > 0)
        simulator.control.use_webhook(receiver.url)
        assert simulator.control.flush_reports()

    assert len(receiver.statuses) == 3


def test_without_a_webhook_nothing_is_reported() -> None:
    with SimulatorProcess() as simulator:
        send(simulator, recipient(1))

        assert simulator.control.statistics()["reports"]["planned"] == 0


# What goes wrong with reports


def test_a_report_can_be_answered_before_the_reply_is_written(
    simulator: SimulatorProcess, receiver: Receiver
) -> None:
    written: list[bool] = []

    def look(post: Post) -> int:
        written.append(next(simulator.control.ledger())["reply_written"])
        return 200

    receiver.answer = look
    simulator.control.set_faults(report_early=1, delivered_rate=0)
    reply = send(simulator, recipient(1), reference(1))

    # Not flushed: that it is here already is the point.
    assert [status["id"] for status in receiver.statuses] == [reply.message_id]
    assert written == [False]
    assert simulator.control.statistics()["reports"]["acknowledged"] == 1


def test_without_that_fault_no_report_comes_before_the_reply(
    simulator: SimulatorProcess, receiver: Receiver
) -> None:
    written: list[bool] = []

    def look(post: Post) -> int:
        written.append(next(simulator.control.ledger())["reply_written"])
        return 200

    receiver.answer = look
    simulator.control.set_faults(latency_mean=0.2)
    send(simulator, recipient(1))
    assert simulator.control.flush_reports()

    assert written
    assert all(written)


def test_an_early_report_that_is_not_taken_does_not_hold_up_the_reply(
    simulator: SimulatorProcess, receiver: Receiver
) -> None:
    answers = iter([500])
    receiver.answer = lambda post: next(answers, 200)
    simulator.control.set_faults(report_early=1, delivered_rate=0)

    assert send(simulator, recipient(1)).status == 200
    assert simulator.control.flush_reports()
    assert [len(post.statuses) for post in receiver.posts] == [1, 1]


def test_reports_can_come_several_times(simulator: SimulatorProcess, receiver: Receiver) -> None:
    simulator.control.set_faults(report_duplicated=1, report_copies=4)
    send(simulator, recipient(1))
    assert simulator.control.flush_reports()

    counts = Counter(status["status"] for status in receiver.statuses)
    assert counts == {"sent": 4, "delivered": 4, "read": 4}
    assert len({(s["id"], s["status"], s["timestamp"]) for s in receiver.statuses}) == 3
    assert simulator.control.statistics()["reports"]["copies"] == 9


@pytest.mark.parametrize("delay", [0.0, 0.02])
def test_reports_can_come_in_the_opposite_order(
    simulator: SimulatorProcess, receiver: Receiver, delay: float
) -> None:
    simulator.control.set_faults(
        report_reordered=1, sent_delay=delay, delivered_delay=delay, read_delay=delay
    )
    send(simulator, recipient(1))
    until(lambda: len(receiver.statuses) == 3)

    statuses = receiver.statuses
    assert [status["status"] for status in statuses] == ["read", "delivered", "sent"]
    timestamps = [int(status["timestamp"]) for status in statuses]
    assert timestamps == sorted(timestamps, reverse=True)


def test_reports_can_be_late(simulator: SimulatorProcess, receiver: Receiver) -> None:
    simulator.control.set_faults(report_late=1, report_late_seconds=3600)
    send(simulator, recipient(1))

    assert simulator.control.statistics()["reports"]["pending"] == 3
    assert receiver.posts == []
    assert simulator.control.flush_reports()
    assert len(receiver.statuses) == 3


@pytest.mark.parametrize("duplicated", [0, 1])
def test_reports_can_be_lost_with_all_their_copies(
    simulator: SimulatorProcess, receiver: Receiver, duplicated: int
) -> None:
    simulator.control.set_faults(report_lost=1, report_duplicated=duplicated)
    send(simulator, recipient(1))
    assert simulator.control.flush_reports()

    assert receiver.posts == []
    assert simulator.control.statistics()["reports"]["lost"] == 3
    [entry] = simulator.control.ledger()
    assert {report["fate"] for report in entry["reports"]} == {"lost"}


def test_each_report_is_lost_by_itself(simulator: SimulatorProcess, receiver: Receiver) -> None:
    simulator.control.set_faults(report_lost=0.5)
    send_many(simulator, range(40), at_once=8)
    assert simulator.control.flush_reports()

    received = {(status["id"], status["status"]) for status in receiver.statuses}
    partly = 0
    for entry in simulator.control.ledger():
        fates = {report["status"]: report["fate"] for report in entry["reports"]}
        for status, fate in fates.items():
            assert ((entry["provider_message_id"], status) in received) == (fate != "lost")
        partly += len(set(fates.values())) == 2
    assert partly > 5


def test_a_message_can_fail_after_it_was_accepted(
    simulator: SimulatorProcess, receiver: Receiver
) -> None:
    simulator.control.set_faults(report_errors={131026: 1})
    assert send(simulator, recipient(1)).status == 200
    assert simulator.control.flush_reports()

    [status] = receiver.statuses
    assert status["status"] == "failed"
    [error] = status["errors"]
    assert set(error) == {"code", "title", "message", "error_data", "href"}
    assert error["code"] == 131026
    assert "pricing" not in status


def test_chosen_recipients_can_fail_after_acceptance(
    simulator: SimulatorProcess, receiver: Receiver
) -> None:
    simulator.control.set_faults(fail_reports=["131049=suffix:3"])
    send_many(simulator, range(20))
    assert simulator.control.flush_reports()

    failed = {s["recipient_id"] for s in receiver.statuses if s["status"] == "failed"}
    assert failed == {recipient(3)[1:], recipient(13)[1:]}


def test_delivered_can_follow_failed(simulator: SimulatorProcess, receiver: Receiver) -> None:
    simulator.control.set_faults(report_errors={131026: 1}, delivered_after_failed=1)
    send(simulator, recipient(1))
    assert simulator.control.flush_reports()

    assert [status["status"] for status in receiver.statuses] == ["failed", "delivered"]


def test_a_message_can_be_read_without_having_been_delivered(
    simulator: SimulatorProcess, receiver: Receiver
) -> None:
    simulator.control.set_faults(read_without_delivered=1)
    send(simulator, recipient(1))
    assert simulator.control.flush_reports()

    assert [status["status"] for status in receiver.statuses] == ["sent", "read"]


def test_success_rates_decide_how_far_a_message_gets(
    simulator: SimulatorProcess, receiver: Receiver
) -> None:
    simulator.control.set_faults(delivered_rate=0.5, read_rate=0.5)
    send_many(simulator, range(100), at_once=8)
    assert simulator.control.flush_reports()

    counts = Counter(status["status"] for status in receiver.statuses)
    assert counts["sent"] == 100
    assert 0 < counts["read"] < counts["delivered"] < 100


def test_a_person_may_be_reported_without_phone_number(
    simulator: SimulatorProcess, receiver: Receiver
) -> None:
    simulator.control.set_faults(recipient_hidden=1)
    send(simulator, recipient(1), reference(1))
    assert simulator.control.flush_reports()

    assert recipient(1)[1:].encode() not in receiver.posts[0].raw
    for status in receiver.statuses:
        assert "recipient_id" not in status
        assert status["recipient_user_id"].startswith("US.")
        assert status["biz_opaque_callback_data"] == reference(1)


def test_a_timestamp_may_tell_milliseconds(simulator: SimulatorProcess, receiver: Receiver) -> None:
    simulator.control.set_faults(timestamp_milliseconds=1)
    send(simulator, recipient(1))
    assert simulator.control.flush_reports()

    assert all(re.fullmatch(r"[0-9]{13}", s["timestamp"]) for s in receiver.statuses)


def test_the_client_reference_may_be_missing(
    simulator: SimulatorProcess, receiver: Receiver
) -> None:
    simulator.control.set_faults(reference_missing=1)
    send(simulator, recipient(1), reference(1))
    assert simulator.control.flush_reports()

    assert len(receiver.statuses) == 3
    assert all("biz_opaque_callback_data" not in status for status in receiver.statuses)


@pytest.mark.parametrize(
    ("dropped", "statuses"), [(0, ["sent", "delivered", "read"]), (1, ["failed"])]
)
def test_a_held_message_is_released_or_dropped_later(
    simulator: SimulatorProcess, receiver: Receiver, dropped: int, statuses: list[str]
) -> None:
    simulator.control.set_faults(held_for_quality=1, held_dropped=dropped, held_seconds=3600)
    reply = send(simulator, recipient(1))

    assert reply.json["messages"][0]["message_status"] == "held_for_quality_assessment"
    assert receiver.posts == []
    assert simulator.control.flush_reports()
    assert [status["status"] for status in receiver.statuses] == statuses
    if dropped:
        assert receiver.statuses[0]["errors"][0]["code"] == 132015


def test_reports_can_be_held_back_and_let_go(
    simulator: SimulatorProcess, receiver: Receiver
) -> None:
    simulator.control.set_faults(reports_held=True, report_early=1)
    send(simulator, recipient(1))
    assert not simulator.control.flush_reports(seconds=1)
    assert receiver.posts == []

    simulator.control.set_faults(reports_held=False)
    assert simulator.control.flush_reports()
    assert len(receiver.statuses) == 3


# Taking reports back, and sending them again


def test_pending_reports_of_one_campaign_can_be_cancelled(
    simulator: SimulatorProcess, receiver: Receiver
) -> None:
    simulator.control.set_faults(reports_held=True)
    send_many(simulator, range(3))
    send_many(simulator, range(2), campaign=OTHER_CAMPAIGN)

    assert simulator.control.cancel_reports(CAMPAIGN) == 9
    simulator.control.set_faults(reports_held=False)
    assert simulator.control.flush_reports()
    references = {status["biz_opaque_callback_data"] for status in receiver.statuses}
    assert references == {reference(entry, campaign=OTHER_CAMPAIGN) for entry in range(2)}
    assert simulator.control.statistics(CAMPAIGN)["reports"]["cancelled"] == 9
    assert simulator.control.statistics(CAMPAIGN)["accepted"] == 3


@pytest.mark.parametrize(("status", "fate"), [(500, "cancelled"), (200, "acknowledged")])
def test_cancelling_waits_for_the_post_under_way(
    simulator: SimulatorProcess, receiver: Receiver, status: int, fate: str
) -> None:
    arrived, answer = threading.Event(), threading.Event()

    def hold(post: Post) -> int:
        arrived.set()
        answer.wait(4)
        return status

    receiver.answer = hold
    send(simulator, recipient(1))
    assert arrived.wait(10)
    cancelling = threading.Thread(target=simulator.control.cancel_reports)
    cancelling.start()
    cancelling.join(0.2)
    assert cancelling.is_alive()
    answer.set()
    cancelling.join()

    # What the webhook took is not said to have been taken back.
    statistics = simulator.control.statistics()
    assert statistics["reports"][fate] == statistics["reports"]["planned"] == 3
    assert len(receiver.posts) == 1


def test_the_reports_of_a_message_can_be_sent_again(
    simulator: SimulatorProcess, receiver: Receiver
) -> None:
    message_id = send(simulator, recipient(1), reference(1)).message_id
    assert simulator.control.flush_reports()
    first = receiver.statuses
    receiver.clear()

    replayed = simulator.control.replay_reports(provider_message_id=message_id)
    assert replayed == {"messages": 1, "reports": 3}
    assert simulator.control.flush_reports()
    assert receiver.statuses == first


def test_lost_reports_can_be_sent_after_all(
    simulator: SimulatorProcess, receiver: Receiver
) -> None:
    simulator.control.set_faults(report_lost=1)
    send_many(simulator, range(5))
    assert receiver.posts == []

    assert simulator.control.replay_reports(campaign=CAMPAIGN) == {"messages": 5, "reports": 15}
    assert simulator.control.flush_reports()
    assert len(receiver.statuses) == 15


def test_other_reports_about_a_message_can_be_sent(
    simulator: SimulatorProcess, receiver: Receiver
) -> None:
    send(simulator, recipient(1), reference(1))
    assert simulator.control.flush_reports()
    receiver.clear()

    simulator.control.replay_reports(
        reference=reference(1), statuses=["played", {"status": "failed", "code": 131050}]
    )
    assert simulator.control.flush_reports()
    assert [status["status"] for status in receiver.statuses] == ["played", "failed"]
    assert receiver.statuses[1]["errors"][0]["code"] == 131050
