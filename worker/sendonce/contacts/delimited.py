"""Reads CSV and its relatives, of any size, a piece at a time."""

from __future__ import annotations

import csv
import io
from collections import deque
from collections.abc import Iterator
from typing import BinaryIO

from sendonce.contacts.encoding import checked_encoding, recognised_encoding
from sendonce.contacts.records import (
    ContactList,
    Record,
    UnreadableFileError,
    checked_header,
    fitted,
)

DELIMITERS = (",", ";", "\t", "|")
_NAMES = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "bars"}
#: How much is looked at to recognise encoding and delimiter.
_SAMPLE = 1 << 18
#: Longest cell. What is longer is a quotation mark that nobody closed.
_LONGEST_CELL = 1 << 17


class _Counted(io.RawIOBase):
    """A stream that gives back the sample taken from it and knows how much was read."""

    def __init__(self, source: BinaryIO, sample: bytes) -> None:
        self._source = source
        self._sample = sample
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        size = len(buffer)
        piece, self._sample = self._sample[:size], self._sample[size:]
        if not piece:
            piece = self._source.read(size)
        buffer[: len(piece)] = piece
        self.count += len(piece)
        return len(piece)


def read_delimited(
    source: BinaryIO,
    *,
    total: int | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
) -> ContactList:
    """Read a stream of bytes as a table of text.

    Encoding and delimiter are recognised where they are not given. Raises UnreadableFileError
    where the file is no text or has no header; the records raise it, with the row, where that
    shows later.
    """
    sample = b""
    while len(sample) < _SAMPLE and (piece := source.read(_SAMPLE - len(sample))):
        sample += piece
    complete = len(sample) < _SAMPLE
    if sample.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise UnreadableFileError("this is a spreadsheet: name it .xlsx, or save it as CSV")
    chosen = (
        checked_encoding(encoding) if encoding else recognised_encoding(sample, complete=complete)
    )
    counted = _Counted(source, sample)
    # newline="" leaves the ends of lines inside quoted cells to csv.
    text = io.TextIOWrapper(io.BufferedReader(counted, 1 << 16), encoding=chosen, newline="")
    csv.field_size_limit(_LONGEST_CELL)
    if delimiter is None:
        delimiter = _recognised_delimiter(sample, chosen)
    rows = _rows(text, delimiter, chosen)
    first, header_values, problem = next(rows, (0, [], None))
    if problem is not None:
        raise UnreadableFileError(f"row {first} cannot be read: {problem}")
    header = checked_header(header_values)
    shown = {"utf-8-sig": "utf-8"}.get(chosen, chosen).upper()
    return ContactList(
        header=header,
        records=_records(rows, len(header)),
        description=f"{shown}, separated by {_NAMES.get(delimiter, delimiter)}",
        total=total,
        position=lambda: counted.count,
    )


class _Lines:
    """The lines of a text, of which the last ones taken can be given back."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self._back: deque[str] = deque()
        self._started = False
        #: The lines of the row that is read.
        self.taken: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._back:
            line = self._back.popleft()
        else:
            line = next(self._text)
            if not self._started:
                self._started = True
                # A mark that the encoding does not take away, before a quotation mark too.
                line = line.lstrip("\ufeff")
        self.taken.append(line)
        return line

    def keep_first(self) -> str:
        """The first line of the row; the others are given back."""
        first, *others = self.taken
        self._back.extendleft(reversed(others))
        return first


def _rows(
    text: io.TextIOWrapper, delimiter: str, encoding: str
) -> Iterator[tuple[int, list[str], str | None]]:
    """Each row that is not empty, its number as a spreadsheet shows it, and what is wrong with it.

    A spreadsheet counts rows, not lines: a cell with a line break in it is in one row. It counts
    the empty ones.

    A quotation mark that nobody closed would take the rows below it into its cell, up to the next
    quotation mark or the end of the file, and nobody would miss them. So only its own line is
    given up, and the lines below are read as rows.
    """
    number = 0
    lines = _Lines(text)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        number += 1
        lines.taken.clear()
        problem = None
        try:
            values = next(reader)
        except StopIteration:
            return
        except UnicodeDecodeError as error:
            # A whole piece is decoded ahead, so the row named is at or before the byte.
            raise UnreadableFileError(
                f"after row {number - 1} a byte is not {encoding.upper()}"
                f" ({error.reason}): pass --encoding, such as cp1252, or save the file as UTF-8"
            ) from None
        except csv.Error as error:
            problem = _TOO_LONG if "limit" in str(error) else _UNCLOSED
            line = lines.keep_first().rstrip("\r\n")
            values = line.split(delimiter)
        if any(value.strip() for value in values):
            yield number, values, problem


_UNCLOSED = "a quotation mark is not closed, or not doubled inside quotation marks"
_TOO_LONG = f"a cell has more than {_LONGEST_CELL:,} characters, or a quotation mark is not closed"


def _records(rows: Iterator[tuple[int, list[str], str | None]], width: int) -> Iterator[Record]:
    for number, values, problem in rows:
        if problem is None:
            yield fitted(number, values, width)
        else:
            yield Record(number, values + [""] * (width - len(values)), problem)


def _recognised_delimiter(sample: bytes, encoding: str) -> str:
    """The delimiter that cuts the header into most cells, and most rows into as many.

    A file of one column has none; then it does not matter.
    """
    text = sample.decode(encoding, errors="ignore")
    best, best_score = ",", (0.0, 0)
    for delimiter in DELIMITERS:
        widths = []
        try:
            for values in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
                if any(value.strip() for value in values):
                    widths.append(len(values))
                if len(widths) == 100:
                    break
        except csv.Error:
            # The rows up to there tell.
            pass
        if not widths or widths[0] < 2:
            continue
        alike = sum(width == widths[0] for width in widths) / len(widths)
        if (score := (round(alike, 1), widths[0])) > best_score:
            best, best_score = delimiter, score
    return best
