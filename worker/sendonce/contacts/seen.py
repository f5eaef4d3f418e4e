"""Remembers which numbers a list had already, however long it is, in little memory."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterable
from pathlib import Path


class SeenNumbers:
    """Numbers, kept in a temporary file. Use as a context manager."""

    def __enter__(self) -> SeenNumbers:
        self._directory = tempfile.TemporaryDirectory(prefix="sendonce-import-")
        self._database = sqlite3.connect(
            Path(self._directory.name) / "seen.sqlite",
            isolation_level=None,
            # Made here, asked by the thread that speaks with PostgreSQL; never two at once.
            check_same_thread=False,
        )
        # Nobody needs it after a crash.
        self._database.execute("pragma journal_mode = off")
        self._database.execute("pragma synchronous = off")
        self._database.execute("create table seen (number text primary key) without rowid")
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()
        self._directory.cleanup()

    def __contains__(self, number: str) -> bool:
        found = self._database.execute("select 1 from seen where number = ?", [number])
        return found.fetchone() is not None

    def add(self, numbers: Iterable[str]) -> None:
        """Remember these."""
        self._database.execute("begin")
        self._database.executemany(
            "insert or ignore into seen values (?)", ([number] for number in numbers)
        )
        self._database.execute("commit")
