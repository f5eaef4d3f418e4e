"""``sendonce import`` finds its columns by their names, or is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.command import refusal
from cli.import_support import Draft, made
from support.database import Connection, Database


@pytest.fixture
def draft(database: Database, connection: Connection) -> Draft:
    return made(database, connection, ("first_name", "code"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "list.csv"


def test_columns_are_matched_without_capitals_accents_and_blanks(draft: Draft, file: Path) -> None:
    file.write_text("CODE,Téléphone, First Name \nX1,+15005550001, Zoe\u0301 \n")
    answer = draft.imports(file, "--json")
    assert answer.code == 0, answer
    assert answer.json()["columns"] == {
        "recipient": "Téléphone",
        "variables": {"first_name": "First Name", "code": "CODE"},
    }
    # Decomposed as it was, and without the blanks around it.
    assert draft.entries() == {"+15005550001": {"first_name": "Zoe\u0301", "code": "X1"}}


def test_columns_are_given_to_variables_and_left_out_as_told(draft: Draft, file: Path) -> None:
    file.write_text("a,b,c,phone,mobile\nAnn,X1,z,+15005550001,+15005550002\n")
    said = refusal(draft.imports(file))
    for part in (
        "which column holds the number, 'phone', 'mobile'? pass --recipient COLUMN",
        "pass --variable first_name=COLUMN",
        "pass --variable code=COLUMN",
    ):
        assert part in said
    told = ("--recipient", "mobile", "--variable", "first_name=a", "--variable", "code=b")
    said = refusal(draft.imports(file, *told))
    assert "no variable for 'c', 'phone'" in said
    assert "no variable for 'c'" in refusal(draft.imports(file, *told, "--ignore", "phone"))
    assert draft.entries() == {}
    assert draft.imports(file, *told, "--ignore", "phone", "--ignore", "c").code == 0
    assert draft.entries() == {"+15005550002": {"first_name": "Ann", "code": "X1"}}
    other = ("--recipient", "phone", *told[2:], "--ignore-rest")
    assert draft.imports(file, *other).code == 0
    assert set(draft.entries()) == {"+15005550001", "+15005550002"}


def test_what_does_not_fit_the_template_or_the_file_is_named(draft: Draft, file: Path) -> None:
    file.write_text("phone,first_name,code\n+15005550001,Ann,X\n")
    for flags, part in (
        (("--variable", "nome=phone"), "the template has no variable named 'nome'"),
        (("--recipient", "fone"), "no column is called 'fone'"),
    ):
        assert part in refusal(draft.imports(file, *flags))
    assert draft.entries() == {}


def test_a_header_that_names_a_column_twice_is_refused(draft: Draft, file: Path) -> None:
    file.write_text("phone,code,first_name,code\n+15005550001,A,Ann,B\n")
    assert "the header names 'code' twice" in refusal(draft.imports(file))


def test_a_list_that_begins_with_its_first_contact_is_refused(draft: Draft, file: Path) -> None:
    file.write_text("+15005550001,Ann,X\n+15005550002,Bob,Y\n")
    said = refusal(draft.imports(file))
    assert "row 1 holds '+15005550001' where the names of the columns should be" in said
    assert draft.entries() == {}


def test_a_row_without_a_value_for_a_variable_is_rejected_with_its_name(
    draft: Draft, file: Path
) -> None:
    file.write_text(
        "phone,first_name,code\n+15005550001,Ann,\n+15005550002,Bob\n+15005550003, \u00a0 ,X\n"
        "+15005550004,Di,X\n"
    )
    answer = draft.imports(file, "--json")
    assert answer.code == 1
    assert answer.json()["rejected_by_reason"] == {
        "template variable is empty or no text: code": 2,
        "template variable is empty or no text: first_name": 1,
    }
    assert set(draft.entries()) == {"+15005550004"}


def test_a_value_arrives_character_for_character(draft: Draft, file: Path) -> None:
    values = ["👩‍👩‍👧 Zoë", "Zoe\u0301", "\u200fمحمد\u200e", "[bold]x[/bold]", "=1+1", "x" * 5000]
    lines = [f"+1500555000{place},{value},X" for place, value in enumerate(values)]
    file.write_text("\n".join(["phone,first_name,code", *lines]))
    assert draft.imports(file).code == 0
    arrived = {number: variables["first_name"] for number, variables in draft.entries().items()}
    assert arrived == {f"+1500555000{place}": value for place, value in enumerate(values)}
