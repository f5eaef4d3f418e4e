"""Writes the rows that were rejected, so that they can be corrected and imported again."""

from __future__ import annotations

import csv
from collections import Counter
from itertools import count
from pathlib import Path
from typing import IO, Any

from sendonce.contacts.mapping import REJECT_COLUMNS
from sendonce.contacts.records import Record
from sendonce.errors import CommandError


class Rejects:
    """Counts the rejected rows by reason, and writes them where there is a file for them.

    The file appears with the first of them, under a name that no file has: what is there may be an
    earlier one that somebody is correcting. It holds the row, the value and the reason, then the
    columns of the list. Use as a context manager.
    """

    def __init__(self, path: Path | None, header: list[str]) -> None:
        self.path = path
        self.count = 0
        self.by_reason: Counter[str] = Counter()
        self.first_row: dict[str, int] = {}
        # A rejects file that is imported has those columns already.
        self._places = [place for place, name in enumerate(header) if name not in REJECT_COLUMNS]
        self._width = len(header)
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
                self._file = self.path.open("x", encoding="utf-8-sig", newline="")
            except OSError as error:
                raise CommandError(
                    f"the rejects file {self.path} cannot be written ({error.strerror}):"
                    " pass --rejects FILE"
                ) from None
            self._writer = csv.writer(self._file)
            self._writer.writerow([*REJECT_COLUMNS, *self._header])
        self._writer.writerow(
            [
                record.row,
                value,
                reason,
                *(record.values[place] for place in self._places),
                # What is too much stays too much, or the row would pass the next time.
                *record.values[self._width :],
            ]
        )

    def flush(self) -> None:
        """Put what was noted on disk, so that a kill leaves it."""
        if self._file is not None:
            self._file.flush()


def rejects_path(file: str, given: str | None) -> Path:
    """Where the rejects go: never where a file is already. Raises CommandError for such a name."""
    if given is not None:
        path = Path(given)
        if path.exists():
            raise CommandError(
                f"--rejects: {path} is there already, and may hold corrections: name a new file"
            )
        if not path.parent.is_dir():
            raise CommandError(f"--rejects: there is no directory {path.parent}")
        return path
    list_name = "standard-input" if file == "-" else file
    path = Path(f"{list_name}.rejects.csv")
    for number in count(2):
        if not path.exists():
            break
        path = Path(f"{list_name}.rejects.{number}.csv")
    return path
