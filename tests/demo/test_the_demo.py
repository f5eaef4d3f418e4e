"""The demo from the outside: what it prints, how it ends, what it leaves."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from demo.conftest import SETTINGS, FinishedDemo
from demo.demo_process import DemoProcess, running_demo

Look = Callable[[DemoProcess], bool]


def section(document: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """The rows of one section of the audit."""
    rows: list[dict[str, Any]] = document["sections"][key]["rows"]
    return rows


def test_a_small_demo_with_two_kills_ends_well(finished_demo: FinishedDemo) -> None:
    document = finished_demo.document
    assert document["passed"] is True
    assert document["findings"] == []

    rows = {row["state"]: row for row in section(document, "contacts")}
    everybody = rows["all"]
    assert everybody["contacts"] == SETTINGS.contacts
    assert everybody["accepted_twice"] == 0
    assert rows["sent"]["accepted_once"] == rows["sent"]["contacts"]
    assert rows["sent"]["contacts"] > SETTINGS.contacts / 2

    kills = section(document, "kills")
    assert len(kills) == 2
    assert all(kill["in_hand"] >= kill["dispatched"] > 0 for kill in kills)
    assert finished_demo.process.stderr.count("SIGKILL to process") == 2


def test_exactly_the_chosen_contacts_are_refused(finished_demo: FinishedDemo) -> None:
    refused = {
        line["recipient"] for line in finished_demo.control.ledger() if line["code"] == 135000
    }
    assert len(refused) == 28
    assert refused == finished_demo.contacts.failing


def test_it_says_beforehand_what_it_will_do(finished_demo: FinishedDemo) -> None:
    before = finished_demo.process.stderr.split("Set-up")[0]
    for told in ("400 made-up contacts", "200 messages/s", "5 s (60 s by default)"):
        assert told in before
    for told in ("10 s (10 min by default)", "135000", "at 30 % and at 60 %: SIGKILL"):
        assert told in before


@pytest.mark.parametrize(
    ("moment", "look"),
    [
        ("while PostgreSQL is being made", lambda demo: "Set-up" in demo.stdout),
        ("while the webhook starts", lambda demo: "schema installed" in demo.stdout),
        ("in the middle of the campaign", lambda demo: "kill 1 at" in demo.stdout),
    ],
)
def test_ctrl_c_leaves_nothing(moment: str, look: Look) -> None:
    with running_demo("--contacts", "2000") as demo:
        demo.wait_until(lambda: look(demo), moment)
        assert demo.interrupt() == 130
        assert "sendonce: stopping and removing everything" in demo.stderr
        assert demo.left_over() == []


def test_sigterm_leaves_nothing() -> None:
    with running_demo("--contacts", "2000") as demo:
        demo.wait_until(lambda: " settled, " in demo.stdout, "progress")
        assert demo.terminate() == 130
        assert demo.left_over() == []


def test_a_change_behind_the_databases_back_is_found_and_the_exit_code_is_1() -> None:
    with running_demo("--contacts", "100", "--rate", "100", "--no-kill", "--json") as demo:
        demo.wait_until(lambda: "failed 1" in demo.stderr, "a contact that is refused")
        (sockets,) = demo.temporary.glob("sendonce-postgres-*/sockets")
        (socket,) = sockets.glob(".s.PGSQL.*[0-9]")
        port = socket.name.rpartition(".")[2]
        with psycopg.connect(
            f"host={sockets} port={port} user=postgres dbname=sendonce", autocommit=True
        ) as connection:
            connection.execute("set session_replication_role = replica")
            changed = connection.execute(
                "update public.send_queue set status = 'skipped' where id ="
                " (select min(id) from public.send_queue where error_code = '135000')"
            )
            assert changed.rowcount == 1
        assert demo.wait() == 1

        document = json.loads(demo.stdout)
        assert document["passed"] is False
        assert any("counts" in finding and "failed" in finding for finding in document["findings"])
        assert any("verify_invariants()" in finding for finding in document["findings"])
        last = demo.stderr.splitlines()[-2:]
        assert last[0].startswith("sendonce: the audit found ")
        assert last[1].startswith("sendonce: the logs of all processes are in ")
        # Only the logs are left.
        (logs,) = demo.left_over()
        assert logs in last[1]
        assert {path.name for path in (demo.temporary / logs).iterdir()} >= {
            "postgresql.log",
            "webhook.log",
            "simulator.log",
            "worker.log",
            "ledger.ndjson",
            "audit.json",
        }


def test_a_program_that_dies_ends_the_demo_with_one_line_and_its_logs() -> None:
    with running_demo("--contacts", "2000") as demo:
        demo.wait_until(lambda: " settled, " in demo.stdout, "progress")
        demo.kill_program("sendonce.simulator")
        assert demo.wait() == 1
        kept, reason = demo.stderr.splitlines()
        assert reason == (
            "sendonce: the demo came to an end: the simulated provider ended by itself"
        )
        (logs,) = demo.left_over()
        assert kept == f"sendonce: the logs of all processes are in {demo.temporary / logs}"


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (("--contacts", "0"), "sendonce: --contacts: choose between 1 and 1,000,000 (it is 0)"),
        (("--rate", "nan"), "sendonce: --rate: choose between 1 and 10,000"),
        (("--seed", "-1"), "sendonce: --seed: choose between 0 and"),
        (("--contacts", "many"), "sendonce: Invalid value for '--contacts'"),
    ],
)
def test_a_wrong_setting_is_one_line_and_exit_code_2(
    flags: tuple[str, ...], complaint: str
) -> None:
    with running_demo(*flags) as demo:
        assert demo.wait() == 2
        assert demo.stderr.startswith(complaint)
        assert len(demo.stderr.splitlines()) == 1
        assert demo.stdout == ""
        assert demo.left_over() == []
