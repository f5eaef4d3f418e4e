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


@pytest.fixture
def slow_simulator() -> Iterator[SimulatorProcess]:
    """A provider that takes its time, so that something can happen meanwhile."""
    with SimulatorProcess(latency_mean=0.1, latency_jitter=0.05) as simulator:
        yield simulator


@pytest.fixture
def slow_workers(database: Database, slow_simulator: SimulatorProcess) -> Iterator[Workers]:
    """Starts worker processes that send to the slow provider, few at a time."""
    with workers_for(database, slow_simulator.graph_url) as workers:
        workers.environment["SENDONCE_CONCURRENCY"] = "20"
        yield workers
