"""Starts the edge function over the test's own database."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from sendonce.local.deno import EdgeFunction
from support.database import Connection, Database, create_database, drop_database
from support.postgres_source import PostgresSource
from webhook.intake import Intake
from webhook.provider import OTHER_SECRET, SECRET, VERIFY_TOKEN, Webhook

# Every call into SQL is written down, and then the real function does its work.
_SPY = """
alter function public.ingest_delivery_reports(text, jsonb) rename to ingest_really;
create table public.handed_over (
    id bigint generated always as identity primary key,
    provider text not null,
    reports jsonb not null
);
create function public.ingest_delivery_reports(_provider text, _reports jsonb)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
begin
    insert into public.handed_over (provider, reports) values (_provider, _reports);
    raise warning 'a remark that must not get into the log, whose lines are JSON';
    return public.ingest_really(_provider, _reports);
end;
$$;
revoke execute on function public.ingest_delivery_reports(text, jsonb) from public;
grant execute on function public.ingest_delivery_reports(text, jsonb) to sendonce_worker;
"""


# What the function logs when something went wrong that no sender should be able to bring about.
_FAULTS = {
    "request_failed",
    "reports_not_stored",
    "post_not_acknowledged",
    "background_task_failed",
}


@dataclass(frozen=True)
class Running:
    """A running edge function."""

    function: EdgeFunction

    @property
    def webhook(self) -> Webhook:
        """The function as the provider sees it."""
        return Webhook("127.0.0.1", self.function.port)

    @property
    def output(self) -> str:
        """What it printed so far."""
        return self.function.log.read_text()

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the logged events of one name."""
        logged = [json.loads(line) for line in self.output.splitlines()]
        return [event for event in logged if event["event"] == name]


# Called with a database URL, or None, and further settings of the environment.
Start = Callable[..., Running]

# Called without arguments: what SQL was handed so far, one list of reports for each call.
HandedOver = Callable[[], list[list[dict[str, Any]]]]


@contextmanager
def _starter() -> Iterator[Start]:
    with ExitStack() as stack:

        def start_over(database_url: str | None, **settings: str) -> Running:
            place = {} if database_url is None else {"SENDONCE_DB_URL": database_url}
            secrets = {
                "WHATSAPP_APP_SECRET_MAIN": SECRET,
                "WHATSAPP_VERIFY_TOKEN_MAIN": VERIFY_TOKEN,
                "WHATSAPP_APP_SECRET_SECOND_APP": OTHER_SECRET,
            }
            function = EdgeFunction("delivery-webhook", {**secrets, **place, **settings})
            return Running(stack.enter_context(function))

        yield start_over


def _spied(connection: Connection) -> HandedOver:
    def read() -> list[list[dict[str, Any]]]:
        rows = connection.execute("select reports from public.handed_over order by id").fetchall()
        return [reports for (reports,) in rows]

    return read


@pytest.fixture
def start() -> Iterator[Start]:
    """Return a function that starts the edge function over a database URL."""
    with _starter() as start_over:
        yield start_over


# One function and one database for all tests that leave both as they found them.


@pytest.fixture(scope="session")
def shared_database(postgres: PostgresSource, _template: str) -> Iterator[Database]:
    """A database with the spy in it, for tests that change nothing but rows."""
    database = create_database(
        postgres.url, _template.replace("template", "webhook"), template=_template
    )
    try:
        with database.connect() as connection:
            connection.execute(_SPY)
        yield database
    finally:
        drop_database(postgres.url, database.name)


@pytest.fixture(scope="session")
def running(shared_database: Database) -> Iterator[Running]:
    """The edge function over the shared database, entered with the least privilege."""
    with _starter() as start_over:
        yield start_over(shared_database.worker_url)


@pytest.fixture
def webhook(running: Running) -> Webhook:
    """The running edge function as the provider sees it."""
    return running.webhook


@pytest.fixture
def handed_over(shared_database: Database) -> Iterator[HandedOver]:
    """Return a function that lists what SQL was handed during this test."""
    with shared_database.connect() as connection:
        connection.execute("delete from public.handed_over")
        yield _spied(connection)


# For tests that lock, stop or change something: a database and a function of their own.


@pytest.fixture
def own_handed_over(connection: Connection) -> HandedOver:
    """Put the spy into the test's own database."""
    connection.execute(_SPY)
    return _spied(connection)


@pytest.fixture
def own_running(database: Database, own_handed_over: HandedOver, start: Start) -> Running:
    """The edge function over the test's own database, entered with the least privilege."""
    return start(database.worker_url)


# For fuzzing: the real function over the real schema, without the spy, kept for the whole run.


@pytest.fixture(scope="session")
def fuzzed_database(postgres: PostgresSource, _template: str) -> Iterator[Database]:
    """A database that all fuzzing shares: each test leaves it in order."""
    database = create_database(
        postgres.url, _template.replace("template", "fuzzed"), template=_template
    )
    try:
        yield database
    finally:
        drop_database(postgres.url, database.name)


@pytest.fixture(scope="session")
def fuzzed(fuzzed_database: Database) -> Iterator[Running]:
    """The edge function that all fuzzing shares."""
    with _starter() as start_over:
        yield start_over(fuzzed_database.worker_url)


@pytest.fixture(scope="session")
def _intake(fuzzed: Running, fuzzed_database: Database) -> Iterator[Intake]:
    with fuzzed_database.connect() as connection:
        yield Intake(fuzzed.webhook, connection)


@pytest.fixture(scope="module")
def _sound_intake(_intake: Intake) -> Iterator[Intake]:
    yield _intake
    assert _intake.violations() == []


@pytest.fixture
def intake(_sound_intake: Intake, fuzzed: Running) -> Iterator[Intake]:
    """Function and database for fuzzing; afterwards both must do their work as before."""
    intake = _sound_intake
    intake.look()
    printed_before = fuzzed.function.log.stat().st_size
    yield intake
    entry = intake.entry()
    intake.look()
    intake.expect_delivered(intake.webhook.post(intake.good_post(entry)), [entry])
    with fuzzed.function.log.open(encoding="utf-8", newline="") as log:
        log.seek(printed_before)
        events = [json.loads(line) for line in log.read().splitlines()]
    assert [event for event in events if event["event"] in _FAULTS] == []
