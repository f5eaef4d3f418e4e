"""A cluster of one's own: made, entered, stopped, thrown away."""

import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from sendonce.local.postgres import LocalPostgres, LocalPostgresError
from sendonce.local.postgres_sources import (
    NoPostgresError,
    PostgresInstallation,
    find_installation,
    installations,
)


@pytest.fixture(params=["debian", "embedded", "npm"])
def installation(request: pytest.FixtureRequest) -> PostgresInstallation:
    """Every kind of server, as `make tools` brings them."""
    return find_installation(kind=request.param)


def value(url: str, query: str) -> str:
    """Return the only value of a query."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return str(row[0])


def test_it_is_there_inside_and_gone_after(installation: PostgresInstallation) -> None:
    with LocalPostgres(installation, fsync=False) as server:
        directory = server.directory
        assert value(server.url(), "show server_version").startswith(installation.version)
        assert value(server.socket_url(), "select current_user") == "postgres"
        assert value(server.url(), "show server_encoding") == "UTF8"
        assert value(server.url(), "show timezone") == "UTC"
    assert not directory.exists()
    assert not server.running


def test_it_dies_with_its_owner(installation: PostgresInstallation) -> None:
    """Killed so that no code of ours runs: the guardian stops the server and removes all."""
    program = f"""
import os, signal
from sendonce.local.postgres import LocalPostgres
from sendonce.local.postgres_sources import find_installation
server = LocalPostgres(find_installation(kind={installation.kind!r}), fsync=False).start()
print(server.directory, server.port, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert ended.returncode == -signal.SIGKILL
    directory, port = ended.stdout.split()
    deadline = time.monotonic() + 60
    while Path(directory).exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not Path(directory).exists()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(port))) != 0


def test_over_tcp_it_wants_the_password() -> None:
    with (
        LocalPostgres(fsync=False) as server,
        pytest.raises(psycopg.OperationalError, match="password authentication failed"),
    ):
        psycopg.connect(server.url(password="guessed"))


def test_only_its_owner_reaches_the_socket() -> None:
    with LocalPostgres(fsync=False) as server:
        mode = (server.directory / "sockets").stat().st_mode
        assert stat.S_IMODE(mode) == 0o700


def test_data_and_port_outlive_a_crash_of_the_server() -> None:
    with LocalPostgres(fsync=True) as server:
        url = server.url()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("create table kept as select 1 as one")
        server.restart("immediate")
        assert server.url() == url
        assert value(url, "select one from kept") == "1"


def test_a_stopped_server_starts_again() -> None:
    with LocalPostgres(fsync=False) as server:
        url = server.url()
        server.stop()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(url)
        server.start()
        assert value(url, "select 1") == "1"


@pytest.mark.parametrize(("fsync", "shown"), [(True, "on"), (False, "off")])
def test_fsync_is_what_was_asked_for(fsync: bool, shown: str) -> None:
    with LocalPostgres(fsync=fsync) as server:
        assert value(server.url(), "show fsync") == shown


def test_fsync_is_on_by_default() -> None:
    with LocalPostgres() as server:
        assert value(server.url(), "show fsync") == "on"


def test_a_directory_that_was_given_is_kept_and_used_again(tmp_path: Path) -> None:
    # The server's account must be able to walk there, which pytest's own directory forbids.
    for parent in (tmp_path, *tmp_path.parents):
        if parent.name.startswith(("pytest-", "popen-", tmp_path.name)):
            parent.chmod(parent.stat().st_mode | 0o055)
    place = tmp_path / "a cluster"
    log = tmp_path / "logs" / "server.log"
    with LocalPostgres(directory=place, log=log, fsync=False) as server:
        server.create_database("kept")
    assert "ready to accept connections" in log.read_text()
    with LocalPostgres(directory=place, log=log, fsync=False) as server:
        assert value(server.url("kept"), "select current_database()") == "kept"


def test_a_setting_the_server_refuses_is_told_in_its_words() -> None:
    with pytest.raises(LocalPostgresError, match="no_such_setting"):
        LocalPostgres(settings={"no_such_setting": "1"}).start()


def test_what_is_missing_is_named() -> None:
    with pytest.raises(NoPostgresError, match=r"PostgreSQL 9 .*make setup tools"):
        find_installation(major=9)


def test_every_version_that_we_promise_is_here() -> None:
    assert {15, 17, 18} <= {found.major for found in installations()}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has directories that others cannot enter")
def test_programs_that_only_root_can_read_are_copied_for_the_server(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sendonce.local.postgres._others_can_reach", lambda _: False)
    with LocalPostgres(find_installation(kind="embedded"), fsync=False) as server:
        assert (server.directory / "programs").is_dir()
        assert value(server.url(), "select 1") == "1"
