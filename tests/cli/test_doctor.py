"""`sendonce doctor` names each thing that is wrong, with its remedy, and nothing that is right."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import psycopg
import pytest

from cli.command import Answer, sendonce
from cli.spoiling import spoil, value
from sendonce.cli.database import connected
from sendonce.doctor import upkeep
from sendonce.doctor.finding import Level
from sendonce.doctor.settings import milliseconds
from sendonce.local.deno import EdgeFunction
from sendonce.local.ports import free_port
from sendonce.local.postgres import LocalPostgres
from sendonce.local.postgres_sources import find_installation
from sendonce.simulator import SimulatorProcess
from support.database import Connection, Database, create_database, with_user
from support.template import template_database
from webhook.provider import OTHER_SECRET, SECRET, VERIFY_TOKEN
from worker.support import SENDER, start_campaign

TOKEN = "the-token-that-nobody-may-see"


def doctor(database: Database | str, *arguments: str, **environment: str) -> Answer:
    url = database if isinstance(database, str) else database.url
    answer = sendonce("doctor", "--json", *arguments, url=url, settings=environment)
    assert answer.code in (0, 1), answer
    return answer


def findings(answer: Answer, check: str) -> list[dict[str, Any]]:
    """What was found by the checks whose names begin like this; never nothing."""
    found = [each for each in answer.json()["findings"] if each["check"].startswith(check)]
    assert found, (check, answer.stdout)
    for each in found:
        assert each["remedy"] or each["level"] in ("ok", "not_checked")
    return found


def finding(answer: Answer, check: str) -> tuple[str, str]:
    """Level and words of the only finding of a check."""
    (found,) = findings(answer, check)
    return found["level"], found["said"]


# The database itself.


def test_a_healthy_installation_is_all_in_order() -> None:
    with (
        # The other tests' server does without fsync, which is an error that doctor finds.
        LocalPostgres(find_installation(), fsync=True) as server,
        template_database(server.url()) as template,
        SimulatorProcess() as simulator,
    ):
        database = create_database(server.url(), "healthy", template=template.name)
        with database.connect() as connection:
            start_campaign(connection, 2)
            connection.execute("select public.worker_heartbeat('worker', '{}')")
        answer = sendonce(
            "doctor",
            url=database.url,
            settings={
                "SENDONCE_WHATSAPP_URL": f"{simulator.base_url}/v25.0",
                "SENDONCE_WHATSAPP_TOKEN": simulator.token,
            },
        )
    assert answer.code == 0, answer
    assert "0 errors, 0 warnings" in answer.stdout
    assert "direct connection" in answer.stdout
    assert "1 alive; running: 1 campaign" in answer.stdout
    assert "could not be checked at" in answer.stdout


def test_an_unreachable_database_is_one_line_and_exit_2() -> None:
    answer = sendonce("doctor", url="postgresql://me:secret@127.0.0.1:1/none")
    assert answer.code == 2
    assert answer.stdout == ""
    assert answer.stderr.startswith("sendonce: the database cannot be reached")
    assert "secret" not in answer.stderr


def test_a_database_without_the_schema_is_an_error_and_the_rest_is_left_out(
    empty_database: Database,
) -> None:
    answer = doctor(empty_database)
    assert answer.code == 1
    assert finding(answer, "schema version") == (
        "error",
        "Sendonce is not installed in this database",
    )
    assert "workers" not in answer.stdout


def test_another_schema_version_is_an_error(database: Database, connection: Connection) -> None:
    assert finding(doctor(database), "schema version")[0] == "ok"
    connection.execute(
        "create or replace function public.schema_version() returns integer"
        " language sql immutable set search_path = '' as 'select 2'"
    )
    level, said = finding(doctor(database), "schema version")
    assert level == "error"
    assert "has version 2" in said


def test_a_disabled_guard_is_an_error(database: Database, connection: Connection) -> None:
    assert finding(doctor(database), "guards")[0] == "ok"
    connection.execute("alter table public.messages disable trigger guard_message")
    level, said = finding(doctor(database), "guards")
    assert level == "error"
    assert said == "trigger guard_message on messages is disabled"


def test_fsync_off_is_an_error(database: Database, connection: Connection) -> None:
    if value(connection, "show fsync") == "on":
        pytest.skip("this server writes to its disk")
    assert finding(doctor(database), "settings: fsync")[0] == "error"


def test_settings_that_weaken_promises_are_named_with_whom_they_concern(
    database: Database, connection: Connection
) -> None:
    name = database.name
    connection.execute(f"alter database {name} set synchronous_commit = off")
    connection.execute(f"alter database {name} set default_transaction_isolation = 'serializable'")
    connection.execute(
        f"alter role sendonce_worker in database {name} set statement_timeout = '1s'"
    )
    answer = doctor(database)
    assert finding(answer, "settings: synchronous_commit")[0] == "warning"
    level, said = finding(answer, "settings: default_transaction_isolation")
    assert level == "error"
    assert "serializable" in said
    level, said = finding(answer, "settings: statement_timeout")
    assert level == "warning"
    assert "1,000 ms for sendonce_worker" in said


@pytest.mark.parametrize(
    ("setting", "expected"),
    [("0", 0.0), ("1500", 1500.0), ("8s", 8000.0), ("'2 min'", 120000.0), ("soon", None)],
)
def test_times_are_read_as_the_server_writes_them(setting: str, expected: float | None) -> None:
    assert milliseconds(setting) == expected


# The way there.


@contextmanager
def pooler(database: Database, mode: str, directory: Path) -> Iterator[str]:
    """A real pgbouncer in front of the database: its URL."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("pgbouncer is not installed here")
    where, port = urlsplit(database.url), free_port()
    settings = directory / "pgbouncer.ini"
    settings.write_text(
        f"[databases]\n{database.name} = host={where.hostname} port={where.port}"
        f" user={where.username} password={where.password}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = any\npool_mode = {mode}\n"
    )
    # It refuses to run as root, and pytest's directories are their owner's alone.
    nobody = {"user": 65534, "group": 65534, "extra_groups": []} if os.getuid() == 0 else {}
    with settings.open("rb") as readable:
        process = subprocess.Popen(
            [program, "-q", "/dev/stdin"],
            stdin=readable,
            stderr=subprocess.DEVNULL,
            **cast("dict[str, Any]", nobody),
        )
    url = f"postgresql://{where.username}@127.0.0.1:{port}/{database.name}"
    try:
        for _ in range(200):
            assert process.poll() is None, "pgbouncer ended"
            try:
                psycopg.connect(url).close()
                break
            except psycopg.OperationalError:
                time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait()


@pytest.mark.parametrize(
    ("mode", "words"),
    [("transaction", "through a transaction pooler"), ("session", "through a pooler that keeps")],
)
def test_a_pooler_is_recognized_by_its_kind_and_everything_is_looked_at_through_it(
    database: Database, tmp_path: Path, mode: str, words: str
) -> None:
    with pooler(database, mode, tmp_path) as url:
        answer = doctor(url)
    level, said = finding(answer, "route")
    assert (level, words in said) == ("ok", True), said
    assert finding(answer, "workers")[0] == "ok"


# Rights.


def test_a_right_that_is_missing_and_one_too_many_are_errors(
    database: Database, connection: Connection
) -> None:
    assert all(each["level"] == "ok" for each in findings(doctor(database), "rights"))
    connection.execute(
        "revoke execute on function public.claim_messages(text, uuid, integer) from sendonce_worker"
    )
    connection.execute(
        "grant execute on function public.increment_campaign_sent(uuid, integer) to authenticated"
    )
    said = [each["said"] for each in findings(doctor(database), "rights") if each["level"] != "ok"]
    assert said == [
        "sendonce_worker may not execute public.claim_messages(text, uuid, integer)",
        "authenticated may execute public.increment_campaign_sent(uuid, integer),"
        " which is not for it",
    ]


@pytest.mark.parametrize("stranger", ["anon", "public"])
def test_a_stranger_who_may_execute_something_is_an_error(
    database: Database, connection: Connection, stranger: str
) -> None:
    assert finding(doctor(database), "rights of strangers")[0] == "ok"
    connection.execute(
        f"grant execute on function public.claim_messages(text, uuid, integer) to {stranger}"
    )
    level, said = finding(doctor(database), "rights of strangers")
    assert level == "error"
    assert f"{stranger}: claim_messages(text,uuid,integer)" in said


def test_a_worker_login_is_told_what_it_may_not_look_at(
    database: Database, connection: Connection
) -> None:
    start_campaign(connection, 1)
    answer = doctor(database.worker_url)
    assert finding(answer, "own rights") == ("ok", "sendonce_worker may send")
    for check in ("workers", "accounts", "waiting reports", "database identity", "token"):
        assert finding(answer, check) == ("not_checked", "this login is not allowed to look")
    assert findings(answer, "rights")[0]["level"] == "ok"


# Whether the database can clean up.


def _level(found: Iterator[Any]) -> Level:
    (one,) = found
    level: Level = one.level
    return level


def test_a_transaction_left_open_is_a_warning(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "LONG_MINUTES", 0)
    checks = dict(upkeep.checks())
    with connected(database.url) as asking:
        assert _level(checks["long transactions"](asking)) == Level.OK
        with psycopg.connect(database.url) as other:
            other.execute("select 1")
            assert _level(checks["long transactions"](asking)) == Level.WARNING


def test_a_slot_without_a_reader_is_a_warning(database: Database, connection: Connection) -> None:
    connection.execute("select pg_create_physical_replication_slot('left_over', true)")
    try:
        said = [each["said"] for each in findings(doctor(database), "replication slots")]
    finally:
        connection.execute("select pg_drop_replication_slot('left_over')")
    assert any("slot left_over has no reader" in each for each in said)


def test_a_table_without_autovacuum_is_a_warning(
    database: Database, connection: Connection
) -> None:
    connection.execute("alter table public.send_queue set (autovacuum_enabled = false)")
    level, said = finding(doctor(database), "dead rows")
    assert level == "warning"
    assert "switched off for public.send_queue" in said


def test_many_dead_rows_are_a_warning(
    database: Database, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "FEW_DEAD", 2)
    monkeypatch.setattr(upkeep, "LARGE_SHARE", 0)
    campaign = start_campaign(connection, 20)
    connection.execute("alter table public.send_queue set (autovacuum_enabled = false)")
    spoil(
        database,
        "update public.send_queue set created_at = created_at where campaign_id = %s",
        campaign.campaign_id,
    )
    connection.execute("select pg_stat_force_next_flush()")
    with connected(database.url) as asking:
        said = " ".join(each.said for each in dict(upkeep.checks())["dead rows"](asking))
    assert "public.send_queue: 20 dead rows" in said


# Whether anybody sends.


def test_a_running_campaign_without_a_worker_is_an_error(
    database: Database, connection: Connection
) -> None:
    assert finding(doctor(database), "workers")[0] == "ok"
    start_campaign(connection, 1)
    assert finding(doctor(database), "workers") == (
        "error",
        "running: 1 campaign; alive: no worker; none was ever seen",
    )
    connection.execute("select public.worker_heartbeat('worker', '{}')")
    assert finding(doctor(database), "workers")[0] == "ok"
    connection.execute("update sendonce.workers set seen_at = now() - interval '1 hour'")
    assert finding(doctor(database), "workers")[0] == "error"


def test_a_claim_past_its_lease_is_a_warning(database: Database, connection: Connection) -> None:
    start_campaign(connection, 3)
    connection.execute("select public.claim_messages('lost worker', null, 10)")
    assert finding(doctor(database), "claims")[0] == "ok"
    spoil(database, "update public.claims set expires_at = now() - interval '1 hour'")
    level, said = finding(doctor(database), "claims")
    assert level == "warning"
    assert "1 claim with 3 contacts (of lost worker)" in said


def test_a_scheduled_campaign_that_nobody_started_is_a_warning(
    database: Database, connection: Connection
) -> None:
    campaign = start_campaign(connection, 3)
    row = connection.execute(
        "select public.clone_campaign(%s) ->> 'campaign_id'", [campaign.campaign_id]
    ).fetchone()
    assert row
    connection.execute("select public.start_campaign(%s, now() + interval '1 hour')", row)
    assert finding(doctor(database), "scheduled campaigns")[0] == "ok"
    spoil(
        database,
        "update public.campaigns set scheduled_at = now() - interval '1 hour' where id = %s",
        row[0],
    )
    assert finding(doctor(database), "scheduled campaigns")[0] == "warning"


@pytest.mark.parametrize(("policy", "words"), [("hold", "to settle"), ("fail", "past their")])
def test_unknown_outcomes_that_wait_for_somebody_are_a_warning(
    database: Database, connection: Connection, policy: str, words: str
) -> None:
    start_campaign(connection, 1, account_options={"on_unknown": policy})
    assert finding(doctor(database), "unknown outcomes")[0] == "ok"
    spoil(
        database,
        "update public.send_queue set status = 'unknown', attempt = 1,"
        " unknown_since = now() - interval '1 day'",
    )
    level, said = finding(doctor(database), "unknown outcomes")
    assert level == "warning"
    assert words in said


def test_a_restored_database_is_a_warning_and_what_it_paused_an_error(
    database: Database, connection: Connection
) -> None:
    start_campaign(connection, 1)
    assert finding(doctor(database), "database identity")[0] == "ok"
    connection.execute("update sendonce.database_identity set system_identifier = 1")
    assert finding(doctor(database), "database identity")[0] == "warning"
    connection.execute("select public.claim_messages('worker', null, 10)")
    level, said = finding(doctor(database), "database identity")
    assert level == "error"
    assert said.startswith("1 account paused since the database was restored")


def test_a_paused_and_a_resting_account_are_warnings_with_their_reason(
    database: Database, connection: Connection
) -> None:
    campaign = start_campaign(connection, 1)
    assert finding(doctor(database), "accounts")[0] == "ok"
    connection.execute("select public.pause_account(%s, 'holidays')", [campaign.account_id])
    level, said = finding(doctor(database), "accounts")
    assert level == "warning"
    assert said == "account Main is paused (holidays); waiting: 1 running campaign"
    connection.execute("select public.resume_account(%s)", [campaign.account_id])
    spoil(
        database,
        "update public.provider_accounts"
        " set resting_until = now() + interval '1 hour', rest_reason = 'a test'",
    )
    level, said = finding(doctor(database), "accounts")
    assert level == "warning"
    assert "rests until" in said


def test_a_report_that_waits_for_long_is_a_warning(
    database: Database, connection: Connection
) -> None:
    insert = (
        "insert into sendonce.report_log (received_at, provider, disposition, look_at)"
        " values (now() - %s::interval, 'whatsapp', 'waiting', now())"
    )
    connection.execute(insert, ["1 minute"])
    assert finding(doctor(database), "waiting reports") == ("ok", "1, none for long")
    connection.execute(insert, ["1 hour"])
    level, said = finding(doctor(database), "waiting reports")
    assert level == "warning"
    assert said.startswith("1 report ")


# The provider.


@contextmanager
def provider(status: int, document: object) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """A provider that gives one answer to everything: its URL, and what it was asked."""
    asked: list[tuple[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, self.headers.get("Authorization", "")))
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v25.0", asked
        finally:
            server.shutdown()
            thread.join()


def test_an_account_without_a_token_is_an_error(database: Database, connection: Connection) -> None:
    start_campaign(connection, 1)
    answer = doctor(database)
    assert answer.code == 1
    level, said = finding(answer, "token of Main")
    assert level == "error"
    assert f"neither SENDONCE_WHATSAPP_TOKEN_{SENDER} nor SENDONCE_WHATSAPP_TOKEN" in said


def test_the_accounts_own_token_is_shown_to_the_provider_and_to_nobody_else(
    database: Database, connection: Connection
) -> None:
    start_campaign(connection, 1)
    with provider(200, {"id": SENDER}) as (url, asked):
        answer = doctor(
            database,
            SENDONCE_WHATSAPP_URL=url,
            SENDONCE_WHATSAPP_TOKEN="another",
            **{f"SENDONCE_WHATSAPP_TOKEN_{SENDER}": TOKEN},
        )
    assert asked == [(f"/v25.0/{SENDER}", f"Bearer {TOKEN}")]
    assert finding(answer, "token of Main")[0] == "ok"
    assert TOKEN not in answer.stdout + answer.stderr


def test_a_refused_token_is_an_error_that_does_not_show_it(
    database: Database, connection: Connection
) -> None:
    start_campaign(connection, 1)
    with provider(400, {"error": {"code": 190, "message": f"bad {TOKEN}"}}) as (url, _):
        answer = doctor(database, SENDONCE_WHATSAPP_URL=url, SENDONCE_WHATSAPP_TOKEN=TOKEN)
    level, said = finding(answer, "token of Main")
    assert level == "error"
    assert "refuses the token in SENDONCE_WHATSAPP_TOKEN" in said
    assert TOKEN not in answer.stdout + answer.stderr


def test_a_token_that_no_header_can_carry_is_not_shown_either(
    database: Database, connection: Connection
) -> None:
    start_campaign(connection, 1)
    with provider(200, {}) as (url, asked):
        answer = doctor(database, SENDONCE_WHATSAPP_URL=url, SENDONCE_WHATSAPP_TOKEN=f"{TOKEN}\n")
    assert asked == []
    assert finding(answer, "token of Main")[0] == "warning"
    assert TOKEN not in answer.stdout + answer.stderr


def test_a_provider_that_does_not_answer_is_a_warning(
    database: Database, connection: Connection
) -> None:
    start_campaign(connection, 1)
    answer = doctor(
        database, SENDONCE_WHATSAPP_URL="http://127.0.0.1:1", SENDONCE_WHATSAPP_TOKEN=TOKEN
    )
    level, said = finding(answer, "token of Main")
    assert level == "warning"
    assert "did not answer" in said


# The webhook.


@pytest.fixture(scope="module")
def function() -> Iterator[EdgeFunction]:
    """The real edge function; the bodies posted here hold no reports, so it needs no database."""
    with EdgeFunction(
        "delivery-webhook",
        {"WHATSAPP_APP_SECRET_MAIN_APP": SECRET, "WHATSAPP_VERIFY_TOKEN_MAIN_APP": VERIFY_TOKEN},
    ) as running:
        yield running


def levels(answer: Answer) -> list[tuple[str, str]]:
    return [(each["level"], each["said"].split(" ")[0]) for each in findings(answer, "webhook")]


def test_a_webhook_with_the_same_secrets_is_in_order(
    database: Database, function: EdgeFunction
) -> None:
    answer = doctor(
        database,
        "--webhook-url",
        f"{function.url}/whatsapp/main-app",
        WHATSAPP_APP_SECRET_MAIN_APP=SECRET,
        WHATSAPP_VERIFY_TOKEN_MAIN_APP=VERIFY_TOKEN,
    )
    assert levels(answer) == [("ok", "reachable,"), ("ok", "takes"), ("ok", "answers")]
    assert SECRET not in answer.stdout
    assert VERIFY_TOKEN not in answer.stdout


def test_the_apps_are_those_of_the_accounts_when_the_url_names_none(
    database: Database, connection: Connection, function: EdgeFunction
) -> None:
    start_campaign(connection, 1, account_options={"app": "main-app"})
    answer = doctor(database, SENDONCE_WEBHOOK_URL=function.url)
    found = findings(answer, "webhook of main-app")
    assert [each["level"] for each in found] == ["ok", "not_checked", "not_checked"]


def test_another_secret_and_another_token_are_found_out(
    database: Database, function: EdgeFunction
) -> None:
    answer = doctor(
        database,
        "--webhook-url",
        f"{function.url}/whatsapp/main-app",
        WHATSAPP_APP_SECRET_MAIN_APP=OTHER_SECRET,
        WHATSAPP_VERIFY_TOKEN_MAIN_APP="another",
    )
    assert levels(answer) == [("ok", "reachable,"), ("error", "refuses"), ("warning", "does")]
    assert OTHER_SECRET not in answer.stdout


def test_an_app_that_the_webhook_does_not_know_is_an_error(
    database: Database, function: EdgeFunction
) -> None:
    answer = doctor(database, "--webhook-url", f"{function.url}/whatsapp/unheard-of")
    level, said = finding(answer, "webhook")
    assert level == "error"
    assert "answers 404" in said


def test_a_webhook_that_is_not_there_is_an_error(database: Database) -> None:
    answer = doctor(database, "--webhook-url", "http://127.0.0.1:1/whatsapp/main")
    level, said = finding(answer, "webhook")
    assert level == "error"
    assert "cannot be reached" in said


def test_something_that_takes_unsigned_reports_is_an_error(database: Database) -> None:
    class Careless(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Careless) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            answer = doctor(
                database, "--webhook-url", f"http://127.0.0.1:{server.server_port}/whatsapp/main"
            )
        finally:
            server.shutdown()
            thread.join()
    assert finding(answer, "webhook") == ("error", "takes reports that nobody signed")


def test_without_a_url_the_webhook_is_not_checked(database: Database) -> None:
    assert finding(doctor(database), "webhook")[0] == "not_checked"


def test_a_wrong_password_is_not_shown(database: Database) -> None:
    answer = sendonce("doctor", url=with_user(database.url, "nobody_here", "secret-word"))
    assert answer.code == 2
    assert "secret-word" not in answer.stdout + answer.stderr
