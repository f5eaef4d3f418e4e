"""Each fault does what it is called, and the ledger knows what really happened."""

from __future__ import annotations

import contextlib
import http.client
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendonce.simulator import ControlError, SimulatorProcess
from sendonce.simulator.faults import ACCEPTING_FAULTS, REPLY_FAULTS, Draws, Faults
from sendonce.simulator.throttle import Throttle
from simulator.patience import until
from simulator.receiver import Receiver
from simulator.sender import CAMPAIGN, Reply, recipient, reference, send, send_many

CUT = (http.client.RemoteDisconnected, ConnectionResetError)


def outcome_of(simulator: SimulatorProcess) -> dict[str, Any]:
    """The only entry of the ledger."""
    [entry] = simulator.control.ledger()
    return entry


@pytest.mark.parametrize("fault", sorted(REPLY_FAULTS))
def test_the_name_of_a_reply_fault_tells_whether_the_message_goes_out(
    simulator: SimulatorProcess, receiver: Receiver, fault: str
) -> None:
    simulator.control.set_faults(**{fault: 1}, silence_seconds=0.1)
    with contextlib.suppress(OSError, http.client.HTTPException):
        send(simulator, recipient(1), reference(1))
    assert simulator.control.flush_reports()

    entry = outcome_of(simulator)
    accepted = fault in ACCEPTING_FAULTS
    assert entry["fault"] == fault
    assert entry["outcome"] == ("accepted" if accepted else "not_accepted")
    assert (entry["provider_message_id"] is not None) == accepted
    assert len(receiver.statuses) == (3 if accepted else 0)
    statistics = simulator.control.statistics()
    assert statistics["faults"] == {fault: 1}
    assert statistics["accepted"] == accepted
    assert statistics["accepted_without_reply"] == accepted


@pytest.mark.parametrize("fault", ["cut_before_body", "cut_after_body", "cut_after_acceptance"])
def test_a_cut_connection_gives_no_reply(simulator: SimulatorProcess, fault: str) -> None:
    simulator.control.set_faults(**{fault: 1})

    with pytest.raises(CUT):
        send(simulator, recipient(1))
    assert outcome_of(simulator)["reply_written"] is False
    assert outcome_of(simulator)["http_status"] == (
        None if fault != "cut_after_acceptance" else outcome_of(simulator)["http_status"]
    )


def test_a_connection_cut_before_the_body_is_reset_although_other_messages_pass(
    simulator: SimulatorProcess,
) -> None:
    simulator.control.set_faults(fail_recipients=["cut_before_body=suffix:1"])

    with pytest.raises(ConnectionResetError):
        send(simulator, recipient(1))
    assert outcome_of(simulator)["recipient"] == recipient(1)
    assert send(simulator, recipient(2)).status == 200


@pytest.mark.parametrize("fault", ["silence_before_acceptance", "silence_after_acceptance"])
def test_silence_lasts_until_the_client_gives_up(simulator: SimulatorProcess, fault: str) -> None:
    simulator.control.set_faults(**{fault: 1})

    with pytest.raises(TimeoutError):
        send(simulator, recipient(1), timeout=0.5)
    # And no longer: nothing is kept for a client that has gone.
    until(lambda: simulator.control.statistics()["open_requests"] == 0)
    simulator.control.restore_faults()
    assert send(simulator, recipient(2)).status == 200


def test_silence_ends_by_itself_after_the_set_time(simulator: SimulatorProcess) -> None:
    simulator.control.set_faults(silence_after_acceptance=1, silence_seconds=0.1)

    with pytest.raises(CUT):
        send(simulator, recipient(1))


def test_a_client_that_gives_up_does_not_take_its_message_back(
    simulator: SimulatorProcess, receiver: Receiver
) -> None:
    simulator.control.set_faults(latency_mean=0.6)
    with pytest.raises(TimeoutError):
        send(simulator, recipient(1), timeout=0.1)
    until(lambda: len(receiver.statuses) == 3)

    entry = outcome_of(simulator)
    assert (entry["outcome"], entry["fault"]) == ("accepted", None)
    assert entry["reply_written"] is False
    assert simulator.control.statistics()["accepted_without_reply"] == 1


def test_a_truncated_reply_starts_like_a_good_one(simulator: SimulatorProcess) -> None:
    simulator.control.set_faults(truncated_reply=1)

    with pytest.raises(http.client.IncompleteRead) as raised:
        send(simulator, recipient(1))
    assert raised.value.partial.startswith(b'{"messaging_product":"whatsapp"')


@pytest.mark.parametrize(
    ("fault", "status", "provider_error"),
    [
        ("server_error", 502, False),
        ("server_error_after_acceptance", 502, False),
        ("provider_server_error", 500, True),
        ("provider_server_error_after_acceptance", 500, True),
        ("garbage", 200, False),
        ("garbage_after_acceptance", 200, False),
        ("plain_429", 429, False),
    ],
)
def test_a_faulty_reply_has_its_status_and_form(
    simulator: SimulatorProcess, fault: str, status: int, provider_error: bool
) -> None:
    simulator.control.set_faults(**{fault: 1})
    reply = send(simulator, recipient(1))

    assert reply.status == status
    assert outcome_of(simulator)["http_status"] == status
    if provider_error:
        assert reply.code == 131000
        assert outcome_of(simulator)["code"] == 131000
    else:
        with pytest.raises(ValueError, match=r".*"):
            _ = reply.json
        assert outcome_of(simulator)["code"] is None


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (0, 401),
        (1, 400),
        (2, 503),
        (4, 400),
        (10, 403),
        (190, 401),
        (200, 403),
        (299, 403),
        (368, 403),
        (80007, 400),
        (130429, 400),
        (131000, 500),
        (131016, 500),
        (131026, 400),
        (131049, 400),
        (132001, 404),
        (133004, 503),
        (135000, 400),
        (987654, 400),
    ],
)
def test_any_error_can_be_had_with_its_own_status(
    simulator: SimulatorProcess, code: int, status: int
) -> None:
    simulator.control.set_faults(errors={code: 1})
    reply = send(simulator, recipient(1))

    assert (reply.status, reply.code) == (status, code)
    entry = outcome_of(simulator)
    assert (entry["outcome"], entry["code"]) == ("refused", code)


def test_every_error_has_a_documented_form(simulator: SimulatorProcess) -> None:
    from sendonce.simulator.provider_errors import ERRORS

    for code in ERRORS:
        simulator.control.next_faults(code)
        error = send(simulator, recipient(1)).json["error"]
        assert error["code"] == code
        assert error["message"].startswith(f"(#{code}) ")
        assert error["error_data"]["messaging_product"] == "whatsapp"


# Who it happens to


def fates(simulator: SimulatorProcess) -> dict[str, tuple[str, str | None, int | None]]:
    """What became of each recipient."""
    return {
        entry["recipient"]: (entry["outcome"], entry["fault"], entry["code"])
        for entry in simulator.control.ledger()
    }


ROUGH: dict[str, Any] = {
    "errors": {131016: 0.1, 135000: 0.1},
    "cut_after_body": 0.1,
    "cut_after_acceptance": 0.1,
    "server_error": 0.1,
    "garbage_after_acceptance": 0.1,
    "report_lost": 0.2,
    "report_duplicated": 0.3,
    "report_reordered": 0.3,
}


def test_the_same_seed_fails_the_same_messages_in_any_order_and_campaign(
    receiver: Receiver,
) -> None:
    entries = list(range(150))
    shuffled = random.Random(5).sample(entries, len(entries))
    with (
        SimulatorProcess(webhook_url=receiver.url, seed=7, **ROUGH) as one,
        SimulatorProcess(webhook_url=receiver.url, seed=7, **ROUGH) as other,
        SimulatorProcess(webhook_url=receiver.url, seed=8, **ROUGH) as third,
    ):
        send_many(one, entries)
        send_many(other, shuffled, campaign=str(CAMPAIGN[::-1]), at_once=16)
        send_many(third, entries, at_once=4)

        assert fates(one) == fates(other)
        assert fates(one) != fates(third)
        assert len(set(fates(one).values())) == 7
        assert plans(one) == plans(other)
        assert plans(one) != plans(third)


def plans(simulator: SimulatorProcess) -> dict[str, list[tuple[str, int, bool]]]:
    """Which reports were planned for each recipient."""
    return {
        entry["recipient"]: [
            (report["status"], report["copy"], report["fate"] == "lost")
            for report in entry["reports"]
        ]
        for entry in simulator.control.ledger()
    }


def test_another_attempt_is_another_draw(simulator: SimulatorProcess) -> None:
    simulator.control.set_faults(errors={131016: 0.5})
    codes = set()
    for attempt in range(1, 20):
        reply = send(simulator, recipient(1), reference(1, attempt=attempt))
        codes.add(reply.status)

    assert codes == {200, 500}


def test_without_a_reference_each_request_for_a_recipient_is_another_draw(
    simulator: SimulatorProcess,
) -> None:
    simulator.control.set_faults(errors={131016: 0.5})
    first = [send(simulator, recipient(1)).status for _ in range(20)]
    simulator.control.reset()
    second = [send(simulator, recipient(1)).status for _ in range(20)]

    assert set(first) == {200, 500}
    assert first == second


def test_the_whole_reference_can_decide_instead() -> None:
    with SimulatorProcess(errors={131016: 0.5}, decide_by="reference") as simulator:
        statuses = {send(simulator, recipient(1), reference(entry)).status for entry in range(20)}

    assert statuses == {200, 500}


def test_turning_on_a_fault_of_reports_does_not_change_whose_reply_fails(
    simulator: SimulatorProcess,
) -> None:
    simulator.control.set_faults(errors={131016: 0.3})
    send_many(simulator, range(60))
    before = fates(simulator)
    simulator.control.reset()
    simulator.control.set_faults(report_lost=0.5, report_duplicated=0.5, report_early=0.5)
    send_many(simulator, range(60))

    assert fates(simulator) == before


def test_the_rate_of_an_error_is_the_share_of_messages_that_meet_it(
    simulator: SimulatorProcess,
) -> None:
    simulator.control.set_faults(errors={2: 0.25, 4: 0.25}, cut_after_body=0.5)
    send_many(simulator, range(200), at_once=8)

    statistics = simulator.control.statistics()
    # Rates that add up to 1 leave nobody out.
    assert statistics["accepted"] == 0
    for name, expected in ((statistics["codes"]["2"], 50), (statistics["codes"]["4"], 50)):
        assert expected / 2 < name < expected * 2


def test_rates_of_more_than_one_in_all_are_refused(simulator: SimulatorProcess) -> None:
    with pytest.raises(ControlError, match=r"add up to 1\.5"):
        simulator.control.set_faults(errors={2: 0.75}, garbage=0.75)


def test_chosen_recipients_fail_whatever_the_attempt(
    simulator: SimulatorProcess, tmp_path: Path
) -> None:
    names = tmp_path / "some recipients.txt"
    names.write_text(f"{recipient(4)}\n\n{recipient(5)}\n", encoding="utf-8")
    simulator.control.set_faults(
        fail_recipients=[
            "135000=suffix:77",
            f"131026=file:{names}",
            r"131047=pattern:.*00[23]",
            f"131008=list:{recipient(6)};{recipient(7)}",
            {"outcome": 131009, "recipients": [recipient(8)]},
        ]
    )
    for attempt in (1, 2, 3):
        send_many(simulator, range(100))
        del attempt

    codes: dict[int, list[str]] = {}
    for entry in simulator.control.ledger():
        if entry["code"] is not None:
            codes.setdefault(entry["code"], []).append(entry["recipient"])
    assert codes == {
        135000: [recipient(77)] * 3,
        131026: [recipient(4), recipient(5)] * 3,
        131047: [recipient(2), recipient(3)] * 3,
        131008: [recipient(6), recipient(7)] * 3,
        131009: [recipient(8)] * 3,
    }


def test_exactly_the_first_so_many_recipients_fail_at_any_concurrency(
    simulator: SimulatorProcess,
) -> None:
    simulator.control.set_faults(fail_recipients=["135000=28"])
    send_many(simulator, range(200), at_once=16)
    send_many(simulator, range(200), at_once=16)

    failed = [e["recipient"] for e in simulator.control.ledger() if e["code"] == 135000]
    assert len(failed) == 56
    assert len(set(failed)) == 28


def test_a_rule_can_end_after_some_attempts(simulator: SimulatorProcess) -> None:
    simulator.control.set_faults(fail_recipients=["131016=suffix:1,attempts:2"])

    statuses = [send(simulator, recipient(1)).status for _ in range(4)]
    assert statuses == [500, 500, 200, 200]


def test_a_rule_can_name_a_reply_fault(simulator: SimulatorProcess) -> None:
    simulator.control.set_faults(fail_recipients=["cut_after_acceptance=suffix:1,attempts:1"])

    with pytest.raises(CUT):
        send(simulator, recipient(1), reference(1))
    assert send(simulator, recipient(1), reference(1, attempt=2)).status == 200
    statistics = simulator.control.statistics()
    assert statistics["accepted_twice"] == 1
    assert statistics["surplus_acceptances"] == 1


def test_the_next_requests_can_be_told_what_they_meet(simulator: SimulatorProcess) -> None:
    assert simulator.control.next_faults(131016, "garbage", 2) == 3

    replies = [send(simulator, recipient(1)) for _ in range(4)]
    assert [reply.status for reply in replies] == [500, 200, 503, 200]
    assert replies[3].message_id


# Throttles


def replies_of(simulator: SimulatorProcess, count: int, to: str | None = None) -> list[Reply]:
    """Replies to so many messages, to one recipient or each to another."""
    return [send(simulator, to or recipient(index)) for index in range(count)]


@pytest.mark.parametrize("status", [400, 429])
def test_above_its_rate_a_phone_number_meets_130429(
    simulator: SimulatorProcess, status: int
) -> None:
    simulator.control.set_faults(throttle_rate=0.5, throttle_status=status)
    first, *rest = replies_of(simulator, 4)

    # Half a message a second: one in the first second, whatever a second is on this machine.
    assert first.status == 200
    assert {(reply.status, reply.code) for reply in rest} <= {(status, 130429)}
    assert send(simulator, recipient(9), number_id="8").status == 200
    assert simulator.control.statistics()["faults"] == {"throttled": 3}


def test_the_rate_is_that_of_the_last_second() -> None:
    throttle = Throttle()
    times = [0.0, 0.125, 0.25, 0.375, 0.875, 1.0, 1.0625, 1.125, 1.25, 1.375, 5.0]

    allowed = [time for time in times if throttle.number_allows("1", 3, time)]
    assert allowed == [0.0, 0.125, 0.25, 1.0, 1.125, 1.25, 5.0]


def test_a_pair_regains_one_message_an_interval_up_to_the_burst() -> None:
    throttle = Throttle()
    times = [0.0, 0.0, 0.0, 5.0, 6.0, 6.0, 12.0, 100.0, 100.0, 100.0]

    allowed = [time for time in times if throttle.pair_allows("1", "+999", 6.0, 2, time)]
    assert allowed == [0.0, 0.0, 6.0, 12.0, 100.0, 100.0]


def test_one_recipient_takes_only_so_many_at_once(simulator: SimulatorProcess) -> None:
    simulator.control.set_faults(pair_interval=3600, pair_burst=2)

    assert [r.status for r in replies_of(simulator, 3, recipient(1))] == [200, 200, 400]
    assert send(simulator, recipient(1)).code == 131056
    assert send(simulator, recipient(2)).status == 200


# Outages


@pytest.mark.parametrize("mode", ["unavailable", "provider_error", "cut", "silence"])
def test_nothing_gets_through_in_an_outage_until_it_ends(
    simulator: SimulatorProcess, mode: str
) -> None:
    simulator.control.start_outage(mode)
    assert simulator.control.health()["outage"] == mode
    if mode == "unavailable":
        reply = send(simulator, recipient(1))
        assert reply.status == 503
        assert b"error" not in reply.raw
    elif mode == "provider_error":
        assert (send(simulator, recipient(1)).status, send(simulator, recipient(1)).code) == (
            500,
            131016,
        )
    elif mode == "cut":
        with pytest.raises(ConnectionResetError):
            send(simulator, recipient(1))
    else:
        with pytest.raises(TimeoutError):
            send(simulator, recipient(1), timeout=0.5)

    assert simulator.control.statistics()["accepted"] == 0
    simulator.control.end_outage()
    assert send(simulator, recipient(1)).status == 200


def test_reports_of_earlier_messages_still_come_in_an_outage(
    simulator: SimulatorProcess, receiver: Receiver
) -> None:
    simulator.control.set_faults(sent_delay=3600)
    send(simulator, recipient(1))
    simulator.control.start_outage()

    assert simulator.control.flush_reports()
    assert len(receiver.statuses) == 3


# The arithmetic


@given(seed=st.integers(), message=st.text())
def test_draws_are_in_the_unit_interval_and_depend_on_nothing_else(seed: int, message: str) -> None:
    draws, again = Draws(seed, message), Draws(seed, message)
    for name in Draws._NAMES:
        assert 0.0 <= draws[name] < 1.0
        assert draws[name] == again[name]
    assert not draws.hits("late", 0.0)
    assert draws.hits("late", 1.0)


@given(
    draw=st.floats(min_value=0, max_value=1, exclude_max=True),
    rates=st.lists(st.floats(min_value=0, max_value=0.3), min_size=3, max_size=3),
)
def test_faults_share_the_unit_interval_without_gap_or_overlap(
    draw: float, rates: list[float]
) -> None:
    faults = Faults(errors={2: rates[0]}, cut_after_body=rates[1], garbage=rates[2])
    edges = [rates[0], rates[0] + rates[1], sum(rates)]
    if any(abs(draw - edge) < 1e-9 for edge in edges):
        return
    expected = next(
        (
            fault
            for fault, edge in zip(
                [("error", 2), ("cut_after_body", None), ("garbage", None)], edges, strict=True
            )
            if draw < edge
        ),
        None,
    )
    assert faults.reply_fault(draw) == expected
