"""A WhatsApp Cloud API to test against: same endpoint, same errors, signed reports, real faults.

It runs as a process of its own, knows no database, and keeps a ledger of what it did: the truth
with which tests and audits compare. Tests start it with `SimulatorProcess` and steer it with the
`SimulatorControl` that it carries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sendonce.simulator.client import ControlError, SimulatorControl
    from sendonce.simulator.process import SimulatorProcess

__all__ = ["ControlError", "SimulatorControl", "SimulatorProcess"]


def __getattr__(name: str) -> Any:
    """Load the helpers when they are asked for: the command line needs none of them."""
    if name in ("ControlError", "SimulatorControl"):
        from sendonce.simulator import client

        return getattr(client, name)
    if name == "SimulatorProcess":
        from sendonce.simulator.process import SimulatorProcess

        return SimulatorProcess
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
