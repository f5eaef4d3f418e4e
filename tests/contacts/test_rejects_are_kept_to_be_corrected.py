"""The file of rejected rows: everything that was in them, where nothing was before."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from sendonce.contacts.reading import opened
from sendonce.contacts.records import Record
from sendonce.contacts.rejects import Rejects, rejects_path
from sendonce.errors import CommandError


def written(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def test_a_rejected_row_is_written_with_its_number_value_and_reason(tmp_path: Path) -> None:
    path = tmp_path / "rejects.csv"
    with Rejects(path, ["phone", "name"]) as noted:
        noted.add(Record(7, ["12", 'Ann "A"\nLee, Zoë']), "12", "too short")
        noted.add(Record(9, ["13", "=1+1"]), "13", "too short")
    assert written(path) == [
        ["rejected_row", "rejected_value", "rejected_reason", "phone", "name"],
        ["7", "12", "too short", "12", 'Ann "A"\nLee, Zoë'],
        # As it was: it has to be the same when it is imported again.
        ["9", "13", "too short", "13", "=1+1"],
    ]
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    assert (noted.count, dict(noted.by_reason), noted.first_row) == (
        2,
        {"too short": 2},
        {"too short": 7},
    )


def test_no_file_appears_where_nothing_was_rejected(tmp_path: Path) -> None:
    with Rejects(tmp_path / "rejects.csv", ["phone"]):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_row_that_was_too_long_is_too_long_in_the_rejects_too(tmp_path: Path) -> None:
    source, path = tmp_path / "list.csv", tmp_path / "rejects.csv"
    source.write_text("phone,name\n1,Lee,Ann\n2,Bob,Ray\n")
    for again in range(2):
        with opened(str(source)) as listed, Rejects(path, listed.header) as noted:
            for record in listed.records:
                assert record.problem is not None
                noted.add(record, record.values[0], record.problem)
            assert noted.count == 2
        assert [row[-3:] for row in written(path)[1:]] == [["1", "Lee", "Ann"], ["2", "Bob", "Ray"]]
        assert written(path)[0].count("rejected_row") == 1
        source, path = path, tmp_path / f"rejects.{again}.csv"


def test_the_columns_of_an_earlier_rejects_file_are_not_written_twice(tmp_path: Path) -> None:
    header = ["rejected_row", "rejected_value", "rejected_reason", "phone"]
    with Rejects(tmp_path / "r.csv", header) as noted:
        noted.add(Record(2, ["7", "old", "old", "12"]), "12", "too short")
    assert written(tmp_path / "r.csv") == [header, ["2", "12", "too short", "12"]]


def test_a_name_that_is_taken_is_never_written_over(tmp_path: Path) -> None:
    source = tmp_path / "list.csv"
    assert rejects_path(str(source), None).name == "list.csv.rejects.csv"
    (tmp_path / "list.csv.rejects.csv").touch()
    (tmp_path / "list.csv.rejects.2.csv").touch()
    assert rejects_path(str(source), None).name == "list.csv.rejects.3.csv"
    assert rejects_path("-", None).name == "standard-input.rejects.csv"
    with pytest.raises(CommandError, match="is there already"):
        rejects_path(str(source), str(tmp_path / "list.csv.rejects.csv"))
    # Also one that appears while the list is read.
    with (
        Rejects(tmp_path / "list.csv.rejects.csv", ["phone"]) as noted,
        pytest.raises(CommandError, match=r"cannot be written .*pass --rejects FILE"),
    ):
        noted.add(Record(2, ["1"]), "1", "too short")
    assert (tmp_path / "list.csv.rejects.csv").read_bytes() == b""


def test_a_directory_that_is_not_there_is_told_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="there is no directory"):
        rejects_path("list.csv", str(tmp_path / "none" / "rejects.csv"))
