"""``sendonce import`` reads CSV and its relatives, from a file or standard input."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.command import refusal
from cli.import_support import Draft, made
from support.database import Connection, Database

NAMES = {"+15005550001": {"name": "Zoë Ångström"}, "+15005550002": {"name": "José"}}
TABLE = "recipient;name\r\n+15005550001;Zoë Ångström\r\n+15005550002;José\r\n"


@pytest.fixture
def draft(database: Database, connection: Connection) -> Draft:
    return made(database, connection, ("name",))


@pytest.mark.parametrize(
    ("delimiter", "encoding", "description"),
    [
        (",", "utf-8", "UTF-8, separated by commas"),
        (";", "cp1252", "CP1252, separated by semicolons"),
        ("\t", "utf-16", "UTF-16, separated by tabs"),
        ("|", "utf-8-sig", "UTF-8, separated by bars"),
        (";", "utf-16-be", "UTF-16-BE, separated by semicolons"),
    ],
)
def test_a_list_is_recognised_and_says_as_what(
    draft: Draft, tmp_path: Path, delimiter: str, encoding: str, description: str
) -> None:
    file = tmp_path / "list.csv"
    file.write_bytes(TABLE.replace(";", delimiter).encode(encoding))
    answer = draft.imports(file)
    assert answer.code == 0, answer
    assert description in answer.stdout
    assert draft.entries() == NAMES


def test_a_list_comes_on_standard_input(draft: Draft) -> None:
    answer = draft.imports("-", "--json", stdin=TABLE.encode())
    assert answer.code == 0, answer
    assert answer.json()["added"] == 2
    assert draft.entries() == NAMES
    assert "it needs a header row" in refusal(draft.imports("-"))


def test_delimiter_and_encoding_can_be_given(draft: Draft, tmp_path: Path) -> None:
    file = tmp_path / "list.txt"
    file.write_bytes("recipient\tname\n+15005550001\tЮлий; Юлия\n".encode("cp1251"))
    assert "no other encoding is certain" in refusal(draft.imports(file))
    assert "--delimiter takes one character" in refusal(draft.imports(file, "--delimiter", "ab"))
    assert "no encoding called 'xx'" in refusal(draft.imports(file, "--encoding", "xx"))
    assert "--sheet is for spreadsheets" in refusal(draft.imports(file, "--sheet", "A"))
    assert draft.imports(file, "--delimiter", "tab", "--encoding", "cp1251").code == 0
    assert draft.entries() == {"+15005550001": {"name": "Юлий; Юлия"}}


def test_bytes_that_turn_bad_late_stop_the_import_and_what_was_added_stays(
    draft: Draft, tmp_path: Path
) -> None:
    lines = [f"+1500555{number:04},Ann" for number in range(5000)]
    padding = " " * 300
    text = "\n".join(["recipient,name", *(line + padding for line in lines), ""])
    file = tmp_path / "list.csv"
    file.write_bytes(text.encode() + b"+15005559999,M\xfcller\n")
    assert file.stat().st_size > 1 << 20
    answer = draft.imports(file, "--chunk", "1000")
    assert answer.code == 2
    assert answer.stdout == ""
    told = answer.stderr.splitlines()[-1]
    assert "a byte is not UTF-8" in told
    assert "pass --encoding, such as cp1252" in told
    added = draft.value("select count(*) from public.send_queue")
    assert added > 0
    assert added % 1000 == 0
    assert f"{added:,} of them added" in answer.stderr
    again = draft.imports(file, "--encoding", "cp1252", "--json").json()
    assert (again["added"], again["duplicate"]) == (5001 - added, added)
    assert draft.entries()["+15005559999"] == {"name": "Müller"}


def test_no_row_is_lost_to_ragged_rows_line_breaks_and_open_quotation_marks(
    draft: Draft, tmp_path: Path
) -> None:
    file = tmp_path / "list.csv"
    file.write_text(
        "\n"
        "recipient,name\n"
        '+15005550001,"Ann\nLee ""A"", jr."\n'
        "\n"
        "+15005550002\n"  # row 5: no name
        "+15005550003,Cy,Clark\n"  # row 6: too long
        "+15005550004,Di,,\n"
        '+15005550005,"Ed\n'  # row 8: never closed
        "+15005550006,F\0lo\n"  # row 9: NUL
        f"+15005550007,{'x' * 200_000}\n"  # row 10: no cell
        "+15005550008,Hal\n"
    )
    answer = draft.imports(file, "--json")
    assert answer.code == 1, answer
    result = answer.json()
    assert (result["rows"], result["added"], result["rejected"]) == (8, 3, 5)
    assert draft.entries() == {
        "+15005550001": {"name": 'Ann\nLee "A", jr.'},
        "+15005550004": {"name": "Di"},
        "+15005550008": {"name": "Hal"},
    }


def test_an_empty_file_is_refused_and_a_header_alone_adds_nobody(
    draft: Draft, tmp_path: Path
) -> None:
    file = tmp_path / "list.csv"
    file.write_bytes(b"\xef\xbb\xbf\n")
    assert f"{file}: the file is empty: it needs a header row" in refusal(draft.imports(file))
    file.write_text("recipient,name\n")
    answer = draft.imports(file, "--json")
    assert (answer.code, answer.json()["rows"]) == (0, 0)


def test_a_file_that_is_not_there_is_refused_whatever_its_kind(
    draft: Draft, tmp_path: Path
) -> None:
    for name in ("none.csv", "none.xlsx"):
        assert f"{name}: No such file or directory" in refusal(draft.imports(tmp_path / name))
    assert "Is a directory" in refusal(draft.imports(tmp_path))
