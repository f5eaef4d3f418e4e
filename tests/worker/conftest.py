"""Simulator and worker processes for the tests of the worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sendonce.simulator.process import SimulatorProcess
from support.database import Database
from worker.support import Workers, workers_for


@pytest.fixture(scope="session")
def _simulator_process() -> Iterator[SimulatorProcess]:
    with SimulatorProcess() as simulator:
        yield simulator


@pytest.fixture
def simulator(_simulator_process: SimulatorProcess) -> SimulatorProcess:
    """A provider that accepts everything at once, reports to nobody and has done nothing yet."""
    _simulator_process.control.restore_faults()
    _simulator_process.control.reset()
    return _simulator_process


@pytest.fixture
def workers(database: Database, simulator: SimulatorProcess) -> Iterator[Workers]:
    """Starts worker processes that send to the simulator."""
    with workers_for(database, simulator.graph_url) as workers:
        yield workers


@pytest.fixture
def slow_simulator(simulator: SimulatorProcess) -> SimulatorProcess:
    """A provider that takes its time, so that something can happen meanwhile."""
    simulator.control.set_faults(latency_mean=0.1, latency_jitter=0.05)
    return simulator


@pytest.fixture
def slow_workers(database: Database, slow_simulator: SimulatorProcess) -> Iterator[Workers]:
    """Starts worker processes that send to the slow provider, few at a time."""
    with workers_for(database, slow_simulator.graph_url) as workers:
        workers.environment["SENDONCE_CONCURRENCY"] = "20"
        yield workers
