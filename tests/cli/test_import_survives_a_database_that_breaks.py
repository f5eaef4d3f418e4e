"""``sendonce import`` while connections are cut, the server stops, or statements take too long."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from cli.breaking_support import (
    CHUNK,
    FLAGS,
    ROWS,
    assert_each_is_there_once,
    running,
    slow_down,
    total,
    written,
)
from cli.import_support import Draft, made
from sendonce.local.postgres import LocalPostgres
from sendonce.local.supabase_roles import prepare_like_supabase
from sendonce.schema.into_database import install_schema
from support.database import Connection, Database

CUT = (
    "select pg_terminate_backend(pid) from pg_stat_activity"
    " where application_name = 'sendonce' and datname = current_database()"
)


@pytest.fixture
def draft(database: Database, connection: Connection) -> Draft:
    return made(database, connection, ("name",))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return written(tmp_path / "list.csv", range(ROWS))


def test_an_import_goes_on_when_its_connection_is_cut(draft: Draft, file: Path) -> None:
    with running(draft, file, "--json") as import_:
        for contacts in (1, ROWS // 2):
            import_.wait_until_added(contacts)
            draft.connection.execute(CUT)
        said = import_.answer()
    assert said.code == 0, said.stderr
    assert said.stderr.count("trying again in") >= 2
    told = said.json()
    assert told["rows"] == told["added"] + told["duplicate"] == ROWS
    assert told["duplicate"] <= told["repeated_after_a_break"]
    assert_each_is_there_once(draft, range(ROWS))


def test_a_chunk_whose_answer_was_lost_is_given_again_and_adds_nobody_twice(
    draft: Draft, file: Path
) -> None:
    with one_answer_lost(draft.database.url) as (url, lost):
        said = draft.imports(file, *FLAGS, "--json", url=url)
        assert lost.is_set()
    assert said.code == 0, said.stderr
    told = said.json()
    assert (told["added"], told["duplicate"]) == (ROWS - CHUNK, CHUNK)
    assert told["repeated_after_a_break"] == CHUNK
    assert_each_is_there_once(draft, range(ROWS))


def test_an_import_goes_on_when_the_server_was_stopped_and_started(file: Path) -> None:
    with LocalPostgres(fsync=False) as server:
        with psycopg.connect(server.url(), autocommit=True) as connection:
            prepare_like_supabase(connection, default_privileges="withheld")
        install_schema(server.url())
        database = Database(server.url())
        before = database.connect()
        draft = made(database, before, ("name",))
        with running(draft, file) as import_:
            import_.wait_until_added(1)
            before.close()
            server.restart("immediate")
            said = import_.answer()
        assert said.code == 0, said.stderr
        assert "trying again in" in said.stderr
        with database.connect() as after:
            assert_each_is_there_once(replace(draft, connection=after), range(ROWS))


def test_a_chunk_that_takes_too_long_is_halved_until_it_fits(draft: Draft, tmp_path: Path) -> None:
    rows = 160
    file = written(tmp_path / "list.csv", range(rows))
    slow_down(draft, 0.02)
    draft.connection.execute(
        f"alter database {draft.database.name} set statement_timeout = '1200ms'"
    )
    said = draft.imports(file, *FLAGS, "--json")
    assert said.code == 0, said.stderr
    assert "sendonce: the database stopped a chunk that took too long: going on with 80 rows" in (
        said.stderr
    )
    assert (said.json()["added"], said.json()["duplicate"]) == (rows, 0)
    assert_each_is_there_once(draft, range(rows))


def test_one_row_that_takes_too_long_is_refused_and_not_tried_for_ever(
    draft: Draft, tmp_path: Path
) -> None:
    file = written(tmp_path / "list.csv", range(2))
    slow_down(draft, 3600)
    draft.connection.execute(f"alter database {draft.database.name} set statement_timeout = '1s'")
    said = draft.imports(file, *FLAGS)
    assert said.code == 2
    assert said.stderr.splitlines()[-1].startswith("sendonce: one row alone takes too long:")


def test_a_campaign_started_meanwhile_is_refused_in_one_line_and_keeps_what_was_added(
    draft: Draft, file: Path
) -> None:
    with running(draft, file) as import_:
        import_.wait_until_added(1)
        draft.connection.execute("select public.start_campaign(%s)", [draft.campaign])
        said = import_.answer()
    added = total(draft)
    assert 0 < added < ROWS
    assert (said.code, said.stdout) == (2, "")
    stopped, refused = said.stderr.splitlines()
    assert stopped.startswith(f"sendonce: stopped after {added:,} rows, {added:,} of them added;")
    assert refused.startswith("sendonce: cannot add recipients to a running campaign.")
    assert refused.endswith("[SO006]")
    assert draft.imports(file, *FLAGS).stderr.splitlines()[-1] == refused
    assert_each_is_there_once(draft, range(added))


def test_two_imports_of_overlapping_lists_at_once_add_each_contact_once(
    draft: Draft, tmp_path: Path
) -> None:
    first = written(tmp_path / "first.csv", range(3_000))
    # The other way round: whoever locks contacts in the order of the list meets in the middle.
    second = written(tmp_path / "second.csv", range(3_999, 999, -1))
    with running(draft, first, "--json") as one, running(draft, second, "--json") as other:
        answers = [one.answer(), other.answer()]
    for answer in answers:
        assert (answer.code, answer.stderr) == (0, "")
    told = [answer.json() for answer in answers]
    assert sum(one["added"] for one in told) == 4_000
    assert sum(one["duplicate"] for one in told) == 2_000
    assert_each_is_there_once(draft, range(4_000))


@contextmanager
def one_answer_lost(url: str) -> Iterator[tuple[str, threading.Event]]:
    """A way to the database on which the answer to the third chunk is lost, and the line with it.

    The commit was before the answer: the server has it, and the command cannot know.
    """
    parts = urlsplit(url)
    lost = threading.Event()
    chunks = 0

    def serve(client: socket.socket) -> None:
        nonlocal chunks
        with client, socket.create_connection((parts.hostname, parts.port)) as server:
            backwards = threading.Thread(target=carry, args=(server, client), daemon=True)
            backwards.start()
            while data := received(client):
                if b"add_recipients" in data and not lost.is_set():
                    chunks += 1
                    if chunks == 3:
                        lost.set()
                with suppress(OSError):
                    server.sendall(data)

    def carry(server: socket.socket, client: socket.socket) -> None:
        while data := received(server):
            # Only what comes after the third chunk went out can be its answer.
            if lost.is_set() and not cut.is_set():
                assert b"added" in data
                cut.set()
                client.shutdown(socket.SHUT_RDWR)
                return
            with suppress(OSError):
                client.sendall(data)

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=serve, args=(client,), daemon=True).start()

    cut = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        netloc = f"{parts.username}:{parts.password}@127.0.0.1:{listener.getsockname()[1]}"
        yield urlunsplit(parts._replace(netloc=netloc)), cut


def received(source: socket.socket) -> bytes:
    """What comes next; nothing where the line is gone."""
    with suppress(OSError):
        return source.recv(1 << 16)
    return b""
