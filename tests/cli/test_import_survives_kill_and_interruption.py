"""``sendonce import`` killed or interrupted, and the same command again."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from cli.breaking_support import (
    FLAGS,
    ROWS,
    assert_each_is_there_once,
    running,
    slow_down,
    total,
    written,
)
from cli.import_support import Draft, made
from sendonce.cli.chunks import ChunkCaller
from sendonce.cli.import_contacts import Counts
from sendonce.cli.list_run import ListRun
from sendonce.contacts.numbers import NumberReader, Strictness
from sendonce.contacts.reading import opened
from sendonce.contacts.rejects import Rejects
from support.database import Connection, Database


@pytest.fixture
def draft(database: Database, connection: Connection) -> Draft:
    return made(database, connection, ("name",))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return written(tmp_path / "list.csv", range(ROWS))


@pytest.mark.parametrize("contacts", [1, ROWS // 2, ROWS - 1])
def test_an_import_that_was_killed_is_finished_by_the_same_command(
    draft: Draft, file: Path, contacts: int
) -> None:
    with running(draft, file) as killed:
        killed.wait_until_added(contacts)
        killed.process.kill()
        killed.answer()
    again = draft.imports(file, *FLAGS, "--json")
    assert (again.code, again.stderr) == (0, "")
    said = again.json()
    assert said["rows"] == said["added"] + said["duplicate"] == ROWS
    assert said["duplicate"] >= contacts
    assert_each_is_there_once(draft, range(ROWS))


def test_an_import_killed_before_its_first_row_leaves_nothing(draft: Draft, file: Path) -> None:
    draft.connection.execute("begin")
    draft.connection.execute("select from public.campaigns for update")
    with running(draft, file) as killed:
        killed.wait_until(
            lambda: draft.value(
                "select exists (select from pg_locks where not granted"
                " and pid in (select pid from pg_stat_activity"
                " where application_name = 'sendonce' and datname = current_database()))"
            )
        )
        killed.process.kill()
        killed.answer()
    draft.connection.execute("rollback")
    assert draft.imports(file, *FLAGS).code == 0
    assert_each_is_there_once(draft, range(ROWS))


def test_control_c_says_how_far_it_came_and_the_same_command_goes_on(
    draft: Draft, file: Path
) -> None:
    slow_down(draft, 0.0005)
    with running(draft, file) as import_:
        import_.wait_until_added(1)
        said = import_.interrupted()
    assert (said.code, said.stdout) == (130, "")
    added = total(draft)
    assert 0 < added < ROWS
    assert said.stderr == (
        f"sendonce: stopped after {added:,} rows, {added:,} of them added;"
        " what was added stays, and the same command again goes on\n"
    )
    draft.connection.execute("drop trigger take_long on public.send_queue")
    again = draft.imports(file, *FLAGS, "--json").json()
    assert (again["added"], again["duplicate"]) == (ROWS - added, added)
    assert_each_is_there_once(draft, range(ROWS))


class _CountsInterrupted(Counts):
    """Ctrl-C falls into the counting of the first answer."""

    def add(self, answer: dict[str, object]) -> None:
        if self.rows == 0:
            signal.raise_signal(signal.SIGINT)
        super().add(answer)


def test_control_c_while_an_answer_is_counted_counts_it_once(
    database: Database, file: Path
) -> None:
    counts = _CountsInterrupted()
    with (
        ChunkCaller(database.url, 200, pytest.fail) as caller,
        opened(str(file)) as contacts,
        Rejects(None, contacts.header) as rejects,
    ):
        run = ListRun(
            caller,
            0,
            NumberReader(None, Strictness.FORM),
            rejects,
            lambda record, number: {"recipient": number, "row": record.row},
        )
        with pytest.raises(KeyboardInterrupt):
            run.go(
                contacts,
                lambda _, items: {
                    "added": len(items), "duplicate": 0, "suppressed": 0, "rejected": [],
                    "estimated_cost": 0,
                },
                counts,
            )  # fmt: skip
    assert (counts.rows, counts.added) == (200, 200)


def test_control_c_stops_a_statement_that_takes_long(draft: Draft, file: Path) -> None:
    slow_down(draft, 3600)
    with running(draft, file) as import_:
        import_.wait_until(
            lambda: draft.value(
                "select exists (select from pg_stat_activity"
                " where wait_event = 'PgSleep' and datname = current_database())"
            )
        )
        said = import_.interrupted()
    assert said.code == 130
    assert said.stderr.startswith("sendonce: stopped after 0 rows, 0 of them added;")
    assert draft.value(
        "select not exists (select from pg_stat_activity"
        " where wait_event = 'PgSleep' and datname = current_database())"
    )


def test_control_c_stops_an_import_that_waits_for_more_on_standard_input(draft: Draft) -> None:
    with running(draft, "-") as import_:
        assert import_.process.stdin is not None
        rows = "".join(f"+999{place:09d},Contact {place}\n" for place in range(20_000))
        import_.process.stdin.write(f"phone,name\n{rows}".encode())
        import_.process.stdin.flush()
        import_.wait_until_added(1)
        said = import_.interrupted()
    assert said.code == 130
    assert "stopped after" in said.stderr
    assert "Traceback" not in said.stderr
