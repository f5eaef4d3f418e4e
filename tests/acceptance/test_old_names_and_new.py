"""The table of old and new names in docs/MIGRATING.md is true, row by row.

One place is not literal: there is no index `idx_send_queue_stuck_processing`. A claim lists what it
holds, so that nothing has to be searched for by age; docs/ARCHITECTURE.md says why an index on
processing entries would cost every claim. Here it is tested that the claim does that index's work.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from acceptance.de_sending import value
from acceptance.de_world import open_world
from races.sessions import World
from sendonce.simulator.process import SimulatorProcess
from support.database import Connection, Database
from worker.support import start_campaign, wait_until, workers_for

ROOT: Final = Path(__file__).resolve().parents[2]
MIGRATING: Final = ROOT / "docs" / "MIGRATING.md"

API_ROLES: Final = ("anon", "authenticated", "service_role", "sendonce_worker")
WORKER: Final = {"service_role", "sendonce_worker"}
DASHBOARD: Final = {"authenticated", "service_role"}

#: Theirs, and the column that it became.
COLUMNS: Final = (
    ("campaigns.total_sent", "campaigns", "total_sent"),
    ("campaigns.total_failed", "campaigns", "total_failed"),
    ("campaigns.total_contacts", "campaigns", "total_contacts"),
    ("sentCount", "campaigns", "total_sent"),
    ("failedCount", "campaigns", "total_failed"),
    ("deliveredCount", "campaigns", "total_delivered"),
    ("contactCount", "campaigns", "total_contacts"),
    ("actualCost", "campaigns", "actual_cost"),
    ("progress", "campaigns", "progress"),
    ("end_time", "campaigns", "completed_at"),
    ("whatsapp_message_id", "send_queue", "provider_message_id"),
    ("actual_sent_at", "send_queue", "sent_at"),
    ("message status delivered, undelivered", "send_queue", "delivery_status"),
    ("messages", "messages", "attempt"),
    ("2 providers at once", "organizations", "accounts_at_once"),
    ("about 18 messages/s", "provider_accounts", "maximum_rate"),
)

#: Theirs, ours, and who may execute it.
FUNCTIONS: Final = (
    ("increment_campaign_sent", "increment_campaign_sent", set[str]()),
    ("increment_campaign_failed", "increment_campaign_failed", set[str]()),
    ("upsert_template", "upsert_template", DASHBOARD),
    ("refresh_daily_summary", "refresh_daily_summary", WORKER),
    ("queueCampaign", "add_recipients", DASHBOARD),
    ("queueCampaign", "start_campaign", DASHBOARD),
    ("processQueue", "claim_messages", WORKER),
    ("processQueue", "begin_dispatch", WORKER),
    ("processQueue", "record_results", WORKER),
    ("fix-campaign-counters.js", "check_campaigns", DASHBOARD),
    ("fix-campaign-progress.js", "repair_campaign", DASHBOARD),
    ("/api/sms/webhook/delivery", "ingest_delivery_reports", WORKER),
    ("/queue/stats", "queue_stats", DASHBOARD),
    ("campaign reset to draft", "clone_campaign", DASHBOARD),
)


@pytest.fixture
def world(database: Database) -> Iterator[World]:
    """The test's database with the fixtures of the core path."""
    with open_world(database) as world:
        yield world


def test_a_column_became_a_column(connection: Connection) -> None:
    rows = connection.execute(
        "select table_name, column_name from information_schema.columns"
        " where table_schema = 'public'"
    ).fetchall()
    assert [row for row in COLUMNS if (row[1], row[2]) not in rows] == []


def test_a_function_became_a_function_with_its_grants(connection: Connection) -> None:
    for theirs, ours, audience in FUNCTIONS:
        rows = connection.execute(
            "select r, has_function_privilege(r, p.oid, 'execute')"
            " from unnest(%s::text[]) r, pg_proc p"
            " where p.pronamespace = 'public'::regnamespace and p.proname = %s",
            [list(API_ROLES), ours],
        ).fetchall()
        assert rows, f"{theirs} should be {ours}"
        assert {role for role, may in rows if may} == audience, ours


def test_detect_template_category_change_is_what_upsert_template_calls(world: World) -> None:
    organization = world.value("select core.organization()")

    def upsert(category: str) -> None:
        value(
            world.owner,
            "upsert_template",
            organization,
            "whatsapp",
            "spring",
            "en",
            json.dumps({"category": category}),
        )

    upsert("UTILITY")
    upsert("UTILITY")
    upsert("MARKETING")
    rows = world.owner.execute(
        "select detail ->> 'before', detail ->> 'after' from campaign_events"
        " where event = 'template.category_changed'"
    ).fetchall()
    assert rows == [("UTILITY", "MARKETING")]
    # In the schema that no API exposes.
    assert world.value(
        "select to_regprocedure("
        "'sendonce.detect_template_category_change(public.templates, text)') is not null"
    )


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        ("campaign_status", {"sending"}, {"running", "completed"}),
        ("entry_status", {"queued", "sending", "blocked", "delivered", "undelivered"},
         {"ready", "processing", "sent", "skipped"}),
        ("delivery_status", {"queued", "blocked"}, {"delivered", "undelivered"}),
    ],
)  # fmt: skip
def test_a_status_became_a_status(
    connection: Connection, kind: str, old: set[str], new: set[str]
) -> None:
    rows = connection.execute(f"select unnest(enum_range(null::public.{kind}))::text").fetchall()
    words = {row[0] for row in rows}
    assert new <= words
    assert not old & words


def test_delivered_counts_inside_sent(world: World) -> None:
    campaign = world.campaign(1)
    world.hand_out(campaign)
    entry = world.entry(campaign)
    world.owner.execute("select core.result(%s, 'accepted')", [entry])
    world.owner.execute("select core.report(%s, 'delivered')", [entry])
    # Theirs took 1 off sent for each delivered.
    assert world.counter(campaign, "total_sent") == "1"
    assert world.counter(campaign, "total_delivered") == "1"
    assert world.state(entry) == "sent/delivered"


def test_blocked_is_skipped(world: World) -> None:
    campaign = world.campaign(1)
    recipient = world.value("select core.person(1)")
    organization = world.value("select core.organization_of(%s)", campaign)
    value(world.owner, "suppress", organization, recipient, "all", "blocked")
    world.owner.execute("select core.hand_out(%s)", [campaign])
    assert world.state(world.entry(campaign)) == "skipped"


def test_the_index_of_wamids_has_its_name_and_is_unique_by_account(connection: Connection) -> None:
    row = connection.execute(
        "select indexdef from pg_indexes where schemaname = 'public'"
        " and indexname = 'idx_send_queue_wamid'"
    ).fetchone()
    assert row is not None
    assert row[0].startswith("CREATE UNIQUE INDEX idx_send_queue_wamid ON public.send_queue")
    assert "(account_id, provider_message_id)" in row[0]


def test_the_claim_does_the_work_of_the_index_of_stuck_entries(world: World) -> None:
    names = world.owner.execute(
        "select indexname from pg_indexes where schemaname = 'public'"
        " and indexname in ('idx_send_queue_stuck_processing', 'idx_claims_expires')"
    ).fetchall()
    assert names == [("idx_claims_expires",)]

    campaign = world.campaign(3)
    claim_id = world.value("select core.claim(%s)", campaign)
    held = world.value("select entry_ids from claims where id = %s", claim_id)
    processing = world.owner.execute(
        "select id from send_queue where status = 'processing' order by id"
    ).fetchall()
    # What an index of processing entries would find, the claim names.
    assert [row[0] for row in processing] == held
    # "Older than 10 minutes" is the lease, and its end is on the claim.
    assert world.value(
        "select k.expires_at - k.claimed_at = a.lease from claims k"
        " join provider_accounts a on a.id = k.account_id where k.id = %s",
        claim_id,
    )


def test_nothing_of_their_completion_checks_is_left_to_call(connection: Connection) -> None:
    rows = connection.execute(
        "select proname from pg_proc where pronamespace = 'public'::regnamespace"
        " and proname ~* 'complet|flush'"
    ).fetchall()
    assert rows == []


def test_messages_are_the_attempts(world: World) -> None:
    campaign = world.campaign(1)
    entry = world.entry(campaign)
    world.hand_out(campaign)
    world.owner.execute("select core.result(%s, 'rejected', '{\"code\": \"131016\"}')", [entry])
    world.advance("1 day")
    world.hand_out(campaign)
    world.owner.execute("select core.result(%s, 'accepted')", [entry])
    rows = world.owner.execute(
        "select attempt, outcome::text from messages where entry_id = %s order by attempt", [entry]
    ).fetchall()
    assert rows == [(1, "rejected"), (2, "accepted")]


def test_a_reset_to_draft_became_a_clone(world: World) -> None:
    campaign = world.campaign(2)
    world.hand_out(campaign)
    for entry in world.entries(campaign):
        world.owner.execute("select core.result(%s, 'accepted')", [entry])
    clone = value(world.owner, "clone_campaign", campaign, "all")["campaign_id"]
    assert world.counter(clone, "status") == "draft"
    assert world.counter(clone, "total_contacts") == "2"
    # What was sent stays on record.
    assert world.status(campaign) == "completed"
    assert world.counter(campaign, "total_sent") == "2"


def test_their_log_lines_are_events_with_the_same_facts(
    connection: Connection, database: Database
) -> None:
    with SimulatorProcess() as simulator, workers_for(database, simulator.graph_url) as workers:
        settings = {"SENDONCE_REQUEST_TIMEOUT": "1", "SENDONCE_BATCH": "5"}
        campaign = start_campaign(
            connection, 12, account_options={"lease": "2 seconds", "unknown_window": "0 seconds"}
        )
        # The last of the list opts out while he waits, so that the claim withholds him.
        opted_out = campaign.value("select max(recipient) from public.send_queue")
        value(
            connection,
            "suppress",
            campaign.value("select organization_id from public.campaigns"),
            opted_out,
            "all",
            "asked for it",
        )
        # One dies with a batch in its hands.
        assert workers.start(SENDONCE_STOP_AT="after_claim", **settings).wait() < 0
        worker = workers.start(**settings)
        wait_until(lambda: campaign.status() == "completed", "completion")
        worker.stop()

        # "X sent, Y failed, Z skipped", once per batch.
        batches = worker.events("batch.recorded")
        assert sum(batch.get("sent", 0) for batch in batches) == 11
        # "Reset N stuck 'processing' entries to 'ready'".
        [expired] = worker.events("claims.expired")
        assert expired["returned"] == 5
        # "Skipping already-sent message": a row with a WAMID is never handed out, so there is
        # nothing to skip; a contact that is skipped is one row, with the reason.
        assert connection.execute(
            "select recipient, error_class from public.send_queue where status = 'skipped'"
        ).fetchall() == [(opted_out, "suppressed")]
        assert [event["reason"] for event in worker.events("dispatch.entry_refused")] == []
    # "Campaign completed": its time is on the row, set by the last result itself.
    assert campaign.value("select completed_at is not null from public.campaigns")


def test_their_settings_are_settings_of_worker_account_and_organization(world: World) -> None:
    help_text = run("worker", "--help")
    assert "--batch" in help_text
    organization = world.value("select core.organization()")
    # About 18 messages/s: a rate of the account, from which it falls and climbs by itself.
    account = value(
        world.owner,
        "upsert_account",
        organization,
        "whatsapp",
        "106500000000018",
        "Main",
        json.dumps({"maximum_rate": 18}),
    )
    assert world.value("select current_rate from provider_accounts where id = %s", account) == 18
    # 2 providers at once.
    world.owner.execute(
        "update organizations set accounts_at_once = 2 where id = %s", [organization]
    )


@pytest.mark.parametrize(
    ("command", "flags"),
    [("check", ("--json",)), ("repair", ("--all", "--dry-run")), ("queue", ("stats",))],
)
def test_their_scripts_are_commands(command: str, flags: tuple[str, ...]) -> None:
    assert re.search(rf"\b{command}\b", run("--help"))
    help_text = run(command, "--help")
    for flag in flags:
        assert flag in help_text


def test_a_repair_shows_before_and_after(world: World, database: Database) -> None:
    campaign = world.campaign(2)
    # Drift, as only an owner can make it who takes the guards away.
    with world.owner.transaction():
        world.owner.execute("alter table campaigns disable trigger user")
        world.owner.execute("update campaigns set total_sent = 1 where id = %s", [campaign])
        world.owner.execute("alter table campaigns enable trigger user")
    checked = sendonce("check", "--json", url=database.url)
    assert checked.returncode == 1
    dry = sendonce("repair", "--all", "--dry-run", "--json", url=database.url)
    assert (dry.returncode, world.counter(campaign, "total_sent")) == (1, "1")
    done = sendonce("repair", "--all", "--json", url=database.url)
    assert done.returncode == 0, done.stderr
    [result] = json.loads(done.stdout)["campaigns"]
    assert (result["before"]["total_sent"], result["after"]["total_sent"]) == (1, 0)
    assert sendonce("check", url=database.url).returncode == 0
    world.sound(campaign)


def test_the_webhook_route_is_the_edge_function() -> None:
    assert (ROOT / "supabase/functions/delivery-webhook/index.ts").is_file()


def test_the_simulator_forgets_everything_or_its_tracking_or_one_campaign() -> None:
    with SimulatorProcess() as simulator:
        for scope in (
            {},
            {"scope": "reports"},
            {"campaign": "0c5f4dc0-7f62-4c86-9a2e-5a3d2d3a4b01"},
        ):
            assert isinstance(simulator.control.reset(**scope), dict)


def test_the_page_names_every_old_name_and_its_new_one() -> None:
    text = MIGRATING.read_text(encoding="utf-8")
    for theirs, _, column in COLUMNS:
        if theirs.isidentifier():
            assert f"`{theirs}`" in text
        assert f"`{column}`" in text or f".{column}`" in text, column
    for theirs, ours, _ in FUNCTIONS:
        assert theirs in text, theirs
        assert f"`{ours}`" in text, ours
    for name in ("idx_send_queue_wamid", "idx_send_queue_stuck_processing", "flushCounterCache",
                 "checkCampaignCompletion", "check-campaign-messages.js"):  # fmt: skip
        assert name in text, name


def sendonce(*arguments: str, url: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the real command."""
    command = [sys.executable, "-m", "sendonce.cli.main", *arguments]
    if url is not None:
        command += ["--url", url]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def run(*arguments: str) -> str:
    """The output of a command that must succeed."""
    done: Any = sendonce(*arguments)
    assert done.returncode == 0, done.stderr
    return str(done.stdout)
