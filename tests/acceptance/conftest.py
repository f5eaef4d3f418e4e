"""Provider and workers of the acceptance tests: real processes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from acceptance.abc_support import make_simulator
from sendonce.simulator.process import SimulatorProcess
from support.database import Database
from worker.support import Workers, workers_for


@pytest.fixture(scope="session")
def _simulator() -> Iterator[SimulatorProcess]:
    with make_simulator() as simulator:
        yield simulator


@pytest.fixture
def simulator(_simulator: SimulatorProcess) -> SimulatorProcess:
    """A provider with no faults and an empty ledger."""
    _simulator.control.restore_faults()
    _simulator.control.reset()
    return _simulator


@pytest.fixture
def workers(database: Database, simulator: SimulatorProcess) -> Iterator[Workers]:
    """Starts real workers that send to the simulator."""
    with workers_for(database, simulator.graph_url) as workers:
        yield workers
