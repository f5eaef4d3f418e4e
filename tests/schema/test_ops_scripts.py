"""Each script of sql/ops, run by the real psql, shows what it is for and changes nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from sendonce.local.postgres_sources import find_installation
from support.database import Connection, Database
from worker.support import Campaign, start_campaign

SCRIPTS = Path(__file__).resolve().parents[2] / "sql" / "ops"
NAMES = sorted(path.name for path in SCRIPTS.glob("*.sql"))
CHANGE_SOMETHING = {"pause_everything.sql", "resume_everything.sql"}


def psql_program() -> tuple[str, dict[str, str]]:
    """The one on the PATH, else one that came with a server, and the variables it needs."""
    on_path = shutil.which("psql")
    if on_path is not None:
        return on_path, {}
    installation = find_installation()
    return str(installation.programs / "psql"), installation.environment()


def psql(
    database: Database, script: str, *, code: int = 0, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run one script the way its header says, unaligned so that words can be looked for."""
    program, environment = psql_program()
    where = conninfo_to_dict(database.url)
    names = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD"}
    done = subprocess.run(
        [
            program,
            "-X",
            "-A",
            *(part for key, value in variables.items() for part in ("-v", f"{key}={value}")),
            "-f",
            str(SCRIPTS / script),
        ],
        env={
            **os.environ,
            **environment,
            "PGDATABASE": database.name,
            **{f"PG{name}": str(where[key]) for key, name in names.items() if key in where},
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == code, done
    if code == 0:
        assert done.stderr == "", done
    return done


def spoil(database: Database, statement: LiteralString, *arguments: Any) -> None:
    with database.connect() as connection:
        connection.execute("set session_replication_role = replica")
        assert connection.execute(statement, arguments).rowcount > 0


@pytest.fixture
def campaign(connection: Connection) -> Campaign:
    return start_campaign(connection, 4)


@pytest.fixture
def spoilt(database: Database, campaign: Campaign) -> Campaign:
    spoil(
        database,
        "update public.campaigns set total_sent = 2 where id = %s",
        campaign.campaign_id,
    )
    return campaign


def everything(connection: Connection) -> Iterator[Any]:
    """Every row that a script might touch."""
    for table in ("campaigns", "send_queue", "claims", "provider_accounts", "messages"):
        yield connection.execute(f"select t::text from public.{table} t order by 1").fetchall()


@pytest.mark.parametrize("script", NAMES)
def test_a_script_runs_on_an_empty_and_on_a_busy_database(
    database: Database, connection: Connection, script: str
) -> None:
    psql(database, script)
    start_campaign(connection, 4)
    connection.execute("select public.claim_messages('worker', null, 2)")
    psql(database, script)


@pytest.mark.parametrize("script", sorted(set(NAMES) - CHANGE_SOMETHING))
def test_a_script_that_looks_changes_nothing(
    database: Database, connection: Connection, spoilt: Campaign, script: str
) -> None:
    connection.execute("select public.claim_messages('worker', null, 2)")
    before = list(everything(connection))
    psql(database, script)
    assert list(everything(connection)) == before


@pytest.mark.parametrize("script", NAMES)
def test_a_script_says_at_its_head_how_to_run_it_and_is_in_the_list(script: str) -> None:
    head = (SCRIPTS / script).read_text(encoding="utf-8").split("\n\n")[0]
    assert all(line.startswith("--") for line in head.splitlines())
    assert f"-f sql/ops/{script}" in head
    assert f"| `{script}` |" in (SCRIPTS / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("script", ["check.sql", "verify.sql", "repair.sql", "failures.sql"])
def test_a_campaign_that_is_none_is_refused(database: Database, script: str) -> None:
    unknown = "00000000-0000-4000-8000-000000000000"
    done = psql(database, script, code=3, campaign=unknown)
    assert unknown in done.stderr
    assert "invalid input syntax" in psql(database, script, code=3, campaign="Spring").stderr


def test_check_shows_what_is_claimed_and_what_is_proven(
    database: Database, spoilt: Campaign
) -> None:
    shown = psql(database, "check.sql").stdout
    assert f"{spoilt.campaign_id}|Spring|total_sent|2|0" in shown
    assert "total_failed" not in shown
    assert "checked|in_order|differing\n1|0|1" in shown


def test_check_keeps_to_one_campaign_or_organization(
    database: Database, connection: Connection, spoilt: Campaign
) -> None:
    clone = connection.execute(
        "select public.clone_campaign(%s) ->> 'campaign_id'", [spoilt.campaign_id]
    ).fetchone()
    other = connection.execute("select public.create_organization('Zenith')::text").fetchone()
    assert clone
    assert other
    one = psql(database, "check.sql", campaign=clone[0]).stdout
    assert "checked|in_order|differing\n1|1|0" in one
    none = psql(database, "check.sql", organization=other[0]).stdout
    assert "checked|in_order|differing\n0|0|0" in none


def test_verify_names_the_invariant(database: Database, spoilt: Campaign) -> None:
    line = f"4|counters_equal_rows|{spoilt.campaign_id}|-|total_sent is 2, the rows prove 0"
    assert line in psql(database, "verify.sql").stdout
    assert line in psql(database, "verify.sql", campaign=spoilt.campaign_id).stdout


def test_a_repair_is_a_dry_run_unless_it_is_told_to_apply(
    database: Database, connection: Connection, spoilt: Campaign
) -> None:
    row = f"{spoilt.campaign_id}|Spring|total_sent|2|0"
    for done in (psql(database, "repair.sql"), psql(database, "repair.sql", apply="no")):
        shown = done.stdout
        assert "dry run" in shown
        assert row in shown
        assert spoilt.value("select total_sent from public.campaigns") == 2
    shown = psql(database, "repair.sql", apply="yes").stdout
    assert row in shown
    assert "dry run;" not in shown
    assert spoilt.value("select total_sent from public.campaigns") == 0
    assert spoilt.violations() == []


def test_a_repair_of_one_campaign_leaves_the_others(
    database: Database, connection: Connection, spoilt: Campaign
) -> None:
    clone = connection.execute(
        "select public.clone_campaign(%s) ->> 'campaign_id'", [spoilt.campaign_id]
    ).fetchone()
    assert clone
    psql(database, "repair.sql", apply="yes", campaign=clone[0])
    assert spoilt.value("select max(total_sent) from public.campaigns") == 2
    psql(database, "repair.sql", apply="yes", campaign=spoilt.campaign_id)
    assert spoilt.value("select max(total_sent) from public.campaigns") == 0


def test_queue_shows_accounts_and_active_campaigns(
    database: Database, connection: Connection, campaign: Campaign
) -> None:
    connection.execute("select public.claim_messages('worker', null, 3)")
    shown = psql(database, "queue.sql").stdout
    assert "Worker tests|Main|-|-|-|-|1|4|3|0|0" in shown, shown
    assert f"{campaign.campaign_id}|Spring|running|" in shown


def test_unknown_shows_whom_it_concerns(database: Database, campaign: Campaign) -> None:
    assert "(0 rows)" in psql(database, "unknown.sql").stdout
    spoil(
        database,
        "update public.send_queue set status = 'unknown', attempt = 1, unknown_since = now(),"
        " error_message = 'no reply' where id = (select min(id) from public.send_queue)",
    )
    shown = psql(database, "unknown.sql", campaign=campaign.campaign_id).stdout
    assert "+999100000000|1|-|" in shown
    assert "no reply" in shown
    assert "(1 row)" in shown


def test_failures_add_up_by_class_and_code(
    database: Database, connection: Connection, campaign: Campaign
) -> None:
    spoil(
        database,
        "update public.send_queue set status = 'failed', settled_at = now(), error_class ="
        " 'recipient', error_code = '131026' where id <> (select min(id) from public.send_queue)",
    )
    row = "Spring|failed|recipient|131026|3|this number cannot get the message|-"
    assert row in psql(database, "failures.sql").stdout
    assert row in psql(database, "failures.sql", campaign=campaign.campaign_id).stdout
    connection.execute("set session_replication_role = replica")
    connection.execute("update public.campaigns set started_at = now() - interval '3 days'")
    assert row not in psql(database, "failures.sql").stdout
    assert row in psql(database, "failures.sql", days="7").stdout


def test_stuck_shows_each_worker_with_what_it_holds_and_claims_past_their_lease(
    database: Database, connection: Connection, campaign: Campaign
) -> None:
    connection.execute("select public.claim_messages('lost worker', null, 3)")
    shown = psql(database, "stuck.sql").stdout
    assert "lost worker|-|1|3|0" in shown
    assert "Main|lost worker" not in shown
    spoil(database, "update public.claims set expires_at = now() - interval '1 hour'")
    assert "Main|lost worker" in psql(database, "stuck.sql").stdout


def test_health_shows_who_waits_for_whom(database: Database, campaign: Campaign) -> None:
    with psycopg.connect(database.url) as holder, database.connect() as waiter:
        holder.execute("lock table public.campaigns in access exclusive mode")
        waiter.execute("set statement_timeout = '30s'")
        waiting = threading.Thread(
            target=lambda: waiter.execute("select count(*) from public.campaigns")
        )
        waiting.start()
        expected = f"{waiter.info.backend_pid}|{{{holder.info.backend_pid}}}|"
        try:
            shown = ""
            for _ in range(50):
                shown = psql(database, "health.sql").stdout
                if expected in shown:
                    break
        finally:
            holder.rollback()
            waiting.join()
    assert expected in shown


def test_health_shows_living_and_dead_rows(
    database: Database, connection: Connection, campaign: Campaign
) -> None:
    connection.execute("analyze public.send_queue")
    assert "public.send_queue|4|" in psql(database, "health.sql").stdout


def test_the_emergency_stop_pauses_everything_and_its_end_resumes_only_that(
    database: Database, connection: Connection, campaign: Campaign
) -> None:
    connection.execute(
        "select public.upsert_account(organization_id, 'whatsapp', '106500000000002', 'Second')"
        " from public.campaigns"
    )
    connection.execute(
        "select public.pause_account(id, 'billing') from public.provider_accounts"
        " where name = 'Second'"
    )
    reasons = "select name, pause_reason from public.provider_accounts order by name"
    psql(database, "pause_everything.sql", reason="it's on fire")
    assert connection.execute(reasons).fetchall() == [
        ("Main", "everything is paused: it's on fire"),
        ("Second", "billing"),
    ]
    connection.execute("select public.claim_messages('worker', null, 10)")
    assert campaign.claims() == 0
    psql(database, "resume_everything.sql")
    assert connection.execute(reasons).fetchall() == [("Main", None), ("Second", "billing")]
    connection.execute("select public.claim_messages('worker', null, 10)")
    assert campaign.claims() == 1
