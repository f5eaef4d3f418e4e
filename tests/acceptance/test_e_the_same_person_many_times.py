"""Incident E: the same person got the message 2 to 10 times.

20,028 contacts, 165,480 attempts, counters of 46,262 sent and 119,218 failed. Rows in `processing`
were picked up again after a restart by PM2 or by a racing worker, counters counted attempts, and
the campaign page counted attempts where "View details" counted contacts. Their fix put rows stuck
in `processing` without a WAMID back to `ready`, and so still sent twice after a crash between the
provider's acceptance and the storing of the WAMID.

Two scales. The incident's own 20,028 contacts and 165,480 hand-outs are played through the
functions that workers call, by sessions at once; what a committed `begin_dispatch` let go counts as
what the provider got. The restarts are played with real worker processes, SIGKILL and a real
simulator whose ledger says who got what, with 350 contacts so that they take seconds.
"""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from acceptance.de_pages import assert_the_pages_agree, open_pages
from acceptance.de_process_manager import ProcessManager
from acceptance.de_sending import BATCH, accepted, claim, dispatch, record, send_all, value
from acceptance.de_world import open_world
from races.sessions import World
from sendonce.simulator.process import SimulatorProcess
from support.database import Connection, Database
from worker.support import (
    SENDER,
    Campaign,
    Workers,
    assert_nobody_got_it_twice,
    start_campaign,
    wait_until,
)

CONTACTS = 20_028
ATTEMPTS = 165_480
SENT_SHOWN, FAILED_SHOWN = 46_262, 119_218
assert SENT_SHOWN + FAILED_SHOWN == ATTEMPTS

#: Leases and windows that end within a test, and a request that fits into such a lease.
SHORT = {"lease": "4 seconds", "unknown_window": "1 second"}
SETTINGS = {
    "SENDONCE_REQUEST_TIMEOUT": "3",
    "SENDONCE_BATCH": "20",
    "SENDONCE_CONCURRENCY": "5",
}


@pytest.fixture
def world(database: Database) -> Iterator[World]:
    """The test's database with the fixtures of the core path and a clock to move."""
    with open_world(database) as world:
        yield world


@pytest.fixture
def simulator(simulator: SimulatorProcess) -> SimulatorProcess:
    """A provider that takes its time, so that a worker can be killed meanwhile."""
    simulator.control.set_faults(latency_mean=0.1, latency_jitter=0.05)
    return simulator


def test_165_480_attempts_send_20_028_messages(database: Database, world: World) -> None:
    campaign = world.campaign(CONTACTS)
    account = world.value("select core.account_of(%s)", campaign)
    sessions = [world.session() for _ in range(2)]
    lost: list[dict[str, Any]] = []

    def grab(session: Connection, contacts: int) -> None:
        """Claim until so many are in hand, or nothing is left, and die with all of it."""
        held = 0
        while held < contacts and (claimed := claim(session, account, "sender")) is not None:
            held += len(claimed["entries"])
            lost.append(claimed)

    def restart() -> None:
        # The lease of what died runs out, and the entries come back by that and nothing else.
        world.advance("61 seconds")
        # Claim by claim: these hold three times as much as a worker's usually do.
        while value(world.owner, "expire_claims", 1)["more"]:
            pass

    # Seven generations of workers die with everything in their hands.
    for _ in range(7):
        at_once([threading.Thread(target=grab, args=(s, CONTACTS)) for s in sessions])
        restart()
    # And the eighth with a part, so that the incident's number comes out with the last.
    rest = ATTEMPTS - 8 * CONTACTS
    while rest > 0:
        claimed = value(world.owner, "claim_messages", "sender", account, min(rest, BATCH))
        rest -= len(claimed["entries"])
        lost.append(claimed)
    restart()
    assert sum(len(claimed["entries"]) for claimed in lost) == ATTEMPTS - CONTACTS

    # The dead are not dead but slow: each wakes up and wants to send what it held. This is where
    # the second to tenth message came from.
    for zombie in lost:
        with pytest.raises(psycopg.Error) as refusal:
            dispatch(world.owner, zombie)
        assert refusal.value.sqlstate == "SO020"

    # The survivors send; what begin_dispatch lets go has left for the provider.
    got: list[Counter[str]] = []
    at_once(
        [
            threading.Thread(target=lambda s=s: got.append(send_all(s, account, "sender")))
            for s in sessions
        ]
    )
    received: Counter[str] = sum(got, Counter())
    assert len(received) == CONTACTS
    assert set(received.values()) == {1}
    assert world.value("select sum(attempt) from send_queue") == ATTEMPTS
    # Attempts that may have reached the provider: one each.
    assert world.value("select count(*) from messages") == CONTACTS

    pages = open_pages(
        database, world.owner, world.value("select core.organization_of(%s)", campaign)
    )
    assert assert_the_pages_agree(pages, campaign) == Counter(sent=CONTACTS)
    assert pages.campaign(campaign)["status"] == "completed"
    assert world.owner.execute("select * from verify_invariants()").fetchall() == []


def test_165_480_results_are_counted_as_20_028_contacts(database: Database, world: World) -> None:
    campaign = world.campaign(CONTACTS)
    account = world.value("select core.account_of(%s)", campaign)
    batches = []
    while (claimed := claim(world.owner, account, "sender")) is not None:
        batches.append((claimed, dispatch(world.owner, claimed)))

    # Every attempt of the incident tells its result: 46,262 times that it was sent, 119,218 times
    # that it failed, two workers at once. Theirs added one to a counter each time.
    told = Counter[str]()
    sessions = [world.session() for _ in range(2)]

    def tell(session: Connection, outcome: str, times: int) -> None:
        left = times
        while left > 0:
            for claimed, entries in batches:
                some = entries[:left]
                if not some:
                    break
                record(session, claimed, some, accepted if outcome == "sent" else failed)
                told[outcome] += len(some)
                left -= len(some)

    def failed(_entry: dict[str, Any]) -> dict[str, Any]:
        return {"outcome": "rejected", "http_status": 400, "code": "135000"}

    # All are sent first, or a refusal would rightly have been the outcome of some.
    tell(sessions[0], "sent", CONTACTS)
    at_once(
        [
            threading.Thread(target=tell, args=(sessions[0], "sent", SENT_SHOWN - CONTACTS)),
            threading.Thread(target=tell, args=(sessions[1], "failed", FAILED_SHOWN)),
        ]
    )
    assert told == Counter(sent=SENT_SHOWN, failed=FAILED_SHOWN)

    pages = open_pages(
        database, world.owner, world.value("select core.organization_of(%s)", campaign)
    )
    assert assert_the_pages_agree(pages, campaign) == Counter(sent=CONTACTS)
    assert world.value("select count(*) from messages") == CONTACTS
    assert world.owner.execute("select * from verify_invariants()").fetchall() == []


def test_a_process_manager_that_restarts_all_the_time_is_a_non_event(
    connection: Connection,
    database: Database,
    simulator: SimulatorProcess,
    workers: Workers,
) -> None:
    campaign = start_campaign(connection, 350, account_options=SHORT)
    manager = ProcessManager(workers, 3, **SETTINGS)
    settled = 0
    for kill in range(7):
        settled += 30
        wait_until(lambda: sum_settled(campaign) >= settled, "some messages")  # noqa: B023
        manager.restart_by_sigkill(kill % 3)
    wait_until(lambda: campaign.status() == "completed", "completion")
    assert manager.restarts == 7
    assert manager.stop() == [0, 0, 0]

    assert_nobody_got_it_twice(campaign, simulator)
    pages = open_pages(database, connection, organization_of(campaign))
    by_status = assert_the_pages_agree(pages, campaign.campaign_id)
    # Rows that the dead had in hand came back; only what was on its way at a kill is in doubt.
    assert by_status["sent"] > 350 - 7 * 20
    assert pages.campaign(campaign.campaign_id)["progress"] == 100
    assert campaign.claims() == 0


def test_a_crash_between_acceptance_and_wamid_does_not_send_again(
    connection: Connection,
    database: Database,
    simulator: SimulatorProcess,
    workers: Workers,
) -> None:
    """What their fix still got wrong; the other points of a crash are in tests/worker."""
    campaign = start_campaign(connection, 60, account_options=SHORT)
    crashing = workers.start(SENDONCE_STOP_AT="after_acceptance:12", **SETTINGS)
    assert crashing.wait() < 0
    workers.start(**SETTINGS)
    wait_until(lambda: campaign.status() == "completed", "completion")

    accepted_by_provider = [
        entry for entry in simulator.control.ledger() if entry["outcome"] == "accepted"
    ]
    # The provider has messages of which the database never learned the WAMID ...
    lost = len(accepted_by_provider) - campaign.statuses()["sent"]
    assert lost > 0
    # ... their rows have no WAMID, so that a reset by age would have sent them again; here they
    # are listed, and nobody got a second one.
    assert_nobody_got_it_twice(campaign, simulator)
    pages = open_pages(database, connection, organization_of(campaign))
    assert_the_pages_agree(pages, campaign.campaign_id)

    # And the provider's own report about such a message still finds its row: it carries our
    # reference. The numbers follow on both pages.
    reports = [
        {
            "app": "default",
            "sender": SENDER,
            "provider_message_id": entry["provider_message_id"],
            "status": "delivered",
            "timestamp": str(campaign.value("select extract(epoch from now())::bigint")),
            "reference": entry["reference"],
        }
        for entry in accepted_by_provider
    ]
    value(connection, "ingest_delivery_reports", "whatsapp", json.dumps(reports))
    by_status = assert_the_pages_agree(pages, campaign.campaign_id)
    assert by_status["sent"] == len(accepted_by_provider)
    assert pages.campaign(campaign.campaign_id)["total_delivered"] == len(accepted_by_provider)
    assert campaign.violations() == []


def test_stuck_processing_comes_back_by_its_lease_and_by_nothing_else(world: World) -> None:
    campaign = world.campaign(2)
    never_left, perhaps_left = world.entries(campaign)
    claim_id = world.value("select core.claim(%s)", campaign)
    world.owner.execute("select core.dispatch(%s, array[%s]::bigint[])", [claim_id, perhaps_left])

    value(world.owner, "expire_claims", 100)
    assert world.state(never_left) == world.state(perhaps_left) == "processing"
    world.advance("61 seconds")
    assert value(world.owner, "expire_claims", 100)["expired"] == 1
    # Their reset made no difference between the two.
    assert world.state(never_left) == "ready"
    assert world.state(perhaps_left) == "unknown"
    # An hour later still nobody is handed what may have left.
    world.advance("1 hour")
    assert world.value("select core.claim(%s)", campaign) is not None
    assert world.state(never_left) == "processing"
    assert world.state(perhaps_left) == "unknown"
    world.sound(campaign)


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role", "sendonce_worker"])
def test_nobody_can_run_the_reset_of_old_against_the_queue(
    database: Database, world: World, role: str
) -> None:
    campaign = world.campaign(1)
    world.hand_out(campaign)
    session = (
        database.connect_as_worker() if role == "sendonce_worker" else database.connect_as(role)
    )
    with session, pytest.raises(psycopg.errors.InsufficientPrivilege):
        session.execute(
            "update public.send_queue set status = 'ready'"
            " where status = 'processing' and provider_message_id is null"
        )
    assert world.state(world.entry(campaign)) == "processing"


def test_the_index_of_the_roll_back_plan_refuses_a_second_row_with_one_wamid(
    world: World,
) -> None:
    definition = world.value("select pg_get_indexdef('public.idx_send_queue_wamid'::regclass)")
    assert "UNIQUE" in definition
    assert "(account_id, provider_message_id)" in definition

    campaign = world.campaign(2)
    first, second = world.entries(campaign)
    world.hand_out(campaign)
    world.owner.execute("select core.result(%s, 'accepted')", [first])
    with pytest.raises(psycopg.errors.UniqueViolation) as refusal:
        world.owner.execute(
            "update send_queue set status = 'sent', sent_at = now(), settled_at = now(),"
            " claim_id = null, provider_message_id = core.wamid(%s, 1) where id = %s",
            [first, second],
        )
    assert refusal.value.diag.constraint_name == "idx_send_queue_wamid"


def test_a_contact_is_one_row_however_often_it_is_added(world: World) -> None:
    draft = world.campaign(5, start=False)
    again = value(
        world.owner, "add_recipients", draft, world.value("select core.people(1, 5)::text")
    )
    assert (again["added"], again["duplicate"]) == (0, 5)
    with pytest.raises(psycopg.Error):
        world.owner.execute(
            "insert into send_queue (organization_id, account_id, campaign_id, recipient)"
            " select organization_id, account_id, campaign_id, recipient from send_queue limit 1"
        )
    assert world.counter(draft, "total_contacts") == "5"


def test_going_back_hands_over_exactly_those_who_cannot_have_got_it(world: World) -> None:
    """The roll-back plan of docs/MIGRATING.md, with an entry in each state to be told apart."""
    campaign = world.campaign(6)
    account = world.value("select core.account_of(%s)", campaign)
    sent, unknown, lost, failed, *untouched = world.entries(campaign)
    claim_id = world.value("select core.claim(%s, 4)", campaign)
    world.owner.execute(
        "select core.dispatch(%s, %s::bigint[])", [claim_id, [sent, unknown, failed]]
    )
    world.owner.execute("select core.result(%s, 'accepted')", [sent])
    world.owner.execute("select core.result(%s, 'rejected', '{\"code\": \"135000\"}')", [failed])

    value(world.owner, "pause_account", account, "going back")
    world.advance("1 hour")
    value(world.owner, "expire_claims", 100)
    world.advance("1 hour")
    value(world.owner, "settle_overdue_unknown", 1000)
    value(world.owner, "cancel_campaign", campaign)
    value(world.owner, "sweep_cancelled", 1000)
    assert [world.state(entry) for entry in (sent, unknown, lost, failed, *untouched)] == [
        "sent",
        "failed",
        "cancelled",
        "failed",
        "cancelled",
        "cancelled",
    ]

    clone = value(world.owner, "clone_campaign", campaign, "unsent")["campaign_id"]
    rows = world.owner.execute(
        "select q.id from send_queue q join send_queue o on o.recipient = q.recipient"
        " and o.campaign_id = %s where q.campaign_id = %s and q.status = 'ready'"
        " and o.id <> all (%s)",
        [campaign, clone, [lost, failed, *untouched]],
    ).fetchall()
    # Neither who got it nor who may have got it ...
    assert rows == []
    # ... and everybody else.
    assert world.counter(clone, "total_contacts") == "4"


def sum_settled(campaign: Campaign) -> int:
    return int(campaign.value("select sum(total_sent + total_failed) from public.campaigns"))


def organization_of(campaign: Campaign) -> Any:
    return campaign.value("select organization_id from public.campaigns")


def at_once(threads: list[threading.Thread]) -> None:
    """Run them side by side; what one of them raises shows in what is asserted afterwards."""
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
