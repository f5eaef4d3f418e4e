"""One simulator for all bad days, and real workers that send to it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from acceptance.abc_support import APP
from bad_days.support import FAST_CONCURRENCY, FAST_WORKERS, SPEED, Stage, run_clock
from sendonce.local.ports import free_port
from sendonce.simulator.process import SimulatorProcess
from support.database import Connection, Database, create_database, drop_database
from support.postgres_source import PostgresSource
from worker.support import Workers, workers_for

# An outage at real time takes minutes; `make soak` says how many.
collect_ignore = [] if os.environ.get("SENDONCE_SOAK_MINUTES") else ["test_soak.py"]


@pytest.fixture(scope="session")
def ledger_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the provider did, also before it was stopped and started again."""
    return tmp_path_factory.mktemp("simulator") / "ledger"


@pytest.fixture(scope="session")
def _simulator(ledger_file: Path) -> Iterator[SimulatorProcess]:
    # On one port, so that workers find it again after it was away.
    with SimulatorProcess(
        app=APP,
        port=free_port(),
        ledger_file=ledger_file,
        webhook_retry_first=0.05,
        webhook_retry_longest=0.5,
    ) as simulator:
        yield simulator
        # Whatever the tests did to it, it was prepared for.
        assert "Traceback" not in simulator.log()


@pytest.fixture
def simulator(_simulator: SimulatorProcess) -> SimulatorProcess:
    """A provider that accepts everything at once and has done nothing yet."""
    _simulator.control.end_outage()
    _simulator.control.restore_faults()
    _simulator.control.reset()
    return _simulator


@pytest.fixture
def workers(database: Database, simulator: SimulatorProcess) -> Iterator[Workers]:
    """Starts real workers that send to the simulator."""
    with workers_for(database, simulator.graph_url) as workers:
        yield workers


@pytest.fixture
def stage(connection: Connection) -> Stage:
    """An organization that has nothing yet."""
    return Stage(connection)


@pytest.fixture(scope="session")
def fast_database(
    postgres: PostgresSource, _template: str, _simulator: SimulatorProcess
) -> Iterator[Database]:
    """A database whose minutes pass in a second, and two workers that serve all its accounts."""
    database = create_database(
        postgres.url, _template.replace("template", "bad_days"), template=_template
    )
    try:
        with database.connect() as connection:
            run_clock(connection, SPEED)
        with workers_for(database, _simulator.graph_url) as workers:
            for number in range(FAST_WORKERS):
                workers.start(
                    SENDONCE_WORKER_NAME=f"worker-{number}",
                    SENDONCE_CONCURRENCY=str(FAST_CONCURRENCY),
                    SENDONCE_REQUEST_TIMEOUT="0.5",
                )
            yield database
    finally:
        drop_database(postgres.url, database.name)


@pytest.fixture
def fast_stage(fast_database: Database) -> Iterator[Stage]:
    """An organization of this test's own there."""
    with fast_database.connect() as connection:
        yield Stage(connection)
