"""``sendonce import`` reads XLSX as Excel writes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.command import refusal
from cli.import_support import Draft, made
from contacts.xlsx import Cell, Day, Inline, Raw, write_xlsx
from support.database import Connection, Database


@pytest.fixture
def draft(database: Database, connection: Connection) -> Draft:
    return made(database, connection, ("name", "day"))


def test_numbers_texts_and_dates_arrive_and_rows_are_numbered_as_shown(
    draft: Draft, tmp_path: Path
) -> None:
    rows: list[list[Cell]] = [
        [],
        ["Phone", Inline("Name"), "Day"],
        ["+15005550001", "Zoë 🎉", Day(45000)],
        [12025550143.0, Inline("Bob"), Day(45001)],
        [],
        [Raw("1.2025550144E+10"), 7.0, "x"],
        ["1.2E+10", "Cy", "x"],
        ["+15005550005", "Di", "x", "too much"],
        ["+15005550006", "Ed", None],
        [Raw("#N/A", "e"), "Flo", "x"],
    ]
    file = write_xlsx(tmp_path / "list.xlsx", {"Contacts": rows})
    answer = draft.imports(file, "--region", "US")
    assert answer.code == 1, answer
    assert "(sheet 'Contacts')" in answer.stdout
    assert draft.entries() == {
        "+15005550001": {"name": "Zoë 🎉", "day": "2023-03-15"},
        "+12025550143": {"name": "Bob", "day": "2023-03-16"},
        "+12025550144": {"name": "7", "day": "x"},
    }
    rejected = (tmp_path / "list.xlsx.rejects.csv").read_text("utf-8-sig").splitlines()
    assert [line.split(",")[0] for line in rejected] == ["rejected_row", "7", "8", "9", "10"]
    assert rejected[2].endswith(",+15005550005,Di,x,too much")


def test_a_sheet_is_chosen_by_name(draft: Draft, tmp_path: Path) -> None:
    sheets = {
        "Lists": [["x"]],
        "North": [["phone", "name", "day"], ["+15005550001", "Ann", "x"]],
        "South": [["phone", "name", "day"], ["+15005550002", "Bob", "x"]],
    }
    file = write_xlsx(tmp_path / "list.XLSX", sheets, hidden=["Lists"])
    assert "no sheet is called 'West': there are Lists, North, South" in refusal(
        draft.imports(file, "--sheet", "West")
    )
    answer = draft.imports(file)
    assert "(sheet 'North' of 3)" in answer.stdout
    assert set(draft.entries()) == {"+15005550001"}
    assert draft.imports(file, "--sheet", "South").code == 0
    assert set(draft.entries()) == {"+15005550001", "+15005550002"}


def test_a_file_that_is_no_spreadsheet_is_refused(draft: Draft, tmp_path: Path) -> None:
    file = tmp_path / "list.xlsx"
    file.write_text("phone,name,day\n+15005550001,Ann,x\n")
    assert "this is no spreadsheet that can be read" in refusal(draft.imports(file))
    whole = write_xlsx(file, {"A": [["phone", "name", "day"]]}).read_bytes()
    assert "--encoding is for CSV" in refusal(draft.imports(file, "--encoding", "utf-8"))
    (tmp_path / "list.csv").write_bytes(whole)
    assert "this is a spreadsheet: name it .xlsx" in refusal(draft.imports(tmp_path / "list.csv"))
    file.write_bytes(whole[:-40])
    assert "this is no spreadsheet that can be read" in refusal(draft.imports(file))
    assert draft.entries() == {}
