"""Campaigns, single messages and unknown outcomes from the command line, on a real database."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import signal
import subprocess
import time
from typing import Any

import pytest

from cli.command import PATIENCE, Answer, command, environment, refusal, sendonce
from support.database import Connection, Database

SENDER = "106500000000001"


class World:
    """An organization with one account and one template, and the commands that act in it."""

    def __init__(self, database: Database, connection: Connection) -> None:
        self.url = database.url
        self.connection = connection
        self.organization = self.one("select public.create_organization('Shop')")
        self.account = self.one(
            "select public.upsert_account(%s, 'whatsapp', %s, 'Main', %s)",
            self.organization,
            SENDER,
            json.dumps({"maximum_rate": None, "currency": "EUR"}),
        )
        self.template = self.one(
            "select public.upsert_template(%s, 'whatsapp', 'hello', 'en', %s)",
            self.organization,
            json.dumps({"category": "UTILITY", "status": "APPROVED"}),
        )

    def one(self, query: str, *arguments: Any) -> Any:
        row = self.connection.execute(query, arguments).fetchone()
        return None if row is None else row[0]

    def run(self, *arguments: str) -> Answer:
        return sendonce(*arguments, url=self.url)

    def popen(self, *arguments: str, stdout: int = subprocess.PIPE) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command(*arguments),
            env=environment(self.url, {"TERM": "xterm"}),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
        )

    def campaign(self, size: int, *, started: bool = True) -> str:
        campaign = self.one(
            "select public.create_campaign(%s, 'Spring', %s, %s)",
            self.organization,
            self.account,
            self.template,
        )
        people = [{"recipient": f"+9990000{n:04}"} for n in range(size)]
        self.one("select public.add_recipients(%s, %s)", campaign, json.dumps(people))
        if started:
            self.one("select public.start_campaign(%s)", campaign)
        return str(campaign)

    def send(self, *outcomes: str) -> list[int]:
        """Claim, dispatch and record one entry for each outcome, as a worker does."""
        claim = self.one(
            "select public.claim_messages('tests', %s, %s)", self.account, len(outcomes)
        )
        entries = claim["entries"]
        assert len(entries) == len(outcomes)
        ids = [entry["entry_id"] for entry in entries]
        answer = self.one("select public.begin_dispatch(%s, %s)", claim["claim_id"], ids)
        assert answer["dispatched"] == ids
        results = [
            {
                "entry_id": entry["entry_id"],
                "attempt": entry["attempt"],
                "outcome": outcome,
                "provider_message_id": f"wamid.{entry['entry_id']}"
                if outcome == "accepted"
                else None,
                "code": "135000" if outcome == "rejected" else None,
            }
            for entry, outcome in zip(entries, outcomes, strict=True)
        ]
        self.one("select public.record_results(%s, %s)", claim["claim_id"], json.dumps(results))
        return ids


@pytest.fixture
def world(database: Database, connection: Connection) -> World:
    return World(database, connection)


def test_a_draft_is_made_started_paused_resumed_and_cancelled(world: World) -> None:
    made = world.run(
        "campaign", "create", "May", "--window", "00:00-23:59", "--time-zone", "Europe/Madrid",
        "--priority", "3", "--maximum-failure-rate", "0.05", "--json",
    )  # fmt: skip
    assert made.code == 0, made
    campaign = made.json()["campaign_id"]
    row = world.connection.execute(
        "select priority, window_time_zone, maximum_failure_rate::text"
        " from public.campaigns where id = %s",
        [campaign],
    ).fetchone()
    assert row == (3, "Europe/Madrid", "0.050")
    world.one(
        "select public.add_recipients(%s, %s)",
        campaign,
        json.dumps([{"recipient": "+99900000001"}]),
    )
    assert world.run("campaign", "start", campaign, "--json").json()["status"] == "running"
    paused = world.run("campaign", "pause", "May", "--reason", "wrong text", "--json")
    assert paused.json()["held_up"][0] == "paused: wrong text"
    assert world.run("campaign", "resume", campaign, "--json").json()["status"] == "running"
    unasked = world.run("campaign", "cancel", campaign)
    assert unasked.code == 2
    assert "--yes" in unasked.stderr
    assert world.one("select status::text from public.campaigns") == "running"
    assert world.run("campaign", "cancel", campaign, "--yes", "--json").json()["status"] == (
        "cancelled"
    )


def test_wrong_input_is_one_line(world: World) -> None:
    world.campaign(1, started=False)
    for arguments, words in (
        (("campaign", "create", "X", "--window", "always"), "not like 08:00-20:00"),
        (("campaign", "start", "nobody"), "`sendonce campaign list`"),
        (("campaign", "start", "Spring", "--at", "soon"), "ISO 8601"),
        (("campaign", "entries", "Spring", "--status", "lost"), "one of ready, processing"),
        (("campaign", "entries", "Spring", "--csv", "--json"), "pass one"),
        (("send", "12345"), "SO005"),
        (("send", "+99900000001", "nonsense"), "name=value"),
    ):
        assert words in refusal(world.run(*arguments)), arguments


def test_a_start_at_a_time_schedules(world: World) -> None:
    campaign = world.campaign(1, started=False)
    answer = world.run("campaign", "start", campaign, "--at", "2099-05-01T09:00+02:00", "--json")
    assert answer.json()["status"] == "scheduled"
    assert answer.json()["scheduled_at"].startswith("2099-05-01T07:00")


def test_status_failures_entries_and_list_say_what_became_of_everybody(world: World) -> None:
    campaign = world.campaign(5)
    world.send("accepted", "rejected", "ambiguous")
    status = world.run("campaign", "status", campaign, "--json").json()
    assert (status["total_sent"], status["total_failed"], status["total_unknown"]) == (1, 1, 1)
    assert status["currency"] == "EUR"
    assert status["failures"]["failed"][0]["code"] == "135000"
    text = world.run("campaign", "status", campaign).stdout
    assert "2 of 5 contacts" in text
    assert "EUR so far, estimated" in text
    assert "135000" in text
    failures = world.run("campaign", "failures", campaign, "--json").json()
    assert failures["failed"][0]["contacts"] == 1
    assert "135000" in world.run("campaign", "failures", campaign).stdout
    entries = world.run("campaign", "entries", campaign, "--json").json()["entries"]
    assert [entry["status"] for entry in entries] == ["sent", "failed", "unknown", "ready", "ready"]
    failed = world.run("campaign", "entries", campaign, "--status", "failed", "--json").json()
    assert [entry["id"] for entry in failed["entries"]] == [entries[1]["id"]]
    page = world.run("campaign", "entries", campaign, "--limit", "2", "--after",
                     str(entries[0]["id"]))  # fmt: skip
    assert entries[1]["recipient"] in page.stdout
    assert entries[0]["recipient"] not in page.stdout
    assert f"--after {entries[2]['id']}" in page.stderr
    listed = world.run("campaign", "list", "--json").json()
    assert [row["id"] for row in listed] == [campaign]
    assert "Spring" in world.run("campaign", "list").stdout


def test_csv_and_json_write_all_pages(world: World) -> None:
    campaign = world.campaign(2_345, started=False)
    lines = list(
        csv.DictReader(io.StringIO(world.run("campaign", "entries", campaign, "--csv").stdout))
    )
    assert len({line["recipient"] for line in lines}) == 2_345
    entries = world.run("campaign", "entries", campaign, "--json").json()["entries"]
    assert [str(entry["id"]) for entry in entries] == [line["id"] for line in lines]


def test_a_clone_copies_whom_it_is_told_to(world: World) -> None:
    campaign = world.campaign(4)
    world.send("accepted", "rejected")
    everybody = world.run("campaign", "clone", campaign, "--recipients", "all", "--json").json()
    assert everybody["added"] == 4
    unsent = world.run("campaign", "clone", campaign, "--recipients", "unsent", "--json").json()
    assert unsent["added"] == 1
    again = world.run("campaign", "clone", campaign, "--recipients", "unsent", "--into",
                      unsent["campaign_id"], "--json").json()  # fmt: skip
    assert (again["campaign_id"], again["added"]) == (unsent["campaign_id"], 0)
    assert world.run("campaign", "clone", campaign, "--json").json()["added"] == 0


def test_a_clone_goes_on_until_everybody_is_copied(world: World) -> None:
    campaign = world.one(
        "select public.create_campaign(%s, 'Large', %s, %s)",
        world.organization, world.account, world.template,
    )  # fmt: skip
    for start in (0, 10_500):
        people = [{"recipient": f"+999000{n:05}"} for n in range(start, start + 10_500)]
        world.one("select public.add_recipients(%s, %s)", campaign, json.dumps(people))
    # The last one is copied by the second step, whose numbers count as well.
    world.one("select public.suppress(%s, '+99900020999', 'all', 'asked')", world.organization)
    answer = world.run("campaign", "clone", str(campaign), "--recipients", "all", "--json").json()
    assert (answer["added"], answer["suppressed"], answer["rejected"]) == (21_000, 1, 0)


def test_a_retry_leaves_unknown_outcomes_alone_until_they_are_named(world: World) -> None:
    campaign = world.campaign(3)
    ids = world.send("rejected", "rejected", "ambiguous")
    resolved = world.run("unknown", "resolve", str(ids[2]), "--decision", "fail", "--json")
    assert resolved.json()["decided"] == [{"entry_id": ids[2], "status": "failed"}]
    answer = world.run("campaign", "retry", campaign)
    assert "2 contacts are ready again" in answer.stdout
    assert "--class outcome_unknown" in answer.stdout
    refused = world.run("campaign", "retry", campaign, "--class", "outcome_unknown")
    assert refused.code == 2
    assert "--yes" in refused.stderr
    named = world.run(
        "campaign", "retry", campaign, "--class", "outcome_unknown", "--yes", "--json"
    )
    assert named.json()["moved"] == 1
    assert world.run("campaign", "retry", campaign, "--class", "nonsense").code == 2


def test_unknown_lists_who_sent_it_and_a_retry_has_to_be_meant(world: World) -> None:
    world.campaign(2)
    first, second = world.send("ambiguous", "ambiguous")
    listed = world.run("unknown", "list", "--campaign", "Spring", "--json").json()
    assert [row["entry_id"] for row in listed] == [first, second]
    assert listed[0]["worker"] == "tests"
    assert listed[0]["settles_at"] > listed[0]["unknown_since"]
    assert "tests" in world.run("unknown", "list").stdout
    unmeant = world.run("unknown", "resolve", str(first), "--decision", "retry")
    assert unmeant.code == 2
    assert "a second" in unmeant.stderr
    meant = world.run("unknown", "resolve", str(first), "0", str(second), "--decision", "retry",
                      "--yes", "--json")  # fmt: skip
    assert meant.code == 2
    assert "entry 0" in meant.stderr
    assert [line["status"] for line in meant.json()["decided"]] == ["ready", "ready"]


def test_one_message_is_queued_once_under_a_key_and_not_to_the_suppressed(world: World) -> None:
    first = world.run("send", "+99900000001", "--key", "order 1", "--json")
    again = world.run("send", "+99900000001", "--key", "order 1", "--json")
    assert (first.code, again.code) == (0, 0)
    assert first.json()["entry_id"] == again.json()["entry_id"]
    assert again.json()["repeated"] is True
    other = world.run("send", "+99900000002", "--key", "order 1")
    assert other.code == 2
    assert "SO030" in other.stderr
    world.one("select public.suppress(%s, '+99900000003', 'all', 'asked')", world.organization)
    assert world.run("send", "+99900000003").code == 1


def test_the_queue_is_shown_by_account(world: World) -> None:
    world.campaign(3)
    world.one("select public.pause_account(%s, 'invoice open')", world.account)
    assert world.run("queue", "stats", "--json").json()["accounts"][0]["unsettled"] == 3
    text = world.run("queue", "stats").stdout
    assert "Main" in text
    assert "invoice open" in text


def test_watch_on_a_pipe_tells_changes_until_the_end(world: World) -> None:
    campaign = world.campaign(2)
    watching = world.popen("campaign", "watch", campaign, "--json")
    assert watching.stdout is not None
    assert json.loads(watching.stdout.readline())["total_sent"] == 0
    world.send("accepted", "accepted")
    rest, errors = watching.communicate(timeout=PATIENCE)
    documents = [json.loads(line) for line in rest.splitlines()]
    assert documents[-1]["status"] == "completed"
    assert documents[-1]["total_sent"] == 2
    assert watching.returncode == 0, errors


def test_watch_of_a_cancelled_campaign_ends_with_one(world: World) -> None:
    campaign = world.campaign(1)
    world.one("select public.cancel_campaign(%s)", campaign)
    answer = world.run("campaign", "watch", campaign)
    assert answer.code == 1
    assert "cancelled" in answer.stdout


def test_watch_outlives_a_broken_connection(world: World) -> None:
    campaign = world.campaign(1)
    watching = world.popen("campaign", "watch", campaign, "--json")
    assert watching.stdout is not None
    watching.stdout.readline()
    deadline = time.monotonic() + PATIENCE
    while not world.one(
        "select bool_or(pg_terminate_backend(pid)) from pg_stat_activity"
        " where application_name = 'sendonce' and datname = current_database()"
    ):
        assert time.monotonic() < deadline
    assert json.loads(watching.stdout.readline())["event"] == "database_away"
    assert json.loads(watching.stdout.readline())["event"] == "progress"
    world.send("accepted")
    watching.communicate(timeout=PATIENCE)
    assert watching.returncode == 0


def test_watch_on_a_terminal_shows_the_campaign_and_ctrl_c_leaves_it_alone(world: World) -> None:
    campaign = world.campaign(2)
    ours, theirs = pty.openpty()
    watching = world.popen("campaign", "watch", campaign, stdout=theirs)
    os.close(theirs)
    shown = b""
    while b"of 2 contacts" not in shown:
        shown += os.read(ours, 4096)
    assert b"Spring" in shown
    watching.send_signal(signal.SIGINT)
    _, errors = watching.communicate(timeout=PATIENCE)
    os.close(ours)
    assert watching.returncode == 130
    assert "left as it is" in errors
    assert world.one("select status::text from public.campaigns") == "running"
