"""One simulator for all bad days, and real workers that send to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from acceptance.abc_support import make_simulator
from bad_days.support import Stage
from sendonce.simulator.process import SimulatorProcess
from support.database import Connection, Database
from worker.support import Workers, workers_for


@pytest.fixture(scope="session")
def _simulator() -> Iterator[SimulatorProcess]:
    with make_simulator() as simulator:
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
