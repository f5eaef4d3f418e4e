"""What is wrong is said at the start: one line each, exit code 2, no traceback."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sendonce.worker.startup_checks import SCHEMA_VERSION
from support.database import Connection, Database, with_database, with_user
from worker.support import Workers, workers_for

#: Nobody listens there, and nobody asks: these workers send nothing.
NO_PROVIDER = "http://127.0.0.1:9/v25.0"
NO_DATABASE = Database("postgresql://somebody@127.0.0.1:1/postgres")


@pytest.fixture
def workers(database: Database) -> Iterator[Workers]:
    """Starts worker processes without a provider."""
    with workers_for(database, NO_PROVIDER) as workers:
        yield workers


@pytest.fixture
def workers_without_database() -> Iterator[Workers]:
    """Starts worker processes that end before they look for their database."""
    with workers_for(NO_DATABASE, NO_PROVIDER) as workers:
        yield workers


def refusal(workers: Workers, *flags: str, **environment: str) -> list[str]:
    """The lines a worker that does not start writes."""
    worker = workers.start(*flags, **environment)
    assert worker.wait() == 2
    lines = [line for line in worker.log().splitlines() if not line.startswith("{")]
    assert lines
    assert all(line.startswith("sendonce: ") for line in lines), lines
    return [line.removeprefix("sendonce: ") for line in lines]


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("SENDONCE_DATABASE_URL", "", "SENDONCE_DATABASE_URL is not set"),
        ("SENDONCE_DATABASE_URL", "not a url", "SENDONCE_DATABASE_URL: is not a PostgreSQL"),
        ("SENDONCE_BATCH", "0", "SENDONCE_BATCH: "),
        ("SENDONCE_BATCH", "1001", "SENDONCE_BATCH: "),
        ("SENDONCE_BATCH", "many", "SENDONCE_BATCH: "),
        ("SENDONCE_CONCURRENCY", "0", "SENDONCE_CONCURRENCY: "),
        ("SENDONCE_REQUEST_TIMEOUT", "0", "SENDONCE_REQUEST_TIMEOUT: "),
        ("SENDONCE_REQUEST_TIMEOUT", "inf", "SENDONCE_REQUEST_TIMEOUT: "),
        ("SENDONCE_ACCOUNT_ID", "main", "SENDONCE_ACCOUNT_ID: "),
        ("SENDONCE_WHATSAPP_URL", "graph.facebook.com", "SENDONCE_WHATSAPP_URL: "),
        ("SENDONCE_LOG_FORMAT", "xml", "SENDONCE_LOG_FORMAT: "),
        ("SENDONCE_WHATSAPP_TOKEN", "", "SENDONCE_WHATSAPP_TOKEN is not set"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it(
    workers_without_database: Workers, name: str, value: str, complaint: str
) -> None:
    [line] = refusal(workers_without_database, **{name: value})
    assert line.startswith(complaint)


def test_every_wrong_setting_has_its_own_line(workers_without_database: Workers) -> None:
    lines = refusal(workers_without_database, "--concurrency", "0", SENDONCE_BATCH="0")
    assert sorted(line.split(":")[0] for line in lines) == ["--concurrency", "SENDONCE_BATCH"]


def test_a_flag_comes_before_its_variable(workers: Workers) -> None:
    worker = workers.start("--batch", "7", SENDONCE_BATCH="0")
    [started] = worker.wait_for_event("worker.started")
    assert started["batch"] == 7


def test_an_unknown_flag_is_one_line(workers_without_database: Workers) -> None:
    [line] = refusal(workers_without_database, "--speed", "9")
    assert "--speed" in line


def test_a_refused_login_is_said_and_holds_no_password(
    database: Database, workers: Workers
) -> None:
    # Not a wrong password: some test servers let everybody in who exists.
    url = with_user(database.url, "no_such_worker", "wrong-password")
    [line] = refusal(workers, SENDONCE_DATABASE_URL=url)
    assert "refuses this worker" in line
    assert "wrong-password" not in line


def test_a_database_that_does_not_exist_is_said(database: Database, workers: Workers) -> None:
    url = with_database(database.worker_url, "no_such_database")
    [line] = refusal(workers, SENDONCE_DATABASE_URL=url)
    assert 'database "no_such_database" does not exist' in line


def test_a_database_that_does_not_answer_is_said(workers_without_database: Workers) -> None:
    [line] = refusal(
        workers_without_database,
        SENDONCE_DATABASE_URL="postgresql://sendonce_worker:made-up@127.0.0.1:1/postgres",
        SENDONCE_START_TIMEOUT="0",
    )
    assert line.startswith("the database in SENDONCE_DATABASE_URL does not answer: ")
    assert "made-up" not in line


def test_a_database_without_the_schema_names_every_missing_function(
    empty_database: Database, workers: Workers
) -> None:
    lines = refusal(workers, SENDONCE_DATABASE_URL=empty_database.url)
    assert any(line.startswith("function public.claim_messages does not exist") for line in lines)
    assert any(line.startswith("function public.schema_version does not") for line in lines)


@pytest.mark.parametrize("schema", ["public", "sendonce"])
def test_a_missing_grant_names_function_and_role(
    connection: Connection, workers: Workers, schema: str
) -> None:
    connection.execute(
        f"revoke execute on function {schema}.begin_dispatch(bigint, bigint[]) from sendonce_worker"
    )
    [line] = refusal(workers)
    assert line.startswith(
        "function public.begin_dispatch may not be executed by role sendonce_worker"
    )


def test_a_missing_function_is_named(connection: Connection, workers: Workers) -> None:
    connection.execute("drop function public.renew_claims(bigint[])")
    [line] = refusal(workers)
    assert line.startswith("function public.renew_claims does not exist")


def test_a_function_of_the_same_name_with_other_arguments_is_not_enough(
    connection: Connection, workers: Workers
) -> None:
    connection.execute("drop function public.release_claim(bigint)")
    connection.execute(
        "create function public.release_claim(_claim bigint) returns jsonb language sql as"
        " $$ select '{}'::jsonb $$"
    )
    [line] = refusal(workers)
    assert line.startswith("function public.release_claim does not take the arguments _claim_id")


def test_a_schema_that_the_role_may_not_use_is_said(
    connection: Connection, workers: Workers
) -> None:
    connection.execute("revoke usage on schema sendonce from sendonce_worker")
    lines = refusal(workers)
    assert any("may not use" in line for line in lines)


@pytest.mark.parametrize("version", [SCHEMA_VERSION - 1, SCHEMA_VERSION + 1])
def test_another_schema_version_is_refused(
    connection: Connection, workers: Workers, version: int
) -> None:
    connection.execute(
        "create or replace function public.schema_version() returns integer language sql"
        f" as $$ select {version} $$"
    )
    [line] = refusal(workers)
    assert line.startswith(f"the database has schema version {version}, this worker needs ")


@pytest.mark.parametrize(
    ("function", "arguments", "answer"),
    [
        ("schema_version", "", "integer"),
        ("worker_heartbeat", "_worker text, _info jsonb", "jsonb"),
    ],
)
def test_a_database_that_goes_away_between_two_checks_is_waited_for(
    connection: Connection, workers: Workers, function: str, arguments: str, answer: str
) -> None:
    names = ", ".join(part.split()[0] for part in arguments.split(", ")) if arguments else ""
    connection.execute(
        f"""
        create sequence public.asked;
        grant usage on sequence public.asked to public;
        alter function public.{function}({arguments}) rename to {function}_after_all;
        create function public.{function}({arguments}) returns {answer} language plpgsql as $$
        begin
            if nextval('public.asked') = 1 then
                perform pg_terminate_backend(pg_backend_pid());
            end if;
            return public.{function}_after_all({names});
        end;
        $$;
        """
    )
    worker = workers.start()
    worker.wait_for_event("worker.started")
    assert worker.stop() == 0
    asked = connection.execute("select last_value from public.asked").fetchone()
    assert asked is not None
    assert asked[0] >= 2
