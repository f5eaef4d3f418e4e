"""The provider's two rate limits: per phone number, and per pair of number and recipient."""

from __future__ import annotations

from collections import deque


class Throttle:
    """Counts what was let through. All times are seconds on one monotonic clock."""

    def __init__(self) -> None:
        self._recent: dict[str, deque[float]] = {}
        self._pairs: dict[tuple[str, str], float] = {}

    def clear(self) -> None:
        """Forget everything."""
        self._recent.clear()
        self._pairs.clear()

    def number_allows(self, phone_number_id: str, rate: float, now: float) -> bool:
        """Whether the number may send one more: fewer than ``rate`` in the last second."""
        recent = self._recent.setdefault(phone_number_id, deque())
        while recent and recent[0] <= now - 1.0:
            recent.popleft()
        if len(recent) >= rate:
            return False
        recent.append(now)
        return True

    def pair_allows(
        self, phone_number_id: str, recipient: str, interval: float, burst: int, now: float
    ) -> bool:
        """Whether the recipient may get one more: one per ``interval``, ``burst`` at once."""
        key = (phone_number_id, recipient)
        # The time at which the pair would be as fresh as if nothing had been sent.
        fresh = max(self._pairs.get(key, now), now)
        if fresh + interval - now > interval * burst:
            return False
        self._pairs[key] = fresh + interval
        return True
