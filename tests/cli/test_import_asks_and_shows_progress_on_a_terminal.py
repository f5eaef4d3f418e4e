"""``sendonce import`` on a real terminal: what it asks, and what it shows meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.breaking_support import FLAGS, ROWS, assert_each_is_there_once, slow_down, written
from cli.command import refusal
from cli.import_support import Draft, made
from cli.terminal import Terminal
from support.database import Connection, Database

LIST = "kontakt,vorname,zweite,notiz\n+15005550001,Ann,Anna,x\n+15005550002,Bob,Bert,y\n"


@pytest.fixture
def draft(database: Database, connection: Connection) -> Draft:
    return made(database, connection, ("name",))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "list.csv"
    file.write_text(LIST)
    return file


def imports(draft: Draft, file: Path, *flags: str, columns: int = 120) -> Terminal:
    return Terminal(
        *("import", str(file), "--campaign", draft.campaign, "--numbers", "form", *flags),
        url=draft.database.url,
        columns=columns,
    )


def test_unclear_columns_are_asked_for_and_a_wrong_answer_is_asked_again(
    draft: Draft, file: Path
) -> None:
    with imports(draft, file) as terminal:
        terminal.wait_for("Which column holds the number:")
        assert "columns of the file: kontakt, vorname, zweite, notiz" in terminal.screen.text()
        terminal.press(b"telefon\n")
        terminal.wait_for(
            lambda shown: (
                "no column is called 'telefon'" in shown
                and shown.count("Which column holds the number:") == 2
            )
        )
        terminal.press(b"kontakt\n")
        terminal.wait_for("Which column fills the variable name:")
        terminal.press(b"zweite\n")
        terminal.wait_for("Leave out vorname, notiz? [y/N]:")
        terminal.press(b"y\n")
        assert terminal.wait() == 0
        assert "Imported into Spring" in terminal.screen.text()
    assert draft.entries() == {
        "+15005550001": {"name": "Anna"},
        "+15005550002": {"name": "Bert"},
    }


def test_somebody_who_leaves_no_column_out_is_told_the_flags(draft: Draft, file: Path) -> None:
    with imports(draft, file, "--recipient", "kontakt", "--variable", "name=vorname") as terminal:
        terminal.wait_for("Leave out zweite, notiz?")
        terminal.press(b"n\n")
        assert terminal.wait() == 2
        said = terminal.screen.text().replace("\n", "")
        assert "the template has no variable for 'zweite', 'notiz'" in said
        assert "--ignore-rest" in said
    assert draft.entries() == {}


def test_control_c_at_a_question_ends_with_130_and_adds_nobody(draft: Draft, file: Path) -> None:
    with imports(draft, file) as terminal:
        terminal.wait_for("Which column holds the number:")
        terminal.press(b"\x03")
        assert terminal.wait() == 130
        assert "Traceback" not in terminal.screen.text()
    assert draft.entries() == {}


def test_off_a_terminal_nothing_is_asked(draft: Draft, file: Path) -> None:
    line = refusal(draft.imports(file, "--numbers", "form"))
    assert "no column is known to hold the number: pass --recipient COLUMN" in line


def test_a_bar_shows_how_far_it_is_and_is_gone_at_the_end(draft: Draft, tmp_path: Path) -> None:
    file = written(tmp_path / "list.csv", range(ROWS))
    slow_down(draft, 0.0005)
    flags = [flag for flag in FLAGS if flag not in ("--numbers", "form")]
    with imports(draft, file, *flags, columns=80) as terminal:
        shares: set[int] = set()

        def moved(shown: str) -> bool:
            (line,) = [line for line in shown.splitlines() if "Importing" in line] or [""]
            assert len(line) <= 80
            found = [word for word in line.split() if word.endswith("%")]
            shares.update(int(word.rstrip("%")) for word in found)
            return len(shares) >= 3

        terminal.wait_for(moved)
        assert all(0 <= share <= 100 for share in shares)
        assert terminal.wait() == 0
        lines = [line.rstrip() for line in terminal.screen.text().splitlines()]
        # Nothing of the bar, and no empty line in its place.
        assert lines[0] == "Imported into Spring (UTF-8, separated by commas)"
        assert not terminal.screen.history
        assert terminal.screen.cursor_shown
        assert terminal.settings_now() == terminal.settings
    assert_each_is_there_once(draft, range(ROWS))


def test_what_happens_on_the_way_stands_above_the_bar(draft: Draft, tmp_path: Path) -> None:
    file = written(tmp_path / "list.csv", range(ROWS))
    slow_down(draft, 0.0005)
    with imports(draft, file, "--chunk", "200", columns=80) as terminal:
        terminal.wait_for("%")
        draft.connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where application_name = 'sendonce' and datname = current_database()"
        )
        terminal.wait_for(lambda shown: "trying again in 0.2 s" in shown.replace("\n", ""))
        assert terminal.wait() == 0
        shown = terminal.screen.text()
        assert "Importing" not in shown
        assert shown.startswith("sendonce: ")
        assert shown.count("Imported into") == 1
    assert_each_is_there_once(draft, range(ROWS))


def test_control_c_takes_the_bar_away_and_says_how_to_go_on(draft: Draft, tmp_path: Path) -> None:
    file = written(tmp_path / "list.csv", range(ROWS))
    slow_down(draft, 0.0005)
    with imports(draft, file, "--chunk", "200", columns=80) as terminal:
        terminal.wait_for(lambda shown: "%" in shown and " 0%" not in shown)
        terminal.press(b"\x03")
        assert terminal.wait() == 130
        shown = terminal.screen.text()
        assert "Importing" not in shown
        assert "the same command again goes on" in shown.replace("\n", "")
        assert terminal.screen.cursor_shown


def test_off_a_terminal_there_is_no_bar(draft: Draft, tmp_path: Path) -> None:
    file = written(tmp_path / "list.csv", range(ROWS))
    said = draft.imports(file, *FLAGS)
    assert (said.code, said.stderr) == (0, "")
    assert "\x1b" not in said.stdout
    assert "Importing" not in said.stdout
