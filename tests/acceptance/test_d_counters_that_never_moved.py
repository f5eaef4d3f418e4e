"""Incident D: the dashboard showed 0/0 and the campaign never completed.

The sender called `increment_campaign_sent` and `increment_campaign_failed`, which the installed
schema did not have; the calls failed without a word, and completion waited for counters that never
moved. Where counts were read from rows, they were read through an API that stops at 1,000.

Played with the incident's own sizes: a file of 10,549 contacts (10,521 sent, 28 failed) and one of
31,265. At these sizes the provider is the test itself and the batches go through the functions that
workers call; the worker that has to refuse its start is a real process.

That `complete_schema.sql` installs what the migrations install is tested in
`tests/schema/test_both_ways_of_installing.py` and `test_generated_files.py`.
"""

import threading
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from acceptance.de_pages import API_CAP, assert_the_pages_agree, open_pages
from acceptance.de_sending import Entry, accepted, claim, dispatch, record, send_all, value
from acceptance.de_world import open_world
from races.sessions import World
from support.database import Database
from worker.support import Workers, workers_for

FILE_31 = 10_549
SENT, FAILED = 10_521, 28
FILE_32 = 31_265

INCREMENTS = ("increment_campaign_sent", "increment_campaign_failed")


@pytest.fixture
def world(database: Database) -> Iterator[World]:
    """The test's database with the fixtures of the core path."""
    with open_world(database) as world:
        yield world


@pytest.fixture
def workers(database: Database) -> Iterator[Workers]:
    """Starts worker processes; nobody listens where they would send."""
    with workers_for(database, "http://127.0.0.1:9/v25.0") as workers:
        yield workers


def account_of(world: World, campaign: Any) -> Any:
    return world.value("select core.account_of(%s)", campaign)


def organization_of(world: World, campaign: Any) -> Any:
    return world.value("select core.organization_of(%s)", campaign)


def fails_for(recipients: dict[str, str]) -> Any:
    """A provider that refuses these people with these codes and takes everybody else."""

    def answer(entry: Entry) -> dict[str, Any]:
        code = recipients.get(entry["recipient"])
        if code is None:
            return accepted(entry)
        return {"outcome": "rejected", "http_status": 400, "code": code}

    return answer


def test_file_31_completes_by_itself_with_its_last_batch(database: Database, world: World) -> None:
    campaign = world.campaign(FILE_31)
    account = account_of(world, campaign)
    # Spread over the file; half of them the generic error, half numbers without WhatsApp.
    bad = {
        world.value("select core.person(%s)", 1 + number * 376): "135000"
        if number % 2
        else "131026"
        for number in range(FAILED)
    }
    answer = fails_for(bad)

    seen = []
    while (claimed := claim(world.owner, account, "worker-1")) is not None:
        # Until the last result is in, the campaign runs.
        assert world.status(campaign) == "running"
        record(world.owner, claimed, dispatch(world.owner, claimed), answer)
        seen.append(Decimal(world.counter(campaign, "progress")))

    # Nothing else was called: no sweep, no check for completion, no flush of a cache.
    assert world.status(campaign) == "completed"
    assert seen == sorted(seen)
    assert seen[-1] == 100
    assert all(progress < 100 for progress in seen[:-1])
    pages = open_pages(database, world.owner, organization_of(world, campaign))
    assert assert_the_pages_agree(pages, campaign) == Counter(sent=SENT, failed=FAILED)
    page = pages.campaign(campaign)
    assert page["total_sent"] + page["total_failed"] == page["total_contacts"] == FILE_31
    assert page["completed_at"] is not None
    assert {row["recipient"] for row in pages.details(campaign, "failed")} == set(bad)
    # 28 of 10,549 are normal: neither account nor template nor campaign was stopped for them.
    assert page["account_paused"] is None
    assert page["template_stopped"] is None
    assert world.owner.execute("select * from verify_invariants()").fetchall() == []


def test_file_32_is_counted_exactly_where_a_capped_api_would_say_1_000(
    database: Database, world: World
) -> None:
    campaign = world.campaign(FILE_32)
    account = account_of(world, campaign)
    sessions = [world.session() for _ in range(2)]
    senders = [
        threading.Thread(target=send_all, args=(session, account, f"worker-{number}"))
        for number, session in enumerate(sessions)
    ]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()

    pages = open_pages(database, world.owner, organization_of(world, campaign))
    # How their dashboard counted: fetch the rows, take the length.
    fetched = pages.rows_through_a_capped_api(
        "select id from public.send_queue where campaign_id = %s and status = 'sent'", [campaign]
    )
    assert len(fetched) == API_CAP
    # How it is counted here: one object, which no cap can cut.
    page = pages.campaign(campaign)
    assert (page["total_contacts"], page["total_sent"]) == (FILE_32, FILE_32)
    assert page["status"] == "completed"
    one_object = pages.rows_through_a_capped_api(
        "select public.campaign_progress(%s) ->> 'total_sent'", [campaign]
    )
    assert one_object == [(str(FILE_32),)]
    # And the list counts the same when it is read page by page.
    assert sum(1 for _ in pages.details(campaign)) == FILE_32


def test_a_list_refuses_a_page_that_an_api_would_cut(database: Database, world: World) -> None:
    campaign = world.campaign(1)
    pages = open_pages(database, world.owner, organization_of(world, campaign))
    with pytest.raises(psycopg.Error) as refusal:
        pages.rows_through_a_capped_api(
            "select * from public.campaign_entries(%s, null, 0, 1001)", [campaign]
        )
    assert refusal.value.sqlstate == "SO005"


def test_a_campaign_with_nothing_to_send_completes_at_its_start(world: World) -> None:
    empty = world.campaign(0)
    assert world.status(empty) == "completed"
    assert world.counter(empty, "progress") == "100.00"

    original = world.campaign(3)
    organization = organization_of(world, original)
    for number in range(4, 7):
        recipient = world.value("select core.person(%s)", number)
        value(world.owner, "suppress", organization, recipient, "all", "asked for it")
    clone = value(world.owner, "clone_campaign", original, "none")["campaign_id"]
    added = value(
        world.owner, "add_recipients", clone, world.value("select core.people(4, 6)::text")
    )
    assert (added["added"], added["suppressed"]) == (3, 3)
    assert value(world.owner, "start_campaign", clone)["status"] == "completed"
    assert world.counter(clone, "total_skipped") == "3"


def test_counters_move_without_the_increment_functions(world: World) -> None:
    # The cause itself: the functions are not there. Nothing that counts has ever called them.
    for function in INCREMENTS:
        world.owner.execute(f"drop function public.{function}(uuid, integer)")
    campaign = world.campaign(50)
    bad = {world.value("select core.person(7)"): "135000"}
    send_all(world.owner, account_of(world, campaign), "worker-1", fails_for(bad))
    assert world.status(campaign) == "completed"
    assert world.counter(campaign, "total_sent") == "49"
    assert world.counter(campaign, "total_failed") == "1"


@pytest.mark.parametrize("function", INCREMENTS)
@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role", "sendonce_worker"])
def test_nobody_may_call_the_increment_functions(
    database: Database, world: World, role: str, function: str
) -> None:
    campaign = world.campaign(3)
    session = (
        database.connect_as_worker() if role == "sendonce_worker" else database.connect_as(role)
    )
    # This function itself, and not only the internal one that it would call.
    refusal = f"permission denied for function {function}"
    with session, pytest.raises(psycopg.errors.InsufficientPrivilege, match=refusal):
        # As their sender did, by name and with one argument.
        session.execute(f"select public.{function}(_campaign_id := %s)", [campaign])
    assert world.counter(campaign, "total_sent") == "0"


@pytest.mark.parametrize("function", INCREMENTS)
def test_not_even_the_owner_moves_a_counter_without_its_row(world: World, function: str) -> None:
    campaign = world.campaign(3)
    with pytest.raises(psycopg.Error) as refusal:
        world.owner.execute(f"select public.{function}(%s)", [campaign])
    assert refusal.value.sqlstate == "SO011"
    world.sound(campaign)


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (
            "drop function public.record_results(bigint, jsonb)",
            "function public.record_results does not exist",
        ),
        (
            "revoke execute on function public.record_results(bigint, jsonb) from sendonce_worker",
            "function public.record_results may not be executed by role sendonce_worker",
        ),
    ],
)
def test_a_worker_without_its_function_ends_at_once_with_exit_code_2(
    world: World, workers: Workers, damage: str, complaint: str
) -> None:
    campaign = world.campaign(3)
    world.owner.execute(damage)
    worker = workers.start()
    assert worker.wait() == 2
    lines = [line for line in worker.log().splitlines() if line.startswith("sendonce: ")]
    assert len(lines) == 1
    assert lines[0].startswith(f"sendonce: {complaint}")
    # It had not even begun: nothing is in anybody's hands.
    assert world.value("select count(*) from claims") == 0
    world.sound(campaign)
