"""What a script, a log and a pipe get from ``sendonce campaign watch``."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator

import pytest

from acceptance.abc_support import Stage, call, drift
from cli.command import PATIENCE, command, environment, refusal, sendonce
from sendonce.cli import campaign_watch
from support.database import Connection, Database


@pytest.fixture
def stage(connection: Connection) -> Stage:
    return Stage(connection)


def watching(database: Database, *arguments: str) -> subprocess.Popen[str]:
    """Start it with its output in our hands."""
    return subprocess.Popen(
        command("campaign", "watch", *arguments),
        env=environment(database.url),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_every_document_is_what_the_database_said_at_that_moment(
    database: Database, stage: Stage
) -> None:
    campaign = stage.campaign(4)
    with watching(database, campaign.id, "--json") as process:
        assert process.stdout is not None
        seen = []
        for limit in (1, 2):
            before = call(stage.connection, "campaign_progress", campaign.id)
            # What it waits for may be told after the counters.
            while (document := json.loads(process.stdout.readline()))["settled"] < before[
                "settled"
            ]:
                pass
            assert {name: document[name] for name in before} == before
            seen.append(document)
            entries = campaign.send(limit)
            campaign.report(entries, "delivered", "read")
        campaign.send()
        rest, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors) == (0, "")
    last = json.loads(rest.splitlines()[-1])
    after = call(stage.connection, "campaign_progress", campaign.id)
    assert {name: last[name] for name in after} == after
    assert set(last) - set(after) == {
        "event", "rate", "remaining_seconds", "held_up", "failures"
    }  # fmt: skip
    assert (last["status"], last["actual_cost"], last["total_read"]) == ("completed", 0.22, 3)
    assert last["failures"] == {"failed": [], "skipped": [], "undelivered": []}
    assert seen[0]["total_sent"] == 0
    assert drift(stage.connection) == []


def test_a_log_gets_a_line_for_every_change_and_none_for_none(
    database: Database, stage: Stage
) -> None:
    campaign = stage.campaign(3)
    call(stage.connection, "worker_heartbeat", "tested-worker", {})
    with watching(database, campaign.id) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline()]
        entries = campaign.send(2)
        lines.append(process.stdout.readline())
        campaign.report(entries[:1], "failed")
        lines.append(process.stdout.readline())
        campaign.send(1)
        rest, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors) == (0, "")
    lines += rest.splitlines()
    assert len(set(lines)) == len(lines)
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d  completed  100.00 %  3 of 3  sent 3  failed 0  unknown 0  0.1650 USD"
        r"(  [\d.]+/s)?",
        lines[-1].strip(),
    )
    assert "running  0.00 %  0 of 3  sent 0" in lines[0]
    assert not any("\x1b" in line for line in lines)


def test_an_interrupted_script_exits_with_130_and_leaves_the_campaign(
    database: Database, stage: Stage
) -> None:
    campaign = stage.campaign(1)
    with watching(database, campaign.id, "--json") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert errors == "sendonce: the view has ended, the campaign is left as it is\n"
    assert campaign.numbers("status") == ("running",)


def test_an_interrupt_that_got_lost_on_its_way_ends_the_view_at_the_next_look() -> None:
    def sights() -> Iterator[campaign_watch.Sight]:
        yield campaign_watch.Sight({}, {})
        # As in a finalizer, where Python ignores what is raised.
        with contextlib.suppress(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        yield campaign_watch.Sight({}, {})

    seen = campaign_watch._until_interrupted(sights())
    next(seen)
    with pytest.raises(KeyboardInterrupt):
        next(seen)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_reader_that_goes_away_ends_it_without_a_traceback(
    database: Database, stage: Stage
) -> None:
    campaign = stage.campaign(2)
    with watching(database, campaign.id, "--json") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        campaign.send(1)
        assert process.wait(PATIENCE) == 141
        assert process.stderr.read() == ""


def test_a_campaign_that_is_not_there_is_refused(database: Database) -> None:
    answer = sendonce("campaign", "watch", "nobody", url=database.url)
    assert "no campaign is called 'nobody'" in refusal(answer)
