"""Counters inflated: 100 contacts, 658 "sent", and not one message row.

The simulated provider wrote straight into the database and reported the same message many times;
counters were bumped per event; races between a check and its increment did the rest.
"""

from __future__ import annotations

import random
import subprocess
import sys
from contextlib import ExitStack
from typing import Any

import pytest

from acceptance.abc_support import (
    FORBIDDEN,
    Campaign,
    Stage,
    accepted,
    at_once,
    call,
    drift,
    one,
    person,
    refusal,
    report,
    sound,
    watched,
    webhook,
)
from sendonce.simulator.process import SimulatorProcess
from support.database import Connection, Database
from worker.support import accepted_per_recipient, wait_until, workers_for

_TABLES = ("campaigns", "send_queue", "messages", "claims", "organizations", "provider_accounts")


def _content(connection: Connection) -> dict[str, Any]:
    """Everything in the tables, for a comparison of before and after."""
    return {
        table: connection.execute(
            f"select coalesce(jsonb_agg(to_jsonb(t) order by to_jsonb(t)::text), '[]')"
            f" from public.{table} t"
        ).fetchone()
        for table in _TABLES
    }


def test_658_reports_about_100_contacts_count_100_contacts(
    database: Database, connection: Connection, simulator: SimulatorProcess
) -> None:
    campaign = Stage(connection).campaign(100)
    # Only "sent" is reported at first; the rest of the 658 are repetitions of it.
    simulator.control.set_faults(delivered_rate=0.0)
    with (
        webhook(database, simulator),
        workers_for(database, simulator.graph_url) as workers,
        watched(database),
    ):
        workers.start()
        wait_until(campaign.is_completed, "completion")
        assert simulator.control.flush_reports()
        sound(connection)
        for _ in range(5):
            simulator.control.replay_reports(campaign=campaign.id, statuses=["sent"])
            assert simulator.control.flush_reports()
            sound(connection)
        for number in range(58):
            simulator.control.replay_reports(recipient=person(number), statuses=["sent"])
        assert simulator.control.flush_reports()

        logged = one(connection, "select count(*) from sendonce.report_log")
        assert logged == 658
        assert campaign.numbers("sent", "delivered", "failed", "progress") == (100, 0, 0, 100)
        # The incident had no message rows at all: here each contact has exactly one.
        assert one(connection, "select count(*) from public.messages") == 100
        assert accepted_per_recipient(simulator) == {person(n): 1 for n in range(100)}
        sound(connection)

        for statuses in (["read", "delivered", "sent"], ["delivered", "read"], ["sent", "read"]):
            simulator.control.replay_reports(campaign=campaign.id, statuses=statuses)
            assert simulator.control.flush_reports()
            assert campaign.numbers("sent", "delivered", "read") == (100, 100, 100)
            sound(connection)
    assert campaign.numbers("status", "actual_cost") == (
        "completed",
        campaign.row()["estimated_cost"],
    )


def test_the_simulator_has_no_way_into_the_database() -> None:
    script = (
        "import sys, sendonce.simulator.server, sendonce.simulator.provider,"
        " sendonce.simulator.control, sendonce.simulator.reporter;"
        "print(sorted(name for name in sys.modules if name.split('.')[0] in"
        " ('psycopg', 'psycopg_pool', 'asyncpg') or name.startswith('sendonce.transports')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role", "sendonce_worker"])
def test_no_role_of_the_api_writes_past_the_functions(
    database: Database, connection: Connection, role: str
) -> None:
    stage = Stage(connection)
    campaign = stage.campaign(100)
    entries = campaign.send(50)
    campaign.report(entries[:10], "delivered")
    admin = one(connection, "select gen_random_uuid()")
    connection.execute("select public.set_member(%s, %s, 'admin')", [stage.organization, admin])
    before = _content(connection)
    statements = [
        "update public.campaigns set total_sent = total_sent + 1",
        "update public.campaigns set status = 'completed', completed_at = now()",
        "update public.send_queue set delivery_status = 'delivered'",
        "update public.send_queue set status = 'ready', claim_id = null",
        "update public.messages set delivered_at = now()",
        "update public.claims set expires_at = now()",
        "delete from public.send_queue",
        "delete from public.messages",
        "truncate public.send_queue",
        "insert into public.send_queue default values",
        "insert into public.messages default values",
        "insert into sendonce.report_log default values",
    ]
    with ExitStack() as stack:
        session = stack.enter_context(
            database.connect_as_worker()
            if role == "sendonce_worker"
            else database.connect_as(role, admin if role == "authenticated" else None)
        )
        if role == "authenticated":
            # He sees it all, and may write none of it.
            assert one(session, "select count(*) from public.send_queue") == 100
        assert [refusal(session, statement) for statement in statements] == (
            [FORBIDDEN] * len(statements)
        )
    assert _content(connection) == before
    sound(connection)


def test_the_owner_cannot_write_a_number_that_no_row_has(connection: Connection) -> None:
    campaign = Stage(connection).campaign(100)
    campaign.report(campaign.send(50)[:10], "delivered")
    before = _content(connection)
    refused = {
        "update public.campaigns set total_sent = 658": "SO011",
        "update public.campaigns set total_sent = total_sent + 1": "SO011",
        "update public.campaigns set total_delivered = 0": "SO011",
        "update public.campaigns set actual_cost = 104.55": "SO011",
        "update public.campaigns set progress = 100": "428C9",
        "delete from public.send_queue": "SO009",
        "truncate public.send_queue": "SO009",
        "delete from public.messages": "SO009",
        "delete from public.campaigns": "SO009",
        # Reported, though never sent.
        "update public.send_queue set delivery_status = 'read' where status = 'ready'": "23514",
        # Reported back to less than it was, and sent once more.
        "update public.send_queue set delivery_status = null where delivery_status is not null": (
            "SO007"
        ),
        "update public.send_queue set status = 'ready' where status = 'sent'": "SO007",
        "update public.send_queue set provider_message_id = 'wamid.other' where status = 'sent'": (
            "SO008"
        ),
    }
    assert {statement: refusal(connection, statement) for statement in refused} == refused
    assert _content(connection) == before
    sound(connection)


def test_what_the_owner_writes_into_rows_658_times_is_counted_once_and_found_out(
    connection: Connection,
) -> None:
    campaign = Stage(connection).campaign(100)
    # What the simulation provider did: mark messages as sent in the table, over and over.
    for number in range(658):
        connection.execute(
            "update public.send_queue set status = 'sent', provider_message_id ="
            " coalesce(provider_message_id, 'forged.' || id), sent_at = coalesce(sent_at, now())"
            " where campaign_id = %s and recipient = %s",
            [campaign.id, person(number % 100)],
        )
        if number in (0, 49, 98, 99, 100, 657):
            assert campaign.numbers("sent") == (min(number + 1, 100),)
            assert drift(connection) == []
    assert campaign.numbers("sent", "progress", "actual_cost") == (100, 100, 0)
    # The counters are the rows, and the rows are known to be forged: no attempt was ever made.
    found = connection.execute(
        "select distinct entry_id from public.verify_invariants() where entry_id is not null"
    ).fetchall()
    assert len(found) == 100


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role", "sendonce_worker"])
def test_no_role_of_the_api_increments_a_counter(
    database: Database, connection: Connection, role: str
) -> None:
    campaign = Stage(connection).campaign(100)
    campaign.send(50)
    before = campaign.row()
    session = (
        database.connect_as_worker() if role == "sendonce_worker" else database.connect_as(role)
    )
    with session:
        answers = {
            function: refusal(session, f"select {function}", campaign.id)
            for function in _increments(connection)
        }
    assert answers == dict.fromkeys(answers, FORBIDDEN)
    assert campaign.row() == before
    sound(connection)


def test_not_even_the_owner_increments_a_counter(connection: Connection) -> None:
    campaign = Stage(connection).campaign(100)
    campaign.report(campaign.send(50), "read")
    before = campaign.row()
    answers = {
        function: refusal(connection, f"select {function}", campaign.id)
        for function in _increments(connection)
    }
    # The bounds may speak up before the guard does; nothing gets through in either case.
    assert set(answers.values()) <= {"SO011", "23514"}
    assert answers["public.increment_campaign_sent(%s, 1)"] == "SO011"
    assert answers["public.increment_campaign_failed(%s, 1)"] == "SO011"
    assert campaign.row() == before
    sound(connection)


def _increments(connection: Connection) -> list[str]:
    """A call of each function that adds to counters, however it is named."""
    names = [
        name
        for (name,) in connection.execute(
            "select p.proname from pg_proc p where p.pronamespace = 'public'::regnamespace"
            " and p.proname like 'increment%' order by 1"
        ).fetchall()
    ]
    assert {"increment_campaign_sent", "increment_campaign_failed"} <= set(names)
    internal = "sendonce.increment_campaign_counters(%s, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0)"
    return [*(f"public.{name}(%s, 1)" for name in names), internal]


def test_sessions_that_check_and_then_increment_get_nowhere(
    database: Database, connection: Connection
) -> None:
    campaign = Stage(connection).campaign(100)
    campaign.send(50)
    with ExitStack() as stack:
        sessions = [stack.enter_context(database.connect()) for _ in range(6)]

        def check_then_increment(session: Connection) -> str:
            seen = one(
                session, "select total_sent from public.campaigns where id = %s", campaign.id
            )
            return refusal(
                session,
                "update public.campaigns set total_sent = %s where id = %s",
                seen + 1,
                campaign.id,
            )

        actions = [lambda s=session: check_then_increment(s) for session in sessions]
        assert at_once(*actions) == ["SO011"] * len(sessions)
    assert campaign.numbers("sent") == (50,)
    sound(connection)


def test_sessions_that_record_and_report_the_same_at_once_count_it_once(
    database: Database, connection: Connection
) -> None:
    campaign = Stage(connection, charge_on="delivered").campaign(100)
    claimed = campaign.claim()
    campaign.dispatch(claimed)
    entries = claimed["entries"]
    chance = random.Random(658)
    with ExitStack() as stack:
        sessions = [stack.enter_context(database.connect_as_worker()) for _ in range(6)]
        stack.enter_context(watched(database))

        def record(session: Connection, order: list[dict[str, Any]]) -> Any:
            return call(session, "record_results", claimed["claim_id"], accepted(order))

        def ingest(session: Connection, order: list[dict[str, Any]]) -> Any:
            told = [
                report(entry, status, campaign.sender())
                for entry in order
                for status in chance.sample(["sent", "delivered", "delivered", "read"], 4)
            ]
            return call(session, "ingest_delivery_reports", "whatsapp", told)

        moves = [record, ingest] * 3
        actions = [
            lambda m=move, s=session: m(s, chance.sample(entries, len(entries)))
            for move, session in zip(moves, sessions, strict=True)
        ]
        outcomes = at_once(*actions)
    assert [outcome for outcome in outcomes if not isinstance(outcome, dict)] == []
    assert sum(outcome["taken"] for outcome in outcomes[1::2]) == 3 * 4 * 100
    assert campaign.numbers("status", "progress") == ("completed", 100)
    assert campaign.numbers("sent", "delivered", "read", "unknown") == (100, 100, 100, 0)
    assert campaign.numbers("actual_cost") == campaign.numbers("estimated_cost")
    sound(connection)


def test_progress_is_the_share_of_settled_contacts_at_every_step(connection: Connection) -> None:
    campaign: Campaign = Stage(connection).campaign(100)
    for done in range(1, 101):
        entries = campaign.send(1)
        campaign.report(entries * 6, "sent", "delivered")
        assert campaign.numbers("sent", "delivered", "progress") == (done, done, done)
        assert drift(connection) == []
    assert campaign.numbers("status") == ("completed",)
    sound(connection)
