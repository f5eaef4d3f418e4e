"""Writes the rows that were rejected, so that they can be corrected and imported again."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import IO, Any

from sendonce.contacts.mapping import REJECT_COLUMNS
from sendonce.contacts.records import Record
from sendonce.errors import CommandError


class Rejects:
    """Counts the rejected rows by reason, and writes them where there is a file for them.

    The file appears with the first of them. It holds the row, the value and the reason, then the
    columns of the list. Use as a context manager.
    """

    def __init__(self, path: Path | None, header: list[str]) -> None:
        self.path = path
        self.count = 0
        self.by_reason: Counter[str] = Counter()
        self.first_row: dict[str, int] = {}
        # A rejects file that is imported has those columns already.
        self._places = [place for place, name in enumerate(header) if name not in REJECT_COLUMNS]
        self._header = [header[place] for place in self._places]
        self._file: IO[str] | None = None
        self._writer: Any = None

    def __enter__(self) -> Rejects:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, record: Record, value: str, reason: str) -> None:
        """Note one row."""
        self.count += 1
        self.by_reason[reason] += 1
        self.first_row.setdefault(reason, record.row)
        if self.path is None:
            return
        if self._file is None:
            try:
                # With the mark by which Excel knows UTF-8.
                self._file = self.path.open("w", encoding="utf-8-sig", newline="")
            except OSError as error:
                raise CommandError(
                    f"the rejects file {self.path} cannot be written ({error.strerror}):"
                    " pass --rejects FILE"
                ) from None
            self._writer = csv.writer(self._file)
            self._writer.writerow([*REJECT_COLUMNS, *self._header])
        self._writer.writerow(
            [record.row, value, reason, *(record.values[place] for place in self._places)]
        )

    def flush(self) -> None:
        """Put what was noted on disk, so that a kill leaves it."""
        if self._file is not None:
            self._file.flush()


def rejects_path(file: str, given: str | None) -> Path:
    """Where the rejects go. Raises CommandError where that would overwrite the list itself."""
    if given is not None:
        path = Path(given)
        if file != "-" and path.resolve() == Path(file).resolve():
            raise CommandError("--rejects names the list itself")
        return path
    return Path("standard-input.rejects.csv" if file == "-" else f"{file}.rejects.csv")
