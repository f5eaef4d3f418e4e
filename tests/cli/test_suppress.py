"""Opt-outs from the command line, one by one and by lists, on a real database."""

from __future__ import annotations

import csv
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cli.command import PATIENCE, Answer, command, environment, refusal, sendonce
from cli.terminal import Terminal
from contacts.xlsx import write_xlsx
from support.database import Connection, Database

#: Numbers of no country: the database judges them by their form alone.
FORM = ("--numbers", "form")
WHY = ("--reason", "wrote STOP", "--scope", "marketing")
WHY_ALL = ("--reason", "wrote STOP", "--scope", "all")


class Shop:
    """An organization, and the command that acts in it."""

    def __init__(self, database: Database, connection: Connection) -> None:
        self.url = database.url
        self.connection = connection
        self.organization = str(self.one("select public.create_organization('Shop')"))

    def one(self, query: str, *arguments: Any) -> Any:
        row = self.connection.execute(query, arguments).fetchone()
        return None if row is None else row[0]

    def run(self, *arguments: str, stdin: bytes = b"", url: str | None = None) -> Answer:
        return sendonce("suppress", *arguments, url=url or self.url, stdin=stdin)

    def suppress(self, recipient: str, scope: str = "marketing", reason: str = "asked") -> None:
        self.one(
            "select public.suppress(%s, %s, %s, %s)", self.organization, recipient, scope, reason
        )

    def suppressed(self) -> dict[str, str]:
        """Scopes by recipient."""
        return dict(
            self.connection.execute(
                "select recipient, scope from public.suppressions where organization_id = %s",
                [self.organization],
            ).fetchall()
        )

    def reasons(self) -> set[str]:
        return {row[0] for row in self.connection.execute("select reason from public.suppressions")}

    def events(self) -> int:
        return int(self.one("select count(*) from public.campaign_events"))


@pytest.fixture
def shop(database: Database, connection: Connection) -> Shop:
    return Shop(database, connection)


@contextmanager
def one_recipient_locked(database: Database, shop: Shop, recipient: str) -> Iterator[Connection]:
    """Nobody else can suppress this recipient while inside, nor learn that nobody has."""
    with psycopg.connect(database.url) as other:
        other.execute(
            "insert into public.suppressions (organization_id, recipient, reason)"
            " values (%s, %s, 'in the way')",
            [shop.organization, recipient],
        )
        yield other
        other.rollback()


def wait_for_a_lock(shop: Shop) -> int:
    """The backend of the command, which waits behind another transaction."""
    end = time.monotonic() + PATIENCE
    while True:
        pid = shop.one(
            "select pid from pg_stat_activity where application_name = 'sendonce'"
            " and datname = current_database() and wait_event_type = 'Lock'"
        )
        if pid is not None:
            return int(pid)
        assert time.monotonic() < end, "the command waits for no lock"
        time.sleep(0.02)


def start(shop: Shop, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command("suppress", *arguments),
        env=environment(shop.url),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def a_list(path: Path, size: int) -> Path:
    path.write_text("recipient\n" + "".join(f"+999{n:08}\n" for n in range(size)))
    return path


# add


def test_numbers_in_any_usual_form_are_suppressed_each_once(shop: Shop) -> None:
    answer = shop.run(
        "add", "+44 7700 900-123", "00447700900123", "07700 900456", "--region", "GB",
        *WHY, "--json",
    )  # fmt: skip
    assert answer.code == 0, answer
    assert answer.json() == {
        "organization_id": shop.organization,
        "scope": "marketing",
        "reason": "wrote STOP",
        "recipients": ["+447700900123", "+447700900456"],
        "added": 2,
        "already": 0,
    }
    assert shop.suppressed() == {"+447700900123": "marketing", "+447700900456": "marketing"}
    assert shop.reasons() == {"wrote STOP"}


def test_more_can_be_withheld_and_never_less(shop: Shop) -> None:
    number = "+15005550001"
    first = shop.run("add", number, *FORM, *WHY)
    assert first.stdout == "Marketing is withheld from 1 more recipient.\n"
    more = shop.run("add", number, *FORM, *WHY_ALL)
    assert more.stdout == "Everything is withheld from 1 more recipient.\n"
    less = shop.run("add", number, *FORM, "--reason", "later", "--scope", "marketing")
    assert less.code == 0
    assert less.stdout.splitlines() == [
        "Marketing is withheld from 0 more recipients.",
        "Suppressed as far before, and left as listed: 1.",
    ]
    assert shop.suppressed() == {number: "all"}
    assert shop.reasons() == {"wrote STOP"}


def test_one_number_that_cannot_be_read_leaves_all_as_they_were(shop: Shop) -> None:
    line = refusal(shop.run("add", "+15005550001", "07700 900456", "nobody", *WHY))
    assert "nothing was changed: '07700 900456': without a country code: pass --region" in line
    assert "'nobody'" in line
    assert shop.suppressed() == {}


def test_one_number_that_the_database_rejects_leaves_all_as_they_were(shop: Shop) -> None:
    before = shop.events()
    line = refusal(shop.run("add", "+15005550001", "+0123", *FORM, *WHY))
    assert "nothing was changed: '+0123': not an E.164 number" in line
    assert shop.suppressed() == {}
    assert shop.events() == before


def test_how_strictly_a_number_is_read_can_be_chosen(shop: Shop) -> None:
    # No area's code begins with 1; the number is of the right length.
    refused = refusal(shop.run("add", "+1 111 555 0001", "--numbers", "valid", *WHY))
    assert "no country has given out this number" in refused
    assert shop.run("add", "+1 111 555 0001", *WHY).code == 0
    assert "no country has this code" in refusal(shop.run("add", "+999 0000 0001", *WHY))
    assert shop.run("add", "+999 0000 0001", *FORM, *WHY).code == 0
    assert set(shop.suppressed()) == {"+11115550001", "+99900000001"}


def test_why_and_how_far_have_to_be_said(shop: Shop) -> None:
    assert "--reason" in shop.run("add", "+15005550001", "--scope", "all").stderr
    assert "--scope" in shop.run("add", "+15005550001", "--reason", "asked").stderr
    assert "'some'" in refusal(
        shop.run("add", "+15005550001", "--reason", "asked", "--scope", "some")
    )
    blank = refusal(shop.run("add", "+15005550001", "--reason", " ", "--scope", "all"))
    assert "a suppression needs a reason" in blank
    assert blank.endswith("[SO005]")
    assert shop.run("add", *WHY).code == 2
    assert shop.suppressed() == {}


def test_of_several_organizations_only_the_named_one_is_changed(shop: Shop) -> None:
    other = str(shop.one("select public.create_organization('Zenith')"))
    assert "--organization" in refusal(shop.run("add", "+15005550001", *WHY))
    assert "--organization" in refusal(shop.run("list"))
    assert "--organization" in refusal(shop.run("remove", "+15005550001", "--yes"))
    assert "--organization" in refusal(shop.run("import", "-", *WHY, stdin=b"phone\n"))
    assert shop.run("add", "+15005550001", *WHY, "--organization", "Zenith").code == 0
    imported = shop.run(
        "import", "-", *WHY, "--organization", other, "--json", stdin=b"phone\n+15005550002\n"
    )
    assert imported.json()["organization_id"] == other
    assert shop.suppressed() == {}
    listed = shop.run("list", "--organization", other, "--json").json()
    assert [row["recipient"] for row in listed["suppressions"]] == ["+15005550001", "+15005550002"]
    assert shop.run("list", "--organization", "Shop", "--json").json()["suppressions"] == []
    missing = refusal(shop.run("remove", "+15005550001", "--yes", "--organization", "Shop"))
    assert "not suppressed" in missing
    gone = shop.run("remove", "+15005550001", "--yes", "--organization", "Zenith")
    assert gone.code == 0


def test_who_may_not_suppress_is_told_so_in_one_line(database: Database, shop: Shop) -> None:
    for arguments in (
        ("add", "+15005550001", *WHY),
        ("remove", "+15005550001", "--yes"),
        ("list",),
        ("import", "-", *WHY),
    ):
        line = refusal(shop.run(*arguments, stdin=b"phone\n", url=database.worker_url))
        assert line.endswith("[42501]")


# remove


def test_removing_has_to_be_meant(shop: Shop) -> None:
    shop.suppress("+447700900123", "all", "by letter")
    line = refusal(shop.run("remove", "+44 7700 900123"))
    assert "+447700900123 (all: by letter)" in line
    assert "--yes" in line
    assert shop.suppressed() == {"+447700900123": "all"}
    answer = shop.run("remove", "07700 900123", "--region", "GB", "--yes")
    assert answer.code == 0, answer
    assert answer.stdout.startswith("1 suppression ended.")
    assert shop.suppressed() == {}


@pytest.mark.parametrize(
    ("keys", "code", "left"), [(b"n\r", 1, True), (b"\x03", 130, True), (b"y\r", 0, False)]
)
def test_on_a_terminal_the_answer_decides(shop: Shop, keys: bytes, code: int, left: bool) -> None:
    shop.suppress("+15005550001", "all", "by letter")
    with Terminal("suppress", "remove", "+15005550001", url=shop.url) as terminal:
        shown = terminal.wait_for("[y/N]")
        assert "+15005550001 (all: by letter). Write to them again?" in shown
        terminal.press(keys)
        assert terminal.wait() == code
        assert ("nothing was changed" in terminal.screen.text()) is left
    assert bool(shop.suppressed()) is left


def test_a_question_names_a_few_and_shows_no_control_characters(shop: Shop) -> None:
    numbers = [f"+1500555000{n}" for n in range(7)]
    for number in numbers:
        shop.suppress(number, reason="\x1b[2J" + "long " * 40)
    line = refusal(shop.run("remove", *numbers))
    assert "\x1b" not in line
    assert "+15005550004" in line
    assert "+15005550005" not in line
    assert "and 2 more" in line
    assert "long…" in line


def test_what_was_removed_is_told_to_scripts(shop: Shop) -> None:
    shop.suppress("+99900000001", "all", "by letter")
    shop.suppress("+99900000002")
    answer = shop.run(
        "remove", "+99900000002", "+999 0000 0001", "+99900000001", *FORM, "--yes", "--json"
    ).json()
    assert answer["organization_id"] == shop.organization
    assert [(row["recipient"], row["scope"], row["reason"]) for row in answer["removed"]] == [
        ("+99900000001", "all", "by letter"),
        ("+99900000002", "marketing", "asked"),
    ]
    assert shop.suppressed() == {}


def test_one_who_is_not_suppressed_leaves_all_as_they_were(shop: Shop) -> None:
    shop.suppress("+15005550001")
    line = refusal(shop.run("remove", "+15005550001", "+15005550002", "--yes"))
    assert "nothing was changed: '+15005550002': not suppressed" in line
    assert "'+15005550001'" not in line
    assert refusal(shop.run("remove", "+15005550001", "nobody", "--yes"))
    assert shop.suppressed() == {"+15005550001": "marketing"}


def test_one_whom_somebody_else_removes_meanwhile_leaves_all_as_they_were(
    database: Database, shop: Shop
) -> None:
    shop.suppress("+15005550001")
    shop.suppress("+15005550002")
    with psycopg.connect(database.url) as other:
        other.execute("delete from public.suppressions where recipient = '+15005550002'")
        removing = start(shop, "remove", "+15005550001", "+15005550002", "--yes")
        wait_for_a_lock(shop)
        other.commit()
        stdout, stderr = removing.communicate(timeout=PATIENCE)
    assert (removing.returncode, stdout) == (2, "")
    assert "no such suppression" in stderr
    assert stderr.endswith("[SO004]\n")
    assert shop.suppressed() == {"+15005550001": "marketing"}


# list


def test_the_list_shows_who_why_since_when_and_by_whom(shop: Shop) -> None:
    assert shop.run("list").stdout == "nobody is suppressed\n"
    shop.suppress("+15005550002", "all", "by letter, [bold]twice[/bold]")
    shop.suppress("+15005550001", "marketing", "said so")
    text = shop.run("list").stdout
    assert text.index("+15005550001") < text.index("+15005550002")
    assert "by letter, [bold]twice[/bold]" in text
    assert "role:" in text
    first, second = shop.run("list", "--json").json()["suppressions"]
    assert first["recipient"] == "+15005550001"
    assert second["created_by"].startswith("role:")
    assert second["created_at"]
    assert (second["scope"], second["reason"]) == ("all", "by letter, [bold]twice[/bold]")


def test_the_list_can_be_of_one_scope(shop: Shop) -> None:
    shop.suppress("+15005550001", "marketing")
    assert shop.run("list", "--scope", "all").stdout == "nobody is suppressed with scope all\n"
    shop.suppress("+15005550002", "all")
    for scope, there, not_there in (
        ("all", "+15005550002", "+15005550001"),
        ("marketing", "+15005550001", "+15005550002"),
    ):
        text = shop.run("list", "--scope", scope).stdout
        assert there in text
        assert not_there not in text
        (row,) = shop.run("list", "--scope", scope, "--json").json()["suppressions"]
        assert (row["recipient"], row["scope"]) == (there, scope)
    assert "'some'" in refusal(shop.run("list", "--scope", "some"))


def test_the_list_goes_on_where_it_ended_and_json_has_all_of_it(shop: Shop, tmp_path: Path) -> None:
    numbers = [f"+999{n:08}" for n in range(2_345)]
    assert shop.run("import", str(a_list(tmp_path / "all.csv", 2_345)), *FORM, *WHY).code == 0
    rows = shop.run("list", "--json").json()["suppressions"]
    assert [row["recipient"] for row in rows] == numbers
    limited = shop.run("list", "--json", "--limit", "1500", "--after", numbers[99]).json()
    assert [row["recipient"] for row in limited["suppressions"]] == numbers[100:1600]
    table = shop.run("list")
    assert numbers[99] in table.stdout
    assert numbers[100] not in table.stdout
    assert f"--after {numbers[99]}" in table.stderr
    end = shop.run("list", "--after", numbers[2_342])
    assert [word for word in end.stdout.split() if word.startswith("+")] == numbers[2_343:]
    assert end.stderr == ""
    few = shop.run("list", "--limit", "2")
    assert [word for word in few.stdout.split() if word.startswith("+")] == numbers[:2]
    assert "nobody is suppressed after" in shop.run("list", "--after", numbers[-1]).stdout


@pytest.mark.parametrize("columns", [80, 120])
def test_no_number_is_cut_in_a_narrow_terminal(shop: Shop, columns: int) -> None:
    shop.suppress("+999000000000001", "marketing", "by letter " * 10)
    with Terminal("suppress", "list", url=shop.url, columns=columns) as terminal:
        assert terminal.wait() == 0
        shown = terminal.screen.text()
    assert "+999000000000001" in shown
    assert "marketing" in shown


# import


def test_a_list_is_suppressed_and_its_bad_rows_stop_no_good_one(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "stop.csv"
    file.write_bytes(
        "Name;Telefonnummer;Straße\n"
        "Jürgen;07700 900123;Große Straße\n"
        "Nobody;;x\n"
        "Zoë;+44 7700 900456;x\n"
        "Jürgen;0044 7700 900123;again\n"
        "Bad;12;x\n".encode("cp1252")
    )
    answer = shop.run("import", str(file), "--region", "GB", *WHY_ALL, "--json")
    assert answer.code == 1, answer
    assert answer.json() == {
        "organization_id": shop.organization,
        "dry_run": False,
        "scope": "all",
        "columns": {"recipient": "Telefonnummer"},
        "rows": 5,
        "added": 2,
        "already": 1,
        "rejected": 2,
        "rejected_by_reason": {"the number is missing": 1, "too short for its country": 1},
        "rejects_file": f"{file}.rejects.csv",
        "repeated_after_a_break": 0,
    }
    assert shop.suppressed() == {"+447700900123": "all", "+447700900456": "all"}
    assert shop.reasons() == {"wrote STOP"}
    rejects = tmp_path / "stop.csv.rejects.csv"
    rows = list(csv.DictReader(rejects.read_text("utf-8-sig").splitlines()))
    assert [(row["rejected_row"], row["Name"]) for row in rows] == [("3", "Nobody"), ("6", "Bad")]
    # Corrected, it is a list like any other.
    corrected = rejects.read_text("utf-8-sig").replace("Nobody,,", "Nobody,07700 900789,")
    rejects.write_text(corrected, "utf-8-sig")
    again = shop.run("import", str(rejects), "--region", "GB", *WHY)
    assert again.code == 1, again
    assert "+447700900789" in shop.suppressed()


def test_what_became_of_the_rows_is_shown(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "stop.csv"
    file.write_text("phone\n+44 7700 900123\nnobody\n")
    answer = shop.run("import", str(file), "--region", "GB", *WHY)
    assert answer.code == 1
    lines = [" ".join(line.split()) for line in answer.stdout.splitlines()]
    assert lines[0] == (
        "Suppressed in Shop, scope marketing: column 'phone' (UTF-8, separated by commas)"
    )
    assert "rows 2" in lines
    assert "added 1" in lines
    assert "suppressed as far before, or twice in the list 0" in lines
    assert "rejected 1" in lines
    assert any("first: row 3" in line for line in lines)
    assert f"The rejected rows are in {file}.rejects.csv" in answer.stdout


def test_a_dry_run_says_what_the_import_will_and_leaves_nothing(shop: Shop, tmp_path: Path) -> None:
    shop.suppress("+15005550001", "all")
    shop.suppress("+15005550002")
    file = tmp_path / "stop.csv"
    numbers = [f"+1500555{n:04}" for n in range(30)]
    # Each of them again in a later chunk.
    file.write_text("\n".join(["phone", *numbers, "12", *numbers, "12", ""]))
    line = ("import", str(file), *FORM, *WHY_ALL, "--chunk", "20")
    events = shop.events()
    dry = shop.run(*line, "--dry-run", "--json")
    assert dry.code == 1, dry
    assert (len(shop.suppressed()), shop.events()) == (2, events)
    assert [file.name for file in tmp_path.iterdir()] == ["stop.csv"]
    assert shop.run(*line, "--dry-run").stdout.startswith("Would be suppressed in Shop")
    real = shop.run(*line, "--json")
    expected = dry.json() | {"dry_run": False, "rejects_file": f"{file}.rejects.csv"}
    assert real.json() == expected
    assert (real.json()["added"], real.json()["already"], real.json()["rejected"]) == (29, 31, 2)


def test_the_same_list_again_changes_nothing(shop: Shop, tmp_path: Path) -> None:
    file = str(a_list(tmp_path / "stop.csv", 50))
    assert shop.run("import", file, *FORM, *WHY, "--json").json()["added"] == 50
    before = shop.connection.execute("select s::text from public.suppressions s").fetchall()
    again = shop.run("import", file, *FORM, "--reason", "later", "--scope", "marketing", "--json")
    assert (again.code, again.json()["added"], again.json()["already"]) == (0, 0, 50)
    assert before == shop.connection.execute("select s::text from public.suppressions s").fetchall()
    more = shop.run("import", file, *FORM, *WHY_ALL, "--json").json()
    assert (more["added"], more["already"]) == (50, 0)
    less = shop.run("import", file, *FORM, *WHY, "--json").json()
    assert (less["added"], less["already"]) == (0, 50)
    assert set(shop.suppressed().values()) == {"all"}


def test_every_option_about_the_file_is_heeded(shop: Shop, tmp_path: Path) -> None:
    odd = tmp_path / "odd.csv"
    odd.write_bytes("phone#Größe\n+15005550001#+15005550002\nbad#bad\n".encode("cp850"))
    flags = ("--delimiter", "#", "--encoding", "cp850", "--recipient", "Größe")
    rejects = tmp_path / "bad.csv"
    answer = shop.run(
        "import", str(odd), *flags, "--rejects", str(rejects), "--chunk", "1", *WHY, "--json"
    )
    assert answer.code == 1, answer
    assert answer.json()["columns"] == {"recipient": "Größe"}
    assert answer.json()["rejects_file"] == str(rejects)
    assert shop.suppressed() == {"+15005550002": "marketing"}
    assert rejects.is_file()
    assert not Path(f"{odd}.rejects.csv").exists()
    strict = shop.run("import", "-", "--numbers", "valid", *WHY, "--json",
                      "--rejects", str(tmp_path / "strict.csv"),
                      stdin=b"phone\n+11115550003\n")  # fmt: skip
    assert strict.json()["rejected"] == 1
    sheets = write_xlsx(
        tmp_path / "book.xlsx",
        {"other": [["phone"], ["+15005550004"]], "stop": [["phone"], [15005550005]]},
    )
    book = shop.run("import", str(sheets), "--sheet", "stop", "--region", "US", *WHY)
    assert book.code == 0, book
    tabs = shop.run("import", "-", *WHY, stdin=b"phone\tname\n+15005550006\ta, b; c\n")
    assert tabs.code == 0, tabs
    assert set(shop.suppressed()) == {"+15005550002", "+15005550005", "+15005550006"}


def test_each_chunk_is_one_call_logged_with_its_counts(shop: Shop, tmp_path: Path) -> None:
    before = shop.events()
    file = str(a_list(tmp_path / "stop.csv", 25))
    assert shop.run("import", file, *FORM, *WHY, "--chunk", "10").code == 0
    assert shop.events() == before + 3


def test_what_the_database_rejects_goes_to_the_rejects_too(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "stop.csv"
    file.write_text("phone,name\n+99900000001,a\n+0123,b\n")
    answer = shop.run("import", str(file), *FORM, *WHY, "--json")
    assert answer.code == 1, answer
    assert answer.json()["rejected"] == 1
    (row,) = csv.DictReader(Path(f"{file}.rejects.csv").read_text("utf-8-sig").splitlines())
    assert (row["rejected_value"], row["name"]) == ("+0123", "b")
    assert shop.suppressed() == {"+99900000001": "marketing"}


def test_a_list_that_cannot_be_understood_is_refused_in_one_line(
    shop: Shop, tmp_path: Path
) -> None:
    nothing = tmp_path / "nothing.csv"
    nothing.write_text("a,b\n1,2\n")
    two = tmp_path / "two.csv"
    two.write_text("phone,mobile\n+15005550001,+15005550002\n")
    there = tmp_path / "there.csv"
    there.write_text("mine")
    list_file = str(a_list(tmp_path / "stop.csv", 3))
    for arguments, said in (
        ((str(nothing),), "no column is known to hold the number: pass --recipient"),
        ((str(two),), "'phone', 'mobile'? pass --recipient COLUMN"),
        ((str(two), "--recipient", "fax"), "no column is called 'fax'"),
        ((str(tmp_path / "missing.csv"),), "missing.csv: No such file"),
        ((list_file, "--delimiter", "ab"), "--delimiter takes one character"),
        ((list_file, "--region", "XX"), "no region is called 'XX'"),
        ((list_file, "--sheet", "stop"), "--sheet is for spreadsheets"),
        ((list_file, "--rejects", str(there)), "there.csv is there already"),
        ((list_file, "--chunk", "0"), "--chunk"),
        ((list_file, "--encoding", "nonsense"), "nonsense"),
    ):
        line = refusal(shop.run("import", *arguments, *WHY))
        assert said in line
        # The list is of numbers alone.
        assert "variable" not in line
    assert shop.suppressed() == {}
    assert there.read_text() == "mine"


def test_what_is_wrong_with_every_row_is_refused_before_the_list_is_read(
    shop: Shop, tmp_path: Path
) -> None:
    before = shop.events()
    file = tmp_path / "stop.csv"
    file.write_text("phone\nnobody\n+15005550001\n")
    line = refusal(shop.run("import", str(file), "--reason", " ", "--scope", "all"))
    assert "a suppression needs a reason" in line
    assert list(tmp_path.iterdir()) == [file]
    # Nor does asking leave a trace.
    assert shop.run("import", "-", *WHY, stdin=b"phone\n").code == 0
    assert shop.events() == before


def test_a_killed_import_is_finished_by_running_it_again(
    database: Database, shop: Shop, tmp_path: Path
) -> None:
    arguments = ("import", str(a_list(tmp_path / "stop.csv", 100)), *FORM, *WHY)
    with one_recipient_locked(database, shop, "+99900000055"):
        killed = start(shop, *arguments, "--chunk", "10")
        backend = wait_for_a_lock(shop)
        killed.kill()
        killed.communicate(timeout=PATIENCE)
        # The server would notice at the end of the statement.
        shop.one("select pg_terminate_backend(%s, 60000)", backend)
    assert len(shop.suppressed()) == 50
    answer = shop.run(*arguments, "--json")
    assert answer.code == 0, answer
    assert (answer.json()["added"], answer.json()["already"]) == (50, 50)
    assert len(shop.suppressed()) == 100


def test_a_broken_connection_is_made_again_and_the_import_goes_on(
    database: Database, shop: Shop, tmp_path: Path
) -> None:
    file = str(a_list(tmp_path / "stop.csv", 100))
    with one_recipient_locked(database, shop, "+99900000055"):
        importing = start(shop, "import", file, *FORM, *WHY, "--chunk", "10", "--json")
        shop.one("select pg_terminate_backend(%s, 60000)", wait_for_a_lock(shop))
    stdout, stderr = importing.communicate(timeout=PATIENCE)
    assert importing.returncode == 0, stderr
    answer = Answer(0, stdout, stderr).json()
    assert (answer["added"], answer["already"]) == (100, 0)
    assert answer["repeated_after_a_break"] == 10
    assert "trying again" in stderr
    assert len(shop.suppressed()) == 100


def test_ctrl_c_says_how_far_it_came(database: Database, shop: Shop, tmp_path: Path) -> None:
    file = str(a_list(tmp_path / "stop.csv", 100))
    with one_recipient_locked(database, shop, "+99900000055"):
        importing = start(shop, "import", file, *FORM, *WHY, "--chunk", "10")
        wait_for_a_lock(shop)
        importing.send_signal(signal.SIGINT)
        stdout, stderr = importing.communicate(timeout=PATIENCE)
    assert (importing.returncode, stdout) == (130, "")
    assert "50 of them added; what was added stays" in stderr
    assert len(shop.suppressed()) == 50


def test_a_chunk_that_takes_too_long_is_given_in_halves(shop: Shop, tmp_path: Path) -> None:
    shop.connection.execute(
        "create function public.slowly() returns trigger language plpgsql as"
        " 'begin perform pg_sleep(0.02); return new; end'"
    )
    shop.connection.execute(
        "create trigger slowly before insert on public.suppressions"
        " for each row execute function public.slowly()"
    )
    file = str(a_list(tmp_path / "stop.csv", 100))
    url = shop.url + ("&" if "?" in shop.url else "?") + "options=-c%20statement_timeout%3D1000"
    answer = shop.run("import", file, *FORM, *WHY, "--chunk", "100", "--json", url=url)
    assert answer.code == 0, answer
    assert answer.json()["added"] == 100
    assert "going on with 50 rows at a time" in answer.stderr
    assert len(shop.suppressed()) == 100


def test_an_import_on_a_terminal_asks_for_the_column(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "stop.csv"
    file.write_text("first,second\n1,+15005550001\n")
    with Terminal("suppress", "import", str(file), *WHY, url=shop.url) as terminal:
        terminal.wait_for("Which column holds the number")
        terminal.press(b"second\r")
        assert terminal.wait() == 0
    assert shop.suppressed() == {"+15005550001": "marketing"}
