"""What happened when, one JSON object a line, written at once so that nothing of it is lost."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter, deque
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


class Timeline:
    """The record of a run. Any thread may write to it."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")
        self._lock = threading.Lock()
        self._began = time.monotonic()
        #: How often each thing happened.
        self.counts: Counter[str] = Counter()
        #: The last of them, for whoever watches.
        self.recent: deque[str] = deque(maxlen=5)

    @property
    def seconds(self) -> float:
        """Seconds since the faults began."""
        return time.monotonic() - self._began

    def begin(self) -> None:
        """The faults begin now."""
        self._began = time.monotonic()

    def write(self, event: str, **facts: Any) -> None:
        """Note that something happened."""
        with self._lock:
            if self._file.closed:
                return
            line = {
                "seconds": round(self.seconds, 3),
                "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "event": event,
                **facts,
            }
            self._file.write(json.dumps(line, default=str) + "\n")
            self._file.flush()
            self.counts[event] += 1
            told = " ".join(f"{name}={value}" for name, value in facts.items())
            self.recent.append(f"{self.seconds:7.1f} s  {event}  {told}")

    def close(self) -> None:
        """Nothing is written after this."""
        with self._lock:
            self._file.close()
