"""The same simulator and workers as the worker's own tests have."""

from __future__ import annotations

from worker.conftest import _simulator_process, simulator, slow_simulator, slow_workers, workers

__all__ = ["_simulator_process", "simulator", "slow_simulator", "slow_workers", "workers"]
