"""Progress beyond 100 %: 290 % and 292 % on the dashboard, and a queue that kept spinning.

Nothing bounded the progress, campaigns went on sending after their completion, completion was
written by a non-atomic save, and messages that failed validation were tried for ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from acceptance.abc_support import (
    RATE,
    Campaign,
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
)
from sendonce.simulator.process import SimulatorProcess
from support.database import Connection, Database
from worker.support import Workers, accepted_per_recipient, wait_until


def _send_single(stage: Stage, number: int = 900) -> int:
    """Queue one message outside any campaign; its entry."""
    made = call(
        stage.connection,
        "send_message",
        stage.organization,
        stage.account,
        stage.template,
        person(number),
        {"name": "Single"},
    )
    return int(made["entry_id"])


def _entry(connection: Connection, entry: int) -> tuple[Any, ...]:
    """Status, attempts and tries of one entry."""
    row = connection.execute(
        "select status::text, attempt, tries from public.send_queue where id = %s", [entry]
    ).fetchone()
    assert row is not None
    return tuple(row)


def _wait_for_single(stage: Stage, number: int = 900) -> None:
    """Have a single message sent: proof that the workers live and have looked at the queue."""
    entry = _send_single(stage, number)
    wait_until(lambda: _entry(stage.connection, entry)[0] == "sent", "the single message")


def _requests(simulator: SimulatorProcess) -> dict[str, int]:
    """How many requests the provider got for whom, whatever it answered."""
    counted: dict[str, int] = {}
    for entry in simulator.control.ledger():
        counted[entry["recipient"]] = counted.get(entry["recipient"], 0) + 1
    return counted


def test_290_acceptances_and_reports_leave_progress_at_100(connection: Connection) -> None:
    campaign = Stage(connection).campaign(100)
    claimed = campaign.claim()
    campaign.dispatch(claimed)
    told = accepted(claimed["entries"])
    events = 0
    for start in range(0, 290, 10):
        batch = [told[number % 100] for number in range(start, start + 10)]
        campaign.record(claimed, batch)
        campaign.report([claimed["entries"][n % 100] for n in range(start, start + 10)], "sent")
        events += len(batch)
        assert campaign.numbers("progress") == (min(events, 100),)
        assert campaign.numbers("status") == ("completed" if events >= 100 else "running",)
        assert drift(connection) == []
    assert events == 290
    assert campaign.numbers("sent", "progress", "actual_cost") == (100, 100, RATE * 100)
    sound(connection)


def test_no_write_brings_progress_beyond_100_whichever_guard_is_away(
    connection: Connection,
) -> None:
    campaign = Stage(connection).campaign(100)
    campaign.send(50)
    before = campaign.row()
    # Computed, and so not to be written; its counters by rows only; and bounded even without that.
    assert refusal(connection, "update public.campaigns set progress = 290") == "428C9"
    assert refusal(connection, "update public.campaigns set total_sent = 290") == "SO011"
    connection.execute("alter table public.campaigns disable trigger user")
    assert refusal(connection, "update public.campaigns set total_sent = 290") == "23514"
    assert refusal(connection, "update public.campaigns set total_failed = 242") == "23514"
    connection.execute("alter table public.campaigns drop constraint settled_stays_within_total")
    assert refusal(connection, "update public.campaigns set total_sent = 290") == "23514"
    assert campaign.row() == before
    assert drift(connection) == []


def test_only_active_campaigns_send(connection: Connection) -> None:
    stage = Stage(connection)
    running = stage.campaign(10, name="Running")
    draft = stage.campaign(10, name="Draft", start=False)
    scheduled = stage.campaign(10, name="Scheduled", start=False)
    connection.execute("select public.start_campaign(%s, now() + interval '1 day')", [scheduled.id])
    paused = stage.campaign(10, name="Paused")
    call(connection, "pause_campaign", paused.id, "wait")
    cancelled = stage.campaign(10, name="Cancelled")
    call(connection, "cancel_campaign", cancelled.id)
    call(connection, "start_due_campaigns")

    claimed = running.claim()
    campaigns = connection.execute(
        "select distinct campaign_id::text from public.send_queue where id = any (%s)",
        [[entry["entry_id"] for entry in claimed["entries"]]],
    ).fetchall()
    assert campaigns == [(running.id,)]
    running.dispatch(claimed)
    running.record(claimed, accepted(claimed["entries"]))
    assert running.claim()["claim_id"] is None
    assert [
        c.numbers("status", "sent") for c in (running, draft, scheduled, paused, cancelled)
    ] == [
        ("completed", 10),
        ("draft", 0),
        ("scheduled", 0),
        ("paused", 0),
        ("cancelled", 0),
    ]
    call(connection, "sweep_cancelled")
    assert cancelled.numbers("cancelled", "progress") == (10, 100)
    sound(connection)


def test_a_paused_campaign_is_left_alone_by_running_workers_and_goes_on_when_resumed(
    database: Database, connection: Connection, simulator: SimulatorProcess, workers: Workers
) -> None:
    stage = Stage(connection)
    campaign = stage.campaign(100)
    simulator.control.set_faults(latency_mean=0.05)
    with watched(database):
        for name in ("first", "second"):
            workers.start(SENDONCE_WORKER_NAME=name, SENDONCE_CONCURRENCY="5")
        wait_until(lambda: campaign.numbers("sent")[0] >= 10, "some messages")
        call(connection, "pause_campaign", campaign.id, "somebody looked at the figures")
        # What is in flight finishes.
        wait_until(lambda: one(connection, "select count(*) from public.claims") == 0, "the rest")
        sent = campaign.numbers("sent")[0]
        assert 10 <= sent < 100
        assert campaign.numbers("status", "progress") == ("paused", sent)
        sound(connection)

        _wait_for_single(stage)
        assert sum(_requests(simulator).values()) == sent + 1
        assert campaign.numbers("status", "sent") == ("paused", sent)

        call(connection, "resume_campaign", campaign.id)
        wait_until(campaign.is_completed, "completion")
    assert campaign.numbers("sent", "progress") == (100, 100)
    everybody = {person(number): 1 for number in [*range(100), 900]}
    assert accepted_per_recipient(simulator) == everybody
    sound(connection)


def test_a_claim_in_hand_sends_nothing_more_once_its_campaign_is_paused(
    connection: Connection,
) -> None:
    campaign = Stage(connection).campaign(100)
    claimed = campaign.claim(40)
    call(connection, "pause_campaign", campaign.id, "stop")
    answer = campaign.dispatch(claimed)
    assert (answer["dispatched"], len(answer["refused"])) == ([], 40)
    assert campaign.numbers("status", "sent", "progress") == ("paused", 0, 0)
    assert campaign.statuses() == {"ready": 100}
    assert campaign.claim()["claim_id"] is None
    sound(connection)


def test_a_completed_campaign_is_left_alone_by_running_workers(
    connection: Connection, simulator: SimulatorProcess, workers: Workers
) -> None:
    stage = Stage(connection)
    campaign = stage.campaign(100)
    workers.start(SENDONCE_WORKER_NAME="first")
    workers.start(SENDONCE_WORKER_NAME="second")
    wait_until(campaign.is_completed, "completion")
    before = campaign.row()
    # Everything that would set it going again is refused, and the workers that go on find nothing.
    for function in ("start_campaign", "resume_campaign", "cancel_campaign"):
        assert refusal(connection, f"select public.{function}(%s)", campaign.id) == "SO006"
    assert refusal(connection, "select public.pause_campaign(%s, 'why')", campaign.id) == "SO006"
    assert refusal(
        connection,
        "select public.add_recipients(%s, %s::jsonb)",
        campaign.id,
        '[{"recipient": "+99927777777", "variables": {"name": "Late"}}]',
    ) == ("SO006")
    assert call(connection, "retry_failed", campaign.id)["moved"] == 0
    _wait_for_single(stage)
    assert sum(_requests(simulator).values()) == 101
    assert campaign.row() == before
    sound(connection)


def test_recipients_that_cannot_be_used_are_rejected_when_added(connection: Connection) -> None:
    campaign = Stage(connection).campaign(0, start=False)
    good = [
        {"recipient": person(number), "variables": {"name": "Good"}, "row": number}
        for number in range(10)
    ]
    bad: list[dict[str, Any]] = [
        {"recipient": "", "variables": {"name": "A"}, "row": 100},
        {"recipient": "12345", "variables": {"name": "A"}, "row": 101},
        {"recipient": "+0999123456", "variables": {"name": "A"}, "row": 102},
        {"recipient": "+99920000 001", "variables": {"name": "A"}, "row": 103},
        {"recipient": "+9992000000000001", "variables": {"name": "A"}, "row": 104},
        {"recipient": person(50), "variables": {}, "row": 105},
        {"recipient": person(51), "variables": "A", "row": 106},
        {"recipient": None, "row": 107},
    ]
    answer = call(connection, "add_recipients", campaign.id, [*bad[:4], *good, *bad[4:], *good])
    assert (answer["added"], answer["duplicate"]) == (10, 10)
    assert [row["row"] for row in answer["rejected"]] == [row["row"] for row in bad]
    assert all(row["reason"] for row in answer["rejected"])
    assert campaign.numbers("contacts", "estimated_cost") == (10, RATE * 10)
    call(connection, "start_campaign", campaign.id)
    assert len(campaign.send()) == 10
    assert campaign.numbers("status", "sent", "progress") == ("completed", 10, 100)
    sound(connection)


def _wait_for_nothing_between_tries(connection: Connection) -> None:
    """Let every retry come at once; what counts here is how many there are.

    A run of passing faults rests its account as well, which is another test's matter.
    """
    connection.execute(
        "update public.error_classes"
        " set first_wait = '0', longest_wait = '0', growth = 1, rests_account = false"
    )


def test_what_the_provider_rejects_ends_at_once_or_after_three_tries_and_nothing_spins(
    database: Database, connection: Connection, simulator: SimulatorProcess, workers: Workers
) -> None:
    _wait_for_nothing_between_tries(connection)
    stage = Stage(connection)
    campaign = stage.campaign(100)
    invalid, unreachable, passing, recovering = (
        [person(number) for number in numbers]
        for numbers in (range(10), range(10, 15), range(20, 25), range(30, 35))
    )
    simulator.control.set_faults(
        fail_recipients=[
            {"outcome": 135000, "recipients": invalid},
            {"outcome": 131026, "recipients": unreachable},
            {"outcome": 131016, "recipients": passing},
            {"outcome": 131016, "recipients": recovering, "attempts": 2},
        ]
    )
    with watched(database):
        workers.start()
        wait_until(campaign.is_completed, "completion")
        _wait_for_single(stage)
    expected = {person(number): 1 for number in [*range(100), 900]}
    expected |= dict.fromkeys(passing, 3) | dict.fromkeys(recovering, 3)
    assert _requests(simulator) == expected
    assert campaign.statuses() == {"sent": 80, "failed": 20}
    assert campaign.numbers("sent", "failed", "progress") == (80, 20, 100)
    assert campaign.numbers("actual_cost") == (RATE * 80,)
    failures = connection.execute(
        "select error_class, error_code, tries, count(*) from public.send_queue"
        " where status = 'failed' group by 1, 2, 3 order by 2"
    ).fetchall()
    assert failures == [
        ("transient", "131016", 3, 5),
        ("recipient", "131026", 0, 5),
        ("content", "135000", 0, 10),
    ]
    sound(connection)


def test_retrying_what_failed_lets_progress_fall_and_return_to_exactly_100(
    connection: Connection,
) -> None:
    _wait_for_nothing_between_tries(connection)
    campaign = Stage(connection).campaign(100)
    claimed = campaign.claim()
    campaign.dispatch(claimed)
    campaign.record(claimed, accepted(claimed["entries"][:90]))
    failed = [
        {"entry_id": e["entry_id"], "attempt": 1, "outcome": "rejected", "code": "135000"}
        for e in claimed["entries"][90:]
    ]
    campaign.record(claimed, failed)
    assert campaign.numbers("status", "failed", "progress") == ("completed", 10, 100)
    sound(connection)
    for _ in range(2):
        # The second finds nothing left to move.
        call(connection, "retry_failed", campaign.id)
        assert campaign.numbers("status", "failed", "progress") == ("running", 0, 90)
        sound(connection)
    # Told again, the old failure fails nobody a second time.
    campaign.record(claimed, failed)
    assert campaign.numbers("status", "failed", "progress") == ("running", 0, 90)
    assert len(campaign.send()) == 10
    assert campaign.numbers("status", "sent", "failed", "progress") == ("completed", 100, 0, 100)
    sound(connection)


def test_a_campaign_with_nobody_to_send_to_completes_at_its_start(connection: Connection) -> None:
    stage = Stage(connection)
    empty = stage.campaign(0, name="Empty", start=False)
    assert empty.numbers("status", "progress") == ("draft", 0)
    call(connection, "start_campaign", empty.id)
    assert empty.numbers("status", "contacts", "progress") == ("completed", 0, 100)

    for number in range(5):
        call(connection, "suppress", stage.organization, person(number), "all", "stop")
    skipped = stage.campaign(5, name="All skipped")
    assert skipped.numbers("status", "skipped", "progress") == ("completed", 5, 100)

    due = stage.campaign(0, name="Due", start=False)
    connection.execute("select public.start_campaign(%s, now() + interval '1 day')", [due.id])
    assert due.numbers("status", "progress") == ("scheduled", 0)
    call(connection, "start_campaign", due.id)
    assert due.numbers("status", "progress") == ("completed", 100)
    assert empty.claim()["claim_id"] is None
    sound(connection)


@pytest.mark.parametrize("contacts", [1, 3, 7, 100, 101, 292])
def test_progress_reaches_100_with_the_last_contact_and_not_before(
    connection: Connection, contacts: int
) -> None:
    campaign = Stage(connection).campaign(contacts)
    if contacts > 1:
        campaign.send(contacts - 1)
    status, progress = campaign.numbers("status", "progress")
    assert status == "running"
    assert progress < 100
    (last,) = campaign.send()
    assert campaign.numbers("status", "progress", "sent") == ("completed", 100, contacts)
    campaign.report([last], "sent", "delivered", "read")
    assert campaign.numbers("status", "progress", "sent") == ("completed", 100, contacts)
    sound(connection)


def test_sessions_that_settle_the_last_contacts_together_complete_the_campaign_once(
    database: Database, connection: Connection
) -> None:
    campaign = Stage(connection).campaign(100)
    claims = [campaign.claim(20) for _ in range(5)]
    for claimed in claims:
        campaign.dispatch(claimed)
    with ExitStack() as stack:
        sessions = [stack.enter_context(database.connect_as_worker()) for _ in claims]
        stack.enter_context(watched(database))

        def record(session: Connection, claimed: dict[str, Any]) -> Any:
            # One by one, so that the sessions meet at the campaign's row again and again.
            return [
                call(session, "record_results", claimed["claim_id"], [told])["sent"]
                for told in accepted(claimed["entries"])
            ]

        outcomes = at_once(
            *(
                lambda s=session, c=claimed: record(s, c)
                for session, claimed in zip(sessions, claims, strict=True)
            )
        )
    assert outcomes == [[1] * 20] * 5
    assert campaign.numbers("status", "sent", "progress") == ("completed", 100, 100)
    assert one(connection, "select count(*) from public.claims") == 0
    # Completed when the last of them was settled, and at no other time.
    assert one(
        connection,
        "select c.completed_at >= (select max(q.settled_at) from public.send_queue q)"
        " from public.campaigns c",
    )
    sound(connection)


def test_several_campaigns_at_once_do_not_disturb_each_other(
    database: Database, connection: Connection, simulator: SimulatorProcess, workers: Workers
) -> None:
    stage = Stage(connection)
    second = stage.another_account("106500000000002")
    # The same people in all of them: what happens in one says nothing about another.
    campaigns = [
        stage.campaign(100, name="One"),
        stage.campaign(70, name="Two"),
        stage.campaign(50, name="Three", account=second),
    ]
    stopped = stage.campaign(30, name="Stopped", account=second)
    call(connection, "pause_campaign", stopped.id, "not this one")
    simulator.control.set_faults(fail_recipients=[{"outcome": 135000, "recipients": [person(0)]}])
    with watched(database):
        workers.start(SENDONCE_WORKER_NAME="first")
        workers.start(SENDONCE_WORKER_NAME="second")
        for campaign in campaigns:
            wait_until(campaign.is_completed, "completion")
    for campaign, size in zip(campaigns, (100, 70, 50), strict=True):
        assert campaign.numbers("sent", "failed", "progress") == (size - 1, 1, 100)
        assert campaign.numbers("actual_cost") == (RATE * (size - 1),)
        told = simulator.control.statistics(campaign.id)
        assert (told["accepted"], told["requests"]) == (size - 1, size)
    assert stopped.numbers("status", "sent", "progress", "actual_cost") == ("paused", 0, 0, 0)
    sound(connection)


def test_single_messages_go_out_and_touch_no_campaign(
    connection: Connection, simulator: SimulatorProcess, workers: Workers
) -> None:
    _wait_for_nothing_between_tries(connection)
    stage = Stage(connection)
    paused = stage.campaign(100)
    call(connection, "pause_campaign", paused.id, "not yet")
    before = paused.row()
    # To somebody who is in the campaign, too; and one that the provider never takes.
    singles = [_send_single(stage, number) for number in (0, 901, 902)]
    hopeless = _send_single(stage, 903)
    simulator.control.set_faults(fail_recipients=[{"outcome": 131016, "recipients": [person(903)]}])
    workers.start()
    wait_until(
        lambda: (
            [_entry(connection, e)[0] for e in singles] == ["sent"] * 3
            and _entry(connection, hopeless)[0] == "failed"
        ),
        "the single messages",
    )
    assert _entry(connection, hopeless) == ("failed", 3, 3)
    _wait_for_single(stage, 904)
    assert _requests(simulator) == {
        person(0): 1,
        person(901): 1,
        person(902): 1,
        person(903): 3,
        person(904): 1,
    }
    assert paused.row() == before
    sound(connection)


@contextmanager
def _without_any_guard(connection: Connection) -> Iterator[None]:
    """Take every guard off the campaigns, as an owner can, and put them back on afterwards."""
    checks = connection.execute(
        "select conname, pg_get_constraintdef(oid) from pg_constraint"
        " where conrelid = 'public.campaigns'::regclass and contype = 'c'"
    ).fetchall()
    for name, _ in checks:
        connection.execute(f"alter table public.campaigns drop constraint {name}")
    connection.execute("alter table public.campaigns disable trigger user")
    yield
    connection.execute("alter table public.campaigns enable trigger user")
    # Each looks at every row once more.
    for name, definition in checks:
        connection.execute(f"alter table public.campaigns add constraint {name} {definition}")


def _plant(campaign: Campaign, change: str) -> None:
    """Write numbers of one's own into a campaign."""
    campaign.connection.execute(
        f"update public.campaigns set {change} where id = %s", [campaign.id]
    )


def test_the_repair_says_what_it_changed_and_changes_nothing_else(connection: Connection) -> None:
    stage = Stage(connection)
    inflated = stage.campaign(100, name="290 %")
    inflated.report(inflated.send(), "delivered")
    unfinished = stage.campaign(100, name="Completed with 26 queued")
    unfinished.send(74)
    healthy = stage.campaign(100, name="Healthy")
    call(connection, "pause_campaign", healthy.id, "waits")
    honest = {c.id: c.row() for c in (inflated, unfinished, healthy)}
    sound(connection)

    with _without_any_guard(connection):
        _plant(inflated, "total_sent = 290, total_delivered = 292, actual_cost = 104.55")
        _plant(
            unfinished,
            "status = 'completed', completed_at = now(), total_sent = 100, actual_cost = 5.50",
        )
        assert inflated.numbers("progress") == (290,)
        assert unfinished.numbers("status", "progress") == ("completed", 100)

        # Found: by our own count, by the invariants, and by the check, which names both numbers.
        assert len(drift(connection)) == 6
        found = connection.execute(
            "select distinct campaign_id::text from public.verify_invariants()"
            " where campaign_id is not null"
        ).fetchall()
        assert {row[0] for row in found} == {inflated.id, unfinished.id}
        checked = connection.execute(
            "select campaign_id::text, matches, claims, proves from public.check_campaigns()"
        ).fetchall()
        assert [row[1] for row in checked] == [False, False, True]
        by_id = {row[0]: row for row in checked}
        assert by_id[inflated.id][2]["progress"] == 290
        assert by_id[inflated.id][3]["progress"] == 100

        for campaign, status in ((inflated, "completed"), (unfinished, "paused")):
            wrong = campaign.row()
            dry = call(connection, "repair_campaign", campaign.id, True)
            assert campaign.row() == wrong
            done = call(connection, "repair_campaign", campaign.id, False)
            assert dry | {"dry_run": False} == done
            assert done["differs"] is True
            changed = {
                name: (done["before"][name], done["after"][name])
                for name in done["before"]
                if done["before"][name] != done["after"][name]
            }
            expected = honest[campaign.id] | {"status": status}
            row = campaign.row()
            assert row == expected
            # What it says it changed is what it changed, from and to.
            assert {name for name in wrong if wrong[name] != row[name]} == set(changed)
            for name, (before, after) in changed.items():
                kind = type(row[name])
                assert (wrong[name], row[name]) == (kind(str(before)), kind(str(after)))
            logged = connection.execute(
                "select detail from public.campaign_events"
                " where event = 'campaign.repaired' and campaign_id = %s",
                [campaign.id],
            ).fetchall()
            assert logged == [({"before": done["before"], "after": done["after"]},)]
        assert call(connection, "repair_campaign", healthy.id, False)["differs"] is False
        assert healthy.row() == honest[healthy.id]

    sound(connection)
    assert one(
        connection, "select count(*) from public.campaign_events where event = 'campaign.repaired'"
    ) == (2)
    # The repaired one sends to nobody until somebody says so, and then to the 26 that waited.
    assert unfinished.claim()["claim_id"] is None
    call(connection, "resume_campaign", unfinished.id)
    assert len(unfinished.send()) == 26
    assert unfinished.numbers("status", "sent", "progress") == ("completed", 100, 100)
    sound(connection)
