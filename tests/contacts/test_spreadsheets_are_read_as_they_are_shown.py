"""XLSX: kinds of cells, empty rows, sheets, and files that are none."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path

import pytest

from contacts.xlsx import Cell, Day, Inline, Raw, write_xlsx
from sendonce.contacts.records import UnreadableFileError
from sendonce.contacts.spreadsheet import cell_text, read_spreadsheet


def book(directory: Path, *rows: Sequence[Cell]) -> Path:
    return write_xlsx(directory / "list.xlsx", {"Contacts": rows})


def values(path: Path, sheet: str | None = None) -> list[list[str]]:
    return [record.values for record in read_spreadsheet(path, sheet=sheet).records]


def test_shared_and_inline_texts_are_read_alike(tmp_path: Path) -> None:
    path = book(tmp_path, ["phone", Inline("name")], [Inline("+15005550001"), "Ann 🎉 <&>"])
    listed = read_spreadsheet(path)
    assert listed.header == ["phone", "name"]
    assert listed.description == "sheet 'Contacts'"
    assert values(path) == [["+15005550001", "Ann 🎉 <&>"]]


@pytest.mark.parametrize(
    "cell", [491713920000, 491713920000.0, Raw("4.9171392E+11"), Raw("491713920000.0")]
)
def test_a_phone_number_kept_as_a_float_is_its_digits(tmp_path: Path, cell: Cell) -> None:
    assert values(book(tmp_path, ["phone"], [cell])) == [["491713920000"]]


def test_dates_are_days_times_have_their_hours_and_the_rest_reads_as_it_is(tmp_path: Path) -> None:
    row: list[Cell] = [Day(45000), Day(45000.5), True, False, 1.5, 0.1, Raw("#N/A", "e"), "x"]
    assert values(book(tmp_path, list("abcdefgh"), row)) == [
        ["2023-03-15", "2023-03-15 12:00:00", "TRUE", "FALSE", "1.5", "0.1", "", "x"]
    ]


def test_a_cell_never_reads_in_scientific_notation() -> None:
    assert cell_text(1e-7) == "0.0000001"
    assert cell_text(4.9155e12) == "4915500000000"
    assert cell_text(date(2024, 2, 29)) == "2024-02-29"
    assert cell_text(datetime(2024, 2, 29, 8, 5)) == "2024-02-29 08:05:00"  # noqa: DTZ001
    assert cell_text(7) == "7"


def test_rows_have_the_numbers_that_the_spreadsheet_shows(tmp_path: Path) -> None:
    path = book(tmp_path, [], [], ["phone", "name"], ["1", "Ann"], [], [" "], ["2"])
    assert [(record.row, record.values) for record in read_spreadsheet(path).records] == [
        (4, ["1", "Ann"]),
        (7, ["2", ""]),
    ]


def test_a_table_that_begins_at_a_later_column_is_read(tmp_path: Path) -> None:
    path = book(tmp_path, [None, "phone", "name"], [None, "1", "Ann"])
    listed = read_spreadsheet(path)
    assert [record.values[listed.header.index("name")] for record in listed.records] == ["Ann"]


def test_a_row_with_cells_beyond_the_header_is_unusable(tmp_path: Path) -> None:
    ((first, second),) = [
        list(
            read_spreadsheet(
                book(tmp_path, ["phone", "name"], ["1", "Ann", "x"], ["2", "Bob"])
            ).records
        )
    ]
    assert first.problem == "the row has 3 cells, the header has 2"
    assert first.values == ["1", "Ann", "x"]
    assert second.problem is None


def test_the_first_sheet_that_is_shown_is_read_or_the_one_named(tmp_path: Path) -> None:
    sheets = {"Lists": [["a"], ["b"]], "Contacts": [["phone"], ["1"]], "Old & new": [["x"], ["9"]]}
    path = write_xlsx(tmp_path / "list.xlsx", sheets, hidden=["Lists"])
    assert values(path) == [["1"]]
    assert read_spreadsheet(path).description == "sheet 'Contacts' of 3"
    assert values(path, "Old & new") == [["9"]]
    assert values(path, "Lists") == [["b"]]
    with pytest.raises(UnreadableFileError, match="no sheet is called 'New': there are Lists, C"):
        read_spreadsheet(path, sheet="New")


def test_a_book_of_hidden_sheets_is_read(tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "list.xlsx", {"A": [["phone"], ["1"]]}, hidden=["A"])
    assert values(path) == [["1"]]


def test_an_empty_sheet_has_no_header_and_a_header_alone_nobody(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match="it needs a header row"):
        read_spreadsheet(book(tmp_path))
    assert values(book(tmp_path, ["phone"])) == []


def _without(part: str, path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist() if name != part}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


def test_a_file_that_is_no_spreadsheet_is_refused(tmp_path: Path) -> None:
    path = book(tmp_path, ["phone"], ["1"])
    whole = path.read_bytes()
    for content in (b"", b"phone\n1\n", whole[: len(whole) // 2], b"PK\x03\x04" + bytes(50)):
        path.write_bytes(content)
        with pytest.raises(
            UnreadableFileError, match=r"no spreadsheet that can be read|has no sheet"
        ):
            read_spreadsheet(path)
    for part in ("xl/workbook.xml", "xl/worksheets/sheet1.xml"):
        path.write_bytes(whole)
        _without(part, path)
        with pytest.raises(
            UnreadableFileError, match=r"no spreadsheet that can be read|has no sheet"
        ):
            read_spreadsheet(path)
