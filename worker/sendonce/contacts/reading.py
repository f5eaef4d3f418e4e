"""Opens a list of contacts, whatever kind of file it is."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sendonce.contacts.delimited import read_delimited
from sendonce.contacts.records import ContactList, UnreadableFileError
from sendonce.contacts.spreadsheet import SUFFIXES, read_spreadsheet

STANDARD_INPUT = "-"


@contextmanager
def opened(
    file: str,
    *,
    delimiter: str | None = None,
    encoding: str | None = None,
    sheet: str | None = None,
) -> Iterator[ContactList]:
    """The list in this file; ``-`` is CSV on standard input.

    Raises UnreadableFileError, with the file's name, here and while its records are read.
    """
    if file == STANDARD_INPUT:
        yield read_delimited(sys.stdin.buffer, delimiter=delimiter, encoding=encoding)
        return
    path = Path(file)
    try:
        if path.suffix.lower() in SUFFIXES:
            for option, value in (("--delimiter", delimiter), ("--encoding", encoding)):
                if value is not None:
                    raise UnreadableFileError(f"{option} is for CSV, not for spreadsheets")
            # calamine's errors name no file.
            with path.open("rb"):
                pass
            yield read_spreadsheet(path, sheet=sheet)
        else:
            if sheet is not None:
                raise UnreadableFileError("--sheet is for spreadsheets, not for CSV")
            with path.open("rb") as source:
                yield read_delimited(
                    source, total=path.stat().st_size, delimiter=delimiter, encoding=encoding
                )
    except UnreadableFileError as error:
        raise UnreadableFileError(f"{file}: {error}") from None
    except OSError as error:
        if error.filename != str(path) and error.filename != path:
            raise
        raise UnreadableFileError(f"{file}: {error.strerror}") from None
