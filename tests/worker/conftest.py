"""Simulator and worker processes for the tests of the worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sendonce.simulator.process import SimulatorProcess
from support.database import Database
from worker.support import Workers, workers_for


@pytest.fixture
def simulator() -> Iterator[SimulatorProcess]:
    """A provider that accepts everything at once, and reports to nobody."""
    with SimulatorProcess() as simulator:
        yield simulator


@pytest.fixture
def workers(database: Database, simulator: SimulatorProcess) -> Iterator[Workers]:
    """Starts worker processes that send to the simulator."""
    with workers_for(database, simulator.graph_url) as workers:
        yield workers
