"""What ``sendonce import`` rejects is kept, to be corrected and imported again."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from cli.command import refusal
from cli.import_support import WITHOUT_A_CODE, Draft, made
from support.database import Connection, Database

HEADER = ["rejected_row", "rejected_value", "rejected_reason", "phone", "name"]
LIST = (
    "phone,name\n"
    "+15005550001,Ann\n"
    "12,Bob\n"
    "\n"
    "+15005550003,\n"
    "+15005550004,Di,Dee\n"
    '+15005550005,"Ed\n'
    "+15005550001,Ann again\n"
    "+15005550007,=1+1\n"
)
REASONS = [
    ["3", "12", WITHOUT_A_CODE, "12", "Bob"],
    ["5", "+15005550003", "template variable is empty or no text: name", "+15005550003", ""],
    ["6", "+15005550004", "the row has 3 cells, the header has 2", "+15005550004", "Di", "Dee"],
    [
        "7",
        "+15005550005",
        "a quotation mark is not closed, or not doubled inside quotation marks",
        "+15005550005",
        '"Ed',
    ],
]


@pytest.fixture
def draft(database: Database, connection: Connection) -> Draft:
    return made(database, connection, ("name",))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "list.csv"
    file.write_text(LIST)
    return file


def read(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as source:
        return list(csv.reader(source))


def test_rejects_corrected_and_imported_again_give_the_rest(
    draft: Draft, file: Path, tmp_path: Path
) -> None:
    first = draft.imports(file, "--json")
    assert first.code == 1, first
    assert draft.entries() == {
        "+15005550001": {"name": "Ann"},
        "+15005550007": {"name": "=1+1"},
    }
    rejects = tmp_path / "list.csv.rejects.csv"
    assert first.json()["rejects_file"] == str(rejects)
    assert read(rejects) == [HEADER, *REASONS]

    # As they are, the rows are rejected again but for the one whose text is whole now.
    assert draft.imports(rejects, "--json").json()["rejected"] == 3
    corrected = rejects.read_text("utf-8-sig")
    for wrong, right in (
        (",12,Bob", ",+15005550002,Bob"),
        ("+15005550003,\n", "+15005550003,Cy\n"),
        (",Di,Dee", ",Di"),
    ):
        assert wrong in corrected
        corrected = corrected.replace(wrong, right)
    with rejects.open("w", newline="") as rewritten:
        rewritten.write(corrected)
    second = draft.imports(rejects, "--json")
    assert second.code == 0, second
    assert (second.json()["added"], second.json()["duplicate"]) == (3, 1)
    assert set(draft.entries()) == {f"+1500555000{n}" for n in (1, 2, 3, 4, 5, 7)}


def test_a_rejects_file_is_never_written_over(draft: Draft, file: Path, tmp_path: Path) -> None:
    draft.imports(file)
    rejects = tmp_path / "list.csv.rejects.csv"
    rejects.write_text("being corrected")
    assert draft.imports(file, "--json").json()["rejects_file"] == f"{file}.rejects.2.csv"
    assert read(tmp_path / "list.csv.rejects.2.csv") == [HEADER, *REASONS]
    assert "is there already" in refusal(draft.imports(file, "--rejects", str(rejects)))
    assert "there is no directory" in refusal(
        draft.imports(file, "--rejects", str(tmp_path / "none" / "r.csv"))
    )
    assert rejects.read_text() == "being corrected"


def test_a_dry_run_says_what_the_import_then_says(draft: Draft, file: Path, tmp_path: Path) -> None:
    small = ("--json", "--chunk", "2")
    dry = draft.imports(file, "--dry-run", *small)
    assert dry.code == 1, dry
    assert draft.entries() == {}
    assert list(tmp_path.iterdir()) == [file]
    asked = draft.imports(file, "--dry-run", "--rejects", str(tmp_path / "dry.csv"), *small)
    assert asked.json() == dry.json() | {"rejects_file": str(tmp_path / "dry.csv")}
    wet = draft.imports(file, *small)
    assert wet.code == 1
    assert wet.json() == dry.json() | {"dry_run": False, "rejects_file": f"{file}.rejects.csv"}
    assert read(tmp_path / "dry.csv") == read(Path(f"{file}.rejects.csv")) == [HEADER, *REASONS]
    assert dry.json() == {
        "campaign_id": draft.campaign,
        "dry_run": True,
        "columns": {"recipient": "phone", "variables": {"name": "name"}},
        "rows": 7,
        "added": 2,
        "duplicate": 1,
        "suppressed": 0,
        "rejected": 4,
        "rejected_by_reason": {reason: 1 for _, _, reason, *_ in REASONS},
        "rejects_file": None,
        "estimated_cost": 0.1,
        "currency": draft.value("select currency from public.campaigns"),
        "repeated_after_a_break": 0,
    }
    again = draft.imports(file, "--dry-run", *small).json()
    assert (again["added"], again["duplicate"], again["estimated_cost"]) == (0, 3, 0)


def test_people_read_the_reasons_with_the_first_row_of_each(draft: Draft, file: Path) -> None:
    said = draft.imports(file, "--dry-run").stdout
    for row, _, reason, *_ in REASONS:
        assert f"{reason} (first: row {row})" in said.replace("\n", " ")
