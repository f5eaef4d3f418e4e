"""The clock leases are counted on, and the lease itself.

The database says how many seconds a lease has left; comparing wall clocks of two machines would be
wrong by their difference. Python's monotonic clock stands still while a machine sleeps, and a
laptop or a suspended virtual machine would then believe in a lease that is long over.
"""

from __future__ import annotations

import sys
import time

if sys.platform == "linux":

    def lease_clock() -> float:
        """Seconds since some moment in the past, time asleep included."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

else:

    def lease_clock() -> float:
        """Seconds since some moment in the past; on macOS this clock runs through sleep."""
        return time.clock_gettime(time.CLOCK_MONOTONIC)


class Lease:
    """How long a claim is ours. Built from an answer and from the time *before* its call."""

    __slots__ = ("ends_at", "full_seconds")

    def __init__(self, asked_at: float, seconds: float) -> None:
        #: The longest remaining time ever heard: what a renewal gives.
        self.full_seconds = seconds
        self.ends_at = asked_at + seconds

    def update(self, asked_at: float, seconds: float) -> None:
        """Take over a newer answer, whether it prolonged the lease or only told what is left."""
        self.full_seconds = max(self.full_seconds, seconds)
        self.ends_at = asked_at + seconds

    def outlasts(self, seconds: float) -> bool:
        """Whether it is certain that the claim is still ours after so many seconds."""
        return lease_clock() + seconds < self.ends_at

    @property
    def renew_at(self) -> float:
        """When a third of it is used up: time for renewing, with two more tries to come."""
        return self.ends_at - self.full_seconds * 2 / 3
