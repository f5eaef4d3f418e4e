"""The database goes away in the middle: results wait in memory, and one line says so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Literal

import psycopg
import pytest

from sendonce.local.postgres import LocalPostgres
from sendonce.local.supabase_roles import prepare_like_supabase
from sendonce.schema.into_database import install_schema
from sendonce.simulator.process import SimulatorProcess
from support.database import Database, let_roles_log_in
from worker.support import (
    Campaign,
    Workers,
    assert_nobody_got_it_twice,
    start_campaign,
    wait_until,
    workers_for,
)


@pytest.fixture
def server() -> Iterator[LocalPostgres]:
    """A server of the test's own, which may be stopped without harm to others."""
    with LocalPostgres() as server:
        with psycopg.connect(server.url(), autocommit=True) as connection:
            prepare_like_supabase(connection, default_privileges="withheld")
        install_schema(server.url())
        with psycopg.connect(server.url(), autocommit=True) as connection:
            let_roles_log_in(connection)
        yield server


@pytest.fixture
def own_workers(server: LocalPostgres, slow_simulator: SimulatorProcess) -> Iterator[Workers]:
    """Worker processes for the test's own server."""
    with workers_for(Database(server.url()), slow_simulator.graph_url) as workers:
        workers.environment["SENDONCE_CONCURRENCY"] = "20"
        yield workers


def _campaign_now(server: LocalPostgres, campaign: Campaign) -> Campaign:
    """The same campaign over a connection of after the restart."""
    connection = psycopg.connect(server.url(), autocommit=True)
    return Campaign(connection, campaign.campaign_id, campaign.account_id, campaign.size)


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_restart_in_the_middle_loses_no_result_and_sends_nobody_twice(
    server: LocalPostgres,
    own_workers: Workers,
    slow_simulator: SimulatorProcess,
    mode: Literal["fast", "immediate"],
) -> None:
    before = start_campaign(
        psycopg.connect(server.url(), autocommit=True),
        300,
    )
    worker = own_workers.start()
    wait_until(lambda: before.statuses().get("sent", 0) > 60, "some messages")
    server.stop(mode)
    worker.wait_for_event("database.away")
    server.start()

    after = _campaign_now(server, before)
    wait_until(lambda: after.status() == "completed", "completion")
    assert worker.stop() == 0
    # The lease outlived the restart, so not even one outcome got lost.
    assert after.statuses() == {"sent": 300}
    assert_nobody_got_it_twice(after, slow_simulator)
    # One line per change of state, not one per try.
    assert len(worker.events("database.away")) == len(worker.events("database.back")) <= 3
    # With the server's or the network's reason, not the pool's.
    assert not [event for event in worker.events("database.away") if "pool" in event["reason"]]
    after.connection.close()


def test_a_stop_while_the_database_is_away_ends_with_1_and_says_how_many_are_unrecorded(
    server: LocalPostgres, own_workers: Workers
) -> None:
    before = start_campaign(
        psycopg.connect(server.url(), autocommit=True),
        300,
    )
    worker = own_workers.start(SENDONCE_STOP_TIMEOUT="1")
    wait_until(lambda: before.statuses().get("sent", 0) > 60, "some messages")
    server.stop("immediate")
    worker.wait_for_event("database.away")
    assert worker.stop() == 1
    [stopped] = worker.events("worker.stopped")
    assert stopped["unrecorded"] > 0


def test_a_worker_started_before_its_database_waits_for_it(
    server: LocalPostgres, own_workers: Workers
) -> None:
    server.stop()
    worker = own_workers.start(SENDONCE_START_TIMEOUT="50")
    worker.wait_for_event("database.away")
    server.start()
    worker.wait_for_event("worker.started")
    assert worker.stop() == 0


def test_a_server_with_few_places_is_used_with_those_and_without_noise(
    server: LocalPostgres, own_workers: Workers, slow_simulator: SimulatorProcess
) -> None:
    # One of them is the test's own; the worker would like to have eight.
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("alter database postgres connection limit 4")
    campaign = start_campaign(psycopg.connect(server.url(), autocommit=True), 300)
    worker = own_workers.start()
    wait_until(lambda: campaign.status() == "completed", "completion")
    assert worker.stop() == 0
    assert campaign.statuses() == {"sent": 300}
    assert not [event for event in worker.events() if "pool" in json.dumps(event)]
    campaign.connection.close()
