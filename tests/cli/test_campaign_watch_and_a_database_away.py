"""``sendonce campaign watch`` while the server really stops, starts and cuts connections."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from itertools import pairwise

import psycopg
import pytest

from acceptance.abc_support import Stage, call
from cli.command import PATIENCE, command, environment, refusal, sendonce
from cli.terminal import Terminal
from sendonce.local.postgres import LocalPostgres
from sendonce.local.supabase_roles import prepare_like_supabase
from sendonce.schema.into_database import install_schema
from support.database import let_roles_log_in


@pytest.fixture
def server() -> Iterator[LocalPostgres]:
    """A server of the test's own, which may be stopped without harm to others."""
    with LocalPostgres(fsync=False) as server:
        with psycopg.connect(server.url(), autocommit=True) as connection:
            prepare_like_supabase(connection, default_privileges="withheld")
        install_schema(server.url())
        with psycopg.connect(server.url(), autocommit=True) as connection:
            let_roles_log_in(connection)
        yield server


def test_the_view_outlives_a_cut_connection_and_a_server_that_stops_and_starts(
    server: LocalPostgres,
) -> None:
    connection = psycopg.connect(server.url(), autocommit=True)
    campaign = Stage(connection).campaign(2, name="Summer")
    with (
        Terminal("campaign", "watch", campaign.id, url=server.url(), lines=15) as terminal,
        subprocess.Popen(
            command("campaign", "watch", campaign.id, "--json"),
            env=environment(server.url()),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as script,
    ):
        try:
            terminal.wait_for("0 of 2 contacts")
            assert script.stdout is not None
            assert json.loads(script.stdout.readline())["event"] == "progress"

            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where application_name = 'sendonce'"
            )
            # In the fifteen lines too, and beside the numbers that were seen last.
            away = terminal.wait_for(
                "the database is away: terminating connection due to administrator command"
                " [57P01]; asking again in "
            )
            assert "0 of 2 contacts" in away
            terminal.wait_for(lambda screen: "is away" not in screen)
            call(connection, "pause_campaign", campaign.id, "before the stop")
            terminal.wait_for("paused: before the stop")

            connection.close()
            server.stop()
            terminal.wait_for(
                lambda screen: (
                    "the database is away: the database cannot be reached" in screen
                    and "paused: before the stop" in screen
                )
            )
            server.start()
            connection = psycopg.connect(server.url(), autocommit=True)
            call(connection, "resume_campaign", campaign.id)
            terminal.wait_for(
                lambda screen: "is away" not in screen and "Summer  running" in screen
            )

            campaign.connection = connection
            call(connection, "resume_account", campaign.account)
            campaign.send()
            assert campaign.is_completed()
            assert terminal.wait() == 0
            ended = terminal.screen.text()
            assert "Summer  completed" in ended
            assert "2 of 2 contacts" in ended
            assert "is away" not in ended

            rest, errors = script.communicate(timeout=PATIENCE)
            assert (script.returncode, errors) == (0, "")
            documents = [json.loads(line) for line in rest.splitlines()]
            events = [document["event"] for document in documents]
            # What does not change is told once, however often it asks in vain.
            for before, after in pairwise(documents):
                assert (before["event"], before.get("message")) != (
                    "database_away",
                    after.get("message"),
                )
            assert "database_away" in events
            assert documents[-1]["event"] == "progress"
            assert documents[-1]["status"] == "completed"
        finally:
            script.kill()
    connection.close()


def test_a_database_that_is_away_before_the_first_look_is_an_error() -> None:
    answer = sendonce("campaign", "watch", "Summer", url="postgresql://nobody@127.0.0.1:1/nowhere")
    assert "the database cannot be reached" in refusal(answer)
