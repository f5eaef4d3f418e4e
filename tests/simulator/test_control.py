"""The control API: statistics, ledger, resets, and changing behaviour at runtime."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sendonce.simulator import ControlError, SimulatorProcess
from simulator.receiver import Receiver
from simulator.sender import (
    CAMPAIGN,
    OTHER_CAMPAIGN,
    recipient,
    reference,
    request,
    send,
    send_many,
)


def test_statistics_count_people_and_those_who_got_it_twice(
    simulator: SimulatorProcess,
) -> None:
    send_many(simulator, range(5))
    send_many(simulator, range(5), campaign=OTHER_CAMPAIGN)
    assert simulator.control.statistics()["accepted_twice"] == 0
    send(simulator, recipient(1), reference(1, attempt=2))
    send(simulator, recipient(1), reference(1, attempt=3))
    send(simulator, recipient(2), reference(2))

    everything = simulator.control.statistics()
    assert everything["requests"] == everything["accepted"] == 13
    assert everything["distinct_recipients"] == 5
    assert everything["distinct_recipients_per_campaign"] == 10
    assert everything["accepted_twice"] == 2
    assert everything["surplus_acceptances"] == 3
    assert everything["references_accepted_twice"] == 1
    one = simulator.control.statistics(CAMPAIGN)
    assert (one["accepted"], one["accepted_twice"]) == (8, 2)
    other = simulator.control.statistics(OTHER_CAMPAIGN)
    assert (other["accepted"], other["accepted_twice"]) == (5, 0)


def test_statistics_count_refusals_faults_and_reports(
    simulator: SimulatorProcess, receiver: Receiver
) -> None:
    simulator.control.next_faults(135000, "garbage", "garbage_after_acceptance")
    send_many(simulator, range(4))
    assert simulator.control.flush_reports()

    statistics = simulator.control.statistics()
    assert statistics["requests"] == 4
    assert statistics["refused"] == 1
    assert statistics["not_accepted"] == 1
    assert statistics["accepted"] == 2
    assert statistics["accepted_without_reply"] == 1
    assert statistics["codes"] == {"135000": 1}
    assert statistics["faults"] == {"error": 1, "garbage": 1, "garbage_after_acceptance": 1}
    assert statistics["reports"]["planned"] == statistics["reports"]["acknowledged"] == 6
    assert statistics["reports"]["acknowledged_by_status"] == {
        "delivered": 2,
        "read": 2,
        "sent": 2,
    }
    assert statistics["webhook"]["posts_acknowledged"] == len(receiver.posts)


def test_the_ledger_is_read_in_pages_or_as_lines(simulator: SimulatorProcess) -> None:
    send_many(simulator, range(25), at_once=4)

    seen: list[int] = []
    after: int | None = 0
    sizes = []
    while after is not None:
        page = simulator.control.ledger_page(after=after, limit=10)
        sizes.append(len(page["entries"]))
        seen += [entry["number"] for entry in page["entries"]]
        after = page["next_after"]
    assert sizes == [10, 10, 5]
    assert seen == sorted(set(seen))
    assert [entry["number"] for entry in simulator.control.ledger()] == seen


def test_a_full_last_page_is_the_last(simulator: SimulatorProcess) -> None:
    send_many(simulator, range(10))

    page = simulator.control.ledger_page(limit=10)
    assert (len(page["entries"]), page["next_after"]) == (10, None)


def test_the_ledger_is_filtered(simulator: SimulatorProcess) -> None:
    simulator.control.set_faults(fail_recipients=["135000=suffix:1"])
    send_many(simulator, range(3))
    send_many(simulator, range(2), campaign=OTHER_CAMPAIGN)

    assert len(list(simulator.control.ledger(CAMPAIGN))) == 3
    assert len(list(simulator.control.ledger(CAMPAIGN.upper()))) == 3
    assert len(list(simulator.control.ledger(outcome="refused"))) == 2
    assert len(list(simulator.control.ledger(OTHER_CAMPAIGN, recipient=recipient(0)))) == 1
    assert list(simulator.control.ledger("no such campaign")) == []


def test_resetting_everything_forgets_everything(
    simulator: SimulatorProcess, receiver: Receiver
) -> None:
    simulator.control.set_faults(reports_held=True, fail_recipients=["135000=1"])
    send_many(simulator, range(4))
    answer = simulator.control.reset()
    assert answer == {"reports_cancelled": 9, "entries_forgotten": 4}

    simulator.control.set_faults(reports_held=False)
    assert simulator.control.flush_reports()
    assert receiver.posts == []
    assert list(simulator.control.ledger()) == []
    statistics = simulator.control.statistics()
    assert statistics["requests"] == statistics["reports"]["planned"] == 0
    # Also whom it chose as the first recipients.
    assert send(simulator, recipient(9)).code == 135000


def test_resetting_delivery_tracking_keeps_what_was_accepted(
    simulator: SimulatorProcess, receiver: Receiver
) -> None:
    simulator.control.set_faults(reports_held=True)
    send_many(simulator, range(4))
    answer = simulator.control.reset(scope="reports")
    assert answer == {"reports_cancelled": 12, "reports_forgotten": 12}

    simulator.control.set_faults(reports_held=False)
    assert simulator.control.flush_reports()
    assert receiver.posts == []
    statistics = simulator.control.statistics()
    assert statistics["accepted"] == 4
    assert statistics["reports"]["planned"] == 0


def test_resetting_one_campaign_leaves_the_others_alone(
    simulator: SimulatorProcess, receiver: Receiver
) -> None:
    simulator.control.set_faults(reports_held=True)
    send_many(simulator, range(4))
    send_many(simulator, range(3), campaign=OTHER_CAMPAIGN)
    answer = simulator.control.reset(campaign=CAMPAIGN)
    assert answer == {"reports_cancelled": 12, "entries_forgotten": 4}

    simulator.control.set_faults(reports_held=False)
    assert simulator.control.flush_reports()
    assert len(receiver.statuses) == 9
    assert {entry["campaign"] for entry in simulator.control.ledger()} == {OTHER_CAMPAIGN}
    assert simulator.control.statistics(CAMPAIGN)["requests"] == 0


def test_faults_are_changed_one_by_one_and_restored(simulator: SimulatorProcess) -> None:
    started = simulator.control.faults()
    simulator.control.set_faults(latency_mean=0.001)
    changed = simulator.control.set_faults(errors={131016: 1})
    assert (changed["latency_mean"], changed["errors"]) == (0.001, {"131016": 1.0})
    assert simulator.control.faults() == changed
    assert send(simulator, recipient(1)).code == 131016

    assert simulator.control.restore_faults() == started
    assert send(simulator, recipient(1)).status == 200


def test_a_profile_can_be_taken_at_runtime(simulator: SimulatorProcess) -> None:
    simulator.control.set_faults(garbage=1)
    faults = simulator.control.set_faults(profile="throttled", latency_mean=0)

    assert (faults["garbage"], faults["throttle_status"]) == (0, 429)
    assert (faults["latency_mean"], faults["latency_jitter"]) == (0, 0.02)
    assert simulator.control.health()["profile"] == "throttled"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"latensy": 1}, "latensy: there is no such setting"),
        ({"garbage": 2}, "garbage: "),
        ({"latency_mean": -1}, "latency_mean: "),
        ({"latency_mean": "soon"}, "latency_mean: "),
        ({"outage": "partly"}, "outage: "),
        ({"errors": {"many": 0.1}}, "errors"),
        ({"fail_recipients": ["135000"]}, "is not OUTCOME=WHO"),
        ({"fail_recipients": ["nonsense=3"]}, "neither an error code nor a reply fault"),
        ({"fail_recipients": ["135000=suffix:"]}, "fail_recipients"),
        ({"fail_recipients": ["135000=pattern:("]}, "pattern"),
        ({"fail_recipients": ["135000=file:/no/such/file"]}, "No such file"),
        ({"fail_recipients": [{"outcome": "2"}]}, "exactly one"),
        ({"fail_reports": ["garbage=3"]}, "takes error codes"),
        ({"profile": "sunny"}, "sunny"),
    ],
)
def test_a_wrong_fault_is_refused_and_changes_nothing(
    simulator: SimulatorProcess, changes: dict[str, object], words: str
) -> None:
    before = simulator.control.faults()
    with pytest.raises(ControlError) as raised:
        simulator.control.set_faults(**changes)

    assert words in str(raised.value)
    assert "\n" not in str(raised.value)
    assert simulator.control.faults() == before


def test_wrong_control_requests_are_refused_with_a_reason(simulator: SimulatorProcess) -> None:
    control = simulator.control
    with pytest.raises(ControlError, match="neither everything nor reports"):
        control.reset(scope="half")
    with pytest.raises(ControlError, match="limit"):
        control.ledger_page(limit=0)
    with pytest.raises(ControlError, match="after"):
        control.ledger_page(after=-1)
    with pytest.raises(ControlError, match="neither error code nor reply fault"):
        control.next_faults("nonsense")
    with pytest.raises(ControlError, match="not in the ledger"):
        control.replay_reports(provider_message_id="wamid.none")
    with pytest.raises(ControlError, match="name a provider_message_id"):
        control.replay_reports()
    with pytest.raises(ControlError, match="not one of sent"):
        control.replay_reports(campaign=CAMPAIGN, statuses=["arrived"])
    with pytest.raises(ControlError, match="outage"):
        control.start_outage("partly")
    with pytest.raises(ControlError, match="http"):
        control.use_webhook("ftp://nowhere")
    unknown = request(simulator, b"", path="/_simulator/nothing")
    assert unknown.status == 404
    assert "GET /_simulator/health" in unknown.json["controls"]
    assert request(simulator, b"{", path="/_simulator/faults").status == 400
    assert request(simulator, b"[]", path="/_simulator/faults").status == 400


def test_the_webhook_is_subscribed_with_its_verify_token(
    simulator: SimulatorProcess, receiver: Receiver
) -> None:
    url = simulator.control.health()["webhook_url"]
    assert simulator.control.use_webhook(url) == {"webhook_url": url, "handshake": "verified"}

    stranger = Receiver("another token")
    try:
        answer = simulator.control.use_webhook(stranger.url)
        assert answer["handshake"] == "refused with HTTP 403"
    finally:
        simulator.control.use_webhook(url)
        stranger.close()


def test_the_ledger_can_be_appended_to_a_file(tmp_path: Path, receiver: Receiver) -> None:
    file = tmp_path / "ledger with spaces.jsonl"
    file.write_text('{"event":"earlier"}\n', encoding="utf-8")
    with SimulatorProcess(
        webhook_url=receiver.url, ledger_file=file, keep_bodies=True
    ) as simulator:
        simulator.control.next_faults(131026)
        send_many(simulator, [1, 2])
        assert simulator.control.flush_reports()
        simulator.control.reset()
        in_memory = list(simulator.control.ledger())
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]

    assert in_memory == []
    assert [line["event"] for line in lines] == [
        "earlier",
        "request",
        "request",
        "report",
        "report",
        "report",
        "reset",
    ]
    refused, accepted = lines[1:3]
    assert (refused["outcome"], refused["code"]) == ("refused", 131026)
    assert accepted["outcome"] == "accepted"
    assert accepted["body"]["template"]["name"] == "harvest_festival"
    assert {line["provider_message_id"] for line in lines[3:6]} == {accepted["provider_message_id"]}
    assert {line["fate"] for line in lines[3:6]} == {"acknowledged"}


def test_the_file_knows_of_a_message_before_its_sender_does(
    tmp_path: Path,
) -> None:
    file = tmp_path / "ledger.jsonl"
    with SimulatorProcess(ledger_file=file, latency_mean=60) as simulator:
        with pytest.raises(TimeoutError):
            send(simulator, recipient(1), timeout=0.5)

        [line] = file.read_text(encoding="utf-8").splitlines()
        assert json.loads(line)["outcome"] == "accepted"


def test_health_tells_how_it_is_set_up(simulator: SimulatorProcess) -> None:
    health = request(simulator, b"", method="GET", path="/_simulator/health").json

    assert health["status"] == "ok"
    assert health["app"] == "north"
    assert health["webhook_url"].endswith("/delivery-webhook/whatsapp/north")
    assert health["seed"] == 1
