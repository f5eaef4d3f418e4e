"""200 means committed; whatever happens to the database, everything else is a 500."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest

from sendonce.local.postgres import LocalPostgres
from sendonce.schema.into_database import install_schema
from support.database import Connection, Database
from webhook.conftest import HandedOver, Running, Start
from webhook.fading_network import FadingNetwork
from webhook.provider import status


@pytest.fixture(scope="module")
def server() -> Iterator[LocalPostgres]:
    """A server of this module's own, which may be stopped without harm to others."""
    with LocalPostgres() as server:
        install_schema(server.url())
        yield server


def _report_log(server: LocalPostgres) -> int:
    import psycopg

    with psycopg.connect(server.url()) as connection:
        row = connection.execute("select count(*) from sendonce.report_log").fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_stopped_database_is_a_500_and_a_started_one_a_200_again(
    server: LocalPostgres, start: Start, mode: Any
) -> None:
    server.start()
    running = start(server.url())
    assert running.webhook.report(status(f"{mode}.before")).status == 200
    server.stop(mode)
    for attempt in range(3):
        assert running.webhook.report(status(f"{mode}.{attempt}")).status == 500
    server.start()
    assert running.webhook.report(status(f"{mode}.after")).status == 200


def test_what_was_answered_with_200_survives_a_crash_of_the_database(
    server: LocalPostgres, start: Start
) -> None:
    server.start()
    before = _report_log(server)
    running = start(server.url())
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: running.webhook.report(status(f"c.{n}")), range(40)))
        server.restart("immediate")
    taken = sum(answer.status == 200 for answer in answers)
    assert taken == 40
    assert _report_log(server) == before + taken


def test_a_connection_that_the_server_closed_is_not_used_again(
    own_running: Running, connection: Connection
) -> None:
    assert own_running.webhook.report(status("wamid.1")).status == 200
    connection.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid()"
    )
    answers = [own_running.webhook.report(status("wamid.2")).status for _ in range(5)]
    # The news of the closing may come after the next request has begun, but not twice.
    assert answers[1:] == [200] * 4


def test_a_connection_that_went_silent_is_given_up_and_replaced(
    database: Database, own_handed_over: HandedOver, start: Start
) -> None:
    address = urlsplit(database.worker_url)
    with FadingNetwork(address.hostname or "", address.port or 5432) as network:
        place = address.netloc.rpartition("@")[0] + f"@127.0.0.1:{network.port}"
        running = start(urlunsplit(address._replace(netloc=place)))
        assert running.webhook.report(status("before")).status == 200
        network.fade()
        # Nobody says that the connection is dead, and the cancellation finds no way either.
        assert running.webhook.report(status("lost")).status == 500
        network.recover()
        assert running.webhook.report(status("after")).status == 200
    assert [reports[0]["provider_message_id"] for reports in own_handed_over()] == [
        "before",
        "after",
    ]


def test_a_failing_commit_is_a_500(
    own_running: Running, own_handed_over: HandedOver, connection: Connection
) -> None:
    connection.execute(
        """
        create function public.refuse() returns trigger language plpgsql as $$
        begin
            raise exception 'refused at the commit';
        end;
        $$;
        create constraint trigger refuse_at_commit after insert on public.handed_over
        deferrable initially deferred for each row execute function public.refuse();
        """
    )
    assert own_running.webhook.report(status("wamid.1")).status == 500
    assert own_handed_over() == []
    connection.execute("drop trigger refuse_at_commit on public.handed_over")
    assert own_running.webhook.report(status("wamid.1")).status == 200
    assert len(own_handed_over()) == 1


def test_the_row_is_there_when_the_200_is(
    own_running: Running, own_handed_over: HandedOver
) -> None:
    for number in range(1, 51):
        assert own_running.webhook.report(status(f"wamid.{number}")).status == 200
        assert len(own_handed_over()) == number


def test_a_database_that_does_not_answer_in_time_is_a_500_and_the_call_is_cancelled(
    database: Database, own_running: Running, own_handed_over: HandedOver, connection: Connection
) -> None:
    with database.connect() as other, other.transaction():
        other.execute("lock table public.handed_over in access exclusive mode")
        with ThreadPoolExecutor(12) as pool:
            answers = list(
                pool.map(lambda n: own_running.webhook.report(status(f"w.{n}")), range(12))
            )
        assert [answer.status for answer in answers] == [500] * 12
        gone = threading.Event()
        for _ in range(100):
            row = connection.execute(
                "select count(*) from pg_locks where not granted"
                " and relation = 'public.handed_over'::regclass"
            ).fetchone()
            if row == (0,):
                break
            gone.wait(0.1)
        assert row == (0,)
    assert own_running.webhook.report(status("later")).status == 200
    assert [reports[0]["provider_message_id"] for reports in own_handed_over()] == ["later"]


def test_a_missing_function_is_a_500_and_named_in_the_log(
    own_running: Running, connection: Connection
) -> None:
    connection.execute("drop function public.ingest_delivery_reports")
    assert own_running.webhook.report(status("wamid.1")).status == 500
    [event] = own_running.events("reports_not_stored")
    assert event["error"]["code"] == "42883"
    assert "ingest_delivery_reports" in event["error"]["message"]


def test_a_role_without_the_right_is_a_500_and_named_in_the_log(
    own_running: Running, connection: Connection
) -> None:
    connection.execute(
        "revoke execute on function public.ingest_delivery_reports from public, sendonce_worker"
    )
    assert own_running.webhook.report(status("wamid.1")).status == 500
    [event] = own_running.events("reports_not_stored")
    assert event["error"]["code"] == "42501"


@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        "not a url with pa55word",
        "mysql://root:pa55word@127.0.0.1/db",
        "postgresql://u:pa55word%@127.0.0.1:1/db",
        "postgresql://u:pa55word@127.0.0.1:1/db?sslmode=strange",
        "postgresql://u:pa55word@127.0.0.1:1/db?sslmode=verify-full",
        "postgresql://u:pa55word@[::1]:1/db?sslmode=verify-ca",
        "postgresql://u:pa55word@127.0.0.1:1/db",
    ],
)
def test_without_a_usable_database_reports_are_a_500_and_no_password_is_told(
    start: Start, url: str | None
) -> None:
    running = start(url)
    answer = running.webhook.report(status("wamid.1"))
    assert answer.status == 500
    assert "pa55word" not in answer.text + running.output


def test_the_url_that_supabase_gives_is_used_where_there_is_no_other(
    database: Database, start: Start, own_handed_over: HandedOver
) -> None:
    running = start(None, SUPABASE_DB_URL=database.url)
    assert running.webhook.report(status("wamid.1")).status == 200
    assert len(own_handed_over()) == 1


def test_parameters_of_other_clients_in_the_url_do_no_harm(
    database: Database, start: Start, own_handed_over: HandedOver
) -> None:
    parameters = "sslmode=prefer&pgbouncer=true&connection_limit=1&sslrootcert=/none"
    running = start(f"{database.url}?{parameters}")
    assert running.webhook.report(status("wamid.1")).status == 200
    assert len(own_handed_over()) == 1


def test_a_server_without_encryption_is_refused_where_the_url_asks_for_it(
    database: Database, start: Start
) -> None:
    running = start(f"{database.url}?sslmode=require")
    with database.connect() as connection:
        row = connection.execute("show ssl").fetchone()
    expected = 200 if row == ("on",) else 500
    assert running.webhook.report(status("wamid.1")).status == expected
