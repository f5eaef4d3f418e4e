"""A WhatsApp Cloud API to test against: same endpoint, same errors, signed reports, real faults.

It runs as a process of its own, knows no database, and keeps a ledger of what it did: the truth
with which tests and audits compare. Tests start it with `SimulatorProcess` and steer it with the
`SimulatorControl` that it carries.
"""

from sendonce.simulator.client import ControlError, SimulatorControl
from sendonce.simulator.process import SimulatorProcess

__all__ = ["ControlError", "SimulatorControl", "SimulatorProcess"]
