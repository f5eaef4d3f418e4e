"""The transport over PostgreSQL: fit for a pooler, exact about what went wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from psycopg.pq import TransactionStatus

from sendonce.transports import connections
from sendonce.transports.base import (
    Claim,
    ClaimGoneError,
    DatabaseAwayError,
    DatabaseBusyError,
    DatabaseUnfitError,
    NothingToClaim,
    Result,
    TransportError,
)
from sendonce.transports.postgres import FUNCTIONS, PostgresTransport
from support.database import Connection, Database
from worker.support import PATIENCE, start_campaign


@asynccontextmanager
async def transport_for(url: str, *, size: int = 2) -> AsyncIterator[PostgresTransport]:
    transport = PostgresTransport(url, connections=size)
    try:
        yield transport
    finally:
        await transport.close()


async def test_every_function_can_be_called_by_the_workers_role(
    connection: Connection, database: Database
) -> None:
    start_campaign(connection, 5)
    async with transport_for(database.worker_url) as transport:
        assert await transport.unusable_functions() == []
        assert await transport.schema_version() == 1
        assert await transport.worker_heartbeat("w", {"version": "x"}) == 1
        claim = await transport.claim_messages("w", None, 3)
        assert isinstance(claim, Claim)
        assert [entry.attempt for entry in claim.entries] == [1, 1, 1]
        assert claim.rate is None
        assert claim.lease_seconds == 60
        first, second, _ = (entry.entry_id for entry in claim.entries)
        dispatch = await transport.begin_dispatch(claim.claim_id, [first])
        assert dispatch.dispatched == (first,)
        renewed = await transport.renew_claims([claim.claim_id, -1])
        assert list(renewed) == [claim.claim_id]
        awkward = Result(
            first,
            1,
            "accepted",
            provider_message_id="wamid.1",
            http_status=200,
            message="'\"\\ \u2028 \U0001f600 %s {}",
        )
        recorded = await transport.record_results(claim.claim_id, [awkward])
        assert (recorded.recorded, recorded.already, recorded.refused) == (1, 0, ())
        assert recorded.counts["sent"] == 1
        assert recorded.claim_open
        again = await transport.record_results(claim.claim_id, [awkward])
        assert (again.recorded, again.already) == (0, 1)
        not_dispatched = await transport.record_results(
            claim.claim_id, [Result(second, 1, "not_sent", code="not_started")]
        )
        assert [row.entry_id for row in not_dispatched.refused] == [second]
        released = await transport.release_claim(claim.claim_id)
        assert (released.released, released.claim_open) == (2, False)
        for sweep in (
            transport.expire_claims,
            transport.settle_overdue_unknown,
            transport.sweep_cancelled,
            transport.start_due_campaigns,
            transport.sweep_reports,
        ):
            assert not (await sweep(10)).more


async def test_nothing_to_claim_says_when_to_ask_again(database: Database) -> None:
    async with transport_for(database.worker_url) as transport:
        answer = await transport.claim_messages("w", None, 10)
    assert isinstance(answer, NothingToClaim)
    assert answer.wait_seconds >= 0


async def test_nothing_is_ever_prepared_so_that_a_transaction_pooler_will_do(
    database: Database,
) -> None:
    async with transport_for(database.worker_url, size=1) as transport:
        for _ in range(12):
            await transport.renew_claims([1])
        rows = await transport._rows("select count(*) from pg_prepared_statements", ())
    assert rows == [(0,)]


async def test_each_call_is_a_transaction_of_its_own(database: Database) -> None:
    async with transport_for(database.worker_url, size=1) as transport:
        statement = "select pg_current_xact_id()::text"
        first, second = [await transport._rows(statement, ()) for _ in range(2)]
    assert first != second


async def test_no_more_connections_than_allowed_are_opened(
    connection: Connection, database: Database
) -> None:
    async with transport_for(database.worker_url, size=3) as transport:
        await asyncio.gather(*(transport.renew_claims([1]) for _ in range(30)))
        row = connection.execute(
            "select count(*) from pg_stat_activity"
            " where datname = current_database() and application_name = 'sendonce-worker'"
        ).fetchone()
    assert row is not None
    assert 1 <= row[0] <= 3


async def test_a_connection_that_died_while_idle_is_not_used_again(
    connection: Connection, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "IDLE_BEFORE_CHECK", 0.0)
    async with transport_for(database.worker_url) as transport:
        await transport.schema_version()
        _end_connections(connection)
        assert await transport.schema_version() == 1


async def test_a_connection_lost_during_the_call_is_the_database_being_away(
    connection: Connection, database: Database
) -> None:
    async with transport_for(database.worker_url) as transport:
        call = asyncio.create_task(transport._rows("select pg_sleep(60)", ()))
        while not await asyncio.to_thread(_end_connections, connection):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        with pytest.raises(DatabaseAwayError):
            await call
        # And the next call finds a new one.
        assert await transport.schema_version() == 1


async def test_where_one_connection_broke_its_neighbours_are_not_lent_either(
    connection: Connection, database: Database
) -> None:
    async with transport_for(database.worker_url, size=3) as transport:
        pids = await asyncio.gather(
            *(transport._rows("select pg_backend_pid(), pg_sleep(0.1)", ()) for _ in range(3))
        )
        assert len({rows[0][0] for rows in pids}) > 1
        await asyncio.to_thread(_end_connections, connection)
        with pytest.raises(DatabaseAwayError):
            await transport.schema_version()
        assert await asyncio.gather(*(transport.schema_version() for _ in range(6))) == [1] * 6


async def test_calls_wait_for_their_turn_where_the_server_has_no_place_for_one_more(
    connection: Connection, database: Database
) -> None:
    async with transport_for(database.worker_url, size=4) as transport:
        await transport.schema_version()
        connection.execute(
            "do $$ begin execute format('alter database %I connection limit 1',"
            " current_database()); end $$"
        )
        calls = [transport._rows("select pg_backend_pid(), pg_sleep(0.05)", ()) for _ in range(6)]
        pids = {rows[0][0] for rows in await asyncio.gather(*calls)}
    assert len(pids) == 1


async def test_no_place_is_lost_to_calls_that_were_cancelled_at_any_moment(
    database: Database,
) -> None:
    lent = connections.Connections(database.worker_url, 2)

    async def call() -> None:
        async with lent.connection() as connection:
            await connection.execute("select 1")

    async with asyncio.timeout(PATIENCE):
        for steps in range(40):
            # Not cancelled, so that the others find a connection to be cancelled on.
            await call()
            calls = [asyncio.create_task(call()) for _ in range(4)]
            for _ in range(steps):
                await asyncio.sleep(0)
            for task in calls:
                task.cancel()
            await asyncio.wait(calls)
        async with lent.connection() as one, lent.connection() as other:
            assert one is not other
            for connection in (one, other):
                assert connection.pgconn.transaction_status == TransactionStatus.IDLE
    await lent.close()


async def test_a_database_that_is_not_there_is_said_in_the_words_of_the_network() -> None:
    async with transport_for("postgresql://somebody@127.0.0.1:1/postgres") as transport:
        for _ in range(2):
            with pytest.raises(DatabaseAwayError, match="onnection refused"):
                await transport.schema_version()


async def test_a_cancelled_call_leaves_no_half_read_connection_behind(database: Database) -> None:
    async with transport_for(database.worker_url, size=1) as transport:
        call = asyncio.create_task(transport._rows("select pg_sleep(60)", ()))
        await asyncio.sleep(0.2)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await transport.schema_version() == 1


async def test_a_connection_with_an_open_transaction_is_not_lent_again(
    database: Database,
) -> None:
    lent = connections.Connections(database.worker_url, 1)

    async def fail() -> None:
        async with lent.connection() as connection:
            await connection.execute("begin")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    async with lent.connection() as connection:
        assert connection.pgconn.transaction_status == TransactionStatus.IDLE
    await lent.close()


async def test_a_claim_that_is_gone_is_told_apart(database: Database) -> None:
    async with transport_for(database.worker_url) as transport:
        with pytest.raises(ClaimGoneError) as caught:
            await transport.begin_dispatch(4711, [1])
    assert caught.value.sqlstate == "SO020"


async def test_a_lease_that_is_over_is_told_apart(
    connection: Connection, database: Database
) -> None:
    start_campaign(connection, 1)
    async with transport_for(database.worker_url) as transport:
        claim = await transport.claim_messages("w", None, 1)
        assert isinstance(claim, Claim)
        connection.execute("update public.claims set expires_at = claimed_at")
        with pytest.raises(ClaimGoneError) as caught:
            await transport.begin_dispatch(claim.claim_id, [claim.entries[0].entry_id])
    assert caught.value.sqlstate == "SO021"


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("drop function public.schema_version()", DatabaseUnfitError),
        (
            "revoke execute on function public.schema_version() from sendonce_worker",
            DatabaseUnfitError,
        ),
        (
            "create or replace function public.schema_version() returns integer language plpgsql"
            " as $$ begin raise exception using errcode = '40P01'; end $$",
            DatabaseBusyError,
        ),
        (
            "create or replace function public.schema_version() returns integer language plpgsql"
            " as $$ begin raise exception using errcode = '57P01'; end $$",
            DatabaseAwayError,
        ),
    ],
)
async def test_what_went_wrong_is_told_apart(
    connection: Connection, database: Database, statement: str, error: type[TransportError]
) -> None:
    connection.execute(statement)
    async with transport_for(database.worker_url) as transport:
        with pytest.raises(error):
            await transport.schema_version()


async def test_a_time_limit_of_the_server_is_no_reason_to_drop_anything(
    database: Database,
) -> None:
    async with transport_for(database.worker_url) as transport:
        with pytest.raises(DatabaseBusyError):
            await transport._rows(
                "select set_config('statement_timeout', '50ms', false), pg_sleep(0)", ()
            ) and await transport._rows("select pg_sleep(60)", ())


def test_the_transport_names_every_function_it_calls() -> None:
    methods = {name for name in vars(PostgresTransport) if not name.startswith("_")}
    assert methods - {"close", "unusable_functions"} == set(FUNCTIONS)


def _end_connections(connection: Connection) -> bool:
    """End the worker's connections to this database; whether there were any at work or idle."""
    rows = connection.execute(
        "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
        " where datname = current_database() and application_name = 'sendonce-worker'"
        " and (state = 'idle' or query like 'select pg_sleep%')"
    ).fetchall()
    return bool(rows)
