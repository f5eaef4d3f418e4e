"""Reads spreadsheets: XLSX, and what else calamine knows (XLS, XLSB, ODS)."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from sendonce.contacts.records import (
    ContactList,
    Record,
    UnreadableFileError,
    checked_header,
    fitted,
)

SUFFIXES = frozenset({".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"})


def read_spreadsheet(path: Path, *, sheet: str | None = None) -> ContactList:
    """Read one sheet, the first one that is shown where none is named."""
    import python_calamine

    try:
        book = python_calamine.load_workbook(path)
        names = book.sheet_names
        shown = [
            one.name
            for one in book.sheets_metadata
            if one.visible == python_calamine.SheetVisibleEnum.Visible
            and one.typ == python_calamine.SheetTypeEnum.WorkSheet
        ]
        if not (shown or names):
            raise UnreadableFileError("the spreadsheet has no sheet")
        if sheet is not None and sheet not in names:
            raise UnreadableFileError(f"no sheet is called {sheet!r}: there are {', '.join(names)}")
        name = sheet if sheet is not None else (shown or names)[0]
        found = book.get_sheet_by_name(name)
    except python_calamine.PasswordError:
        raise UnreadableFileError("the spreadsheet is protected by a password") from None
    except python_calamine.CalamineError as error:
        raise UnreadableFileError(f"this is no spreadsheet that can be read: {error}") from None

    # iter_rows counts from the sheet's first row, empty ones included.
    place = 0

    def rows() -> Iterator[tuple[int, list[str]]]:
        nonlocal place
        for place, cells in enumerate(found.iter_rows(), start=1):
            values = [cell_text(cell) for cell in cells]
            if any(value.strip() for value in values):
                yield place, values

    def records(width: int) -> Iterator[Record]:
        for number, values in numbered:
            yield fitted(number, values, width)

    numbered = rows()
    _, header_values = next(numbered, (0, []))
    header = checked_header(header_values)
    others = f" of {len(names)}" if len(names) > 1 else ""
    return ContactList(
        header=header,
        records=records(len(header)),
        description=f"sheet {name!r}{others}",
        total=found.total_height,
        position=lambda: place,
    )


def cell_text(cell: Any) -> str:
    """A cell as text. A whole number is its digits: spreadsheets keep phone numbers as floats."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, float):
        if cell.is_integer():
            return str(int(cell))
        # Never 4.9e+11.
        return format(Decimal(repr(cell)), "f")
    if isinstance(cell, datetime.datetime):
        return cell.isoformat(sep=" ")
    return str(cell)
