"""A campaign to send, a worker process to send it, and what the database says afterwards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sendonce.simulator.process import TOKEN, SimulatorProcess
from support.database import Connection, Database

SENDER = "106500000000001"
#: Seconds within which anything that is waited for must have happened; no test measures time.
PATIENCE = 90.0


@dataclass(frozen=True)
class Campaign:
    """A running campaign and the ways to look at it."""

    connection: Connection
    campaign_id: str
    account_id: str
    size: int

    def value(self, query: str) -> Any:
        """The first value of a query's first row."""
        row = self.connection.execute(query).fetchone()
        assert row is not None
        return row[0]

    def statuses(self) -> dict[str, int]:
        """Entries by status."""
        rows = self.connection.execute(
            "select status::text, count(*) from public.send_queue"
            " where campaign_id = %s group by 1",
            [self.campaign_id],
        ).fetchall()
        return dict(rows)

    def status(self) -> str:
        """The campaign's status."""
        row = self.connection.execute(
            "select status::text from public.campaigns where id = %s", [self.campaign_id]
        ).fetchone()
        assert row is not None
        return str(row[0])

    def claims(self) -> int:
        """Open claims."""
        return int(self.value("select count(*) from public.claims"))

    def violations(self) -> list[Any]:
        """What the database itself finds wrong with its numbers, where it can say so."""
        if not self.value(
            "select exists (select from pg_proc where proname = 'verify_invariants'"
            " and pronamespace = 'public'::regnamespace)"
        ):
            return []
        return self.connection.execute("select * from public.verify_invariants()").fetchall()


def start_campaign(
    connection: Connection,
    contacts: int,
    *,
    account_options: Mapping[str, Any] | None = None,
    variables: bool = True,
) -> Campaign:
    """Create organization, account, template and a running campaign to made-up numbers."""

    def call(function: str, *arguments: Any) -> Any:
        marks = ", ".join(["%s"] * len(arguments))
        row = connection.execute(f"select public.{function}({marks})", arguments).fetchone()
        assert row is not None
        return row[0]

    options = {"maximum_rate": None} | dict(account_options or {})
    organization = call("create_organization", "Worker tests")
    account = call("upsert_account", organization, "whatsapp", SENDER, "Main", json.dumps(options))
    template = call(
        "upsert_template",
        organization,
        "whatsapp",
        "greeting",
        "en",
        json.dumps({"category": "UTILITY", "variables": ["name"] if variables else []}),
    )
    campaign = call("create_campaign", organization, "Spring", account, template, "{}")
    recipients = [
        {
            "recipient": recipient(number),
            "variables": {"name": f"Contact {number}"} if variables else {},
        }
        for number in range(contacts)
    ]
    added = call("add_recipients", campaign, json.dumps(recipients))
    assert added["added"] == contacts
    connection.execute("select public.start_campaign(%s)", [campaign])
    return Campaign(connection, str(campaign), str(account), contacts)


def recipient(number: int) -> str:
    """A made-up number."""
    return f"+9991{number:08d}"


class WorkerProcess:
    """A real ``sendonce worker``, its events as dictionaries."""

    def __init__(self, environment: Mapping[str, str], flags: tuple[str, ...]) -> None:
        self._log = tempfile.NamedTemporaryFile()  # noqa: SIM115 -- closed in close()
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith("SENDONCE_")
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sendonce.cli.main", "worker", *flags],
            env=inherited | dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._log,
        )

    def log(self) -> str:
        """Everything it has written so far."""
        return Path(self._log.name).read_text(encoding="utf-8")

    def events(self, name: str | None = None) -> list[dict[str, Any]]:
        """Its log events, all or those of one name."""
        lines = [line for line in self.log().splitlines() if line.startswith("{")]
        found = [json.loads(line) for line in lines]
        return [event for event in found if name is None or event["event"] == name]

    def wait_for_event(self, name: str, count: int = 1) -> list[dict[str, Any]]:
        """Wait until an event was logged so many times."""
        wait_until(lambda: len(self.events(name)) >= count or self.has_ended, f"event {name}")
        events = self.events(name)
        assert len(events) >= count, self.log()
        return events

    @property
    def has_ended(self) -> bool:
        """Whether the process is gone."""
        return self.process.poll() is not None

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def wait(self) -> int:
        """Wait for its end; the exit code, negative for a signal."""
        return self.process.wait(PATIENCE)

    def stop(self) -> int:
        """SIGTERM, and its exit code."""
        self.send(signal.SIGTERM)
        return self.wait()

    def close(self) -> None:
        """Make sure it is gone."""
        if not self.has_ended:
            self.process.kill()
            self.process.wait()
        # pytest shows it with a test that failed.
        print(self.log())
        self._log.close()


class Workers:
    """Starts worker processes against one database and one simulator."""

    def __init__(self, database: Database, whatsapp_url: str) -> None:
        self.environment = {
            "SENDONCE_DATABASE_URL": database.worker_url,
            "SENDONCE_WHATSAPP_URL": whatsapp_url,
            "SENDONCE_WHATSAPP_TOKEN": TOKEN,
            "SENDONCE_WORKER_NAME": "tested-worker",
            "SENDONCE_LOG_FORMAT": "json",
        }
        self._processes: list[WorkerProcess] = []

    def start(self, *flags: str, **environment: str) -> WorkerProcess:
        """Start one; keyword arguments are environment variables."""
        process = WorkerProcess(self.environment | environment, flags)
        self._processes.append(process)
        return process

    def close(self) -> None:
        """End all of them."""
        for process in self._processes:
            process.close()


@contextmanager
def workers_for(database: Database, whatsapp_url: str) -> Iterator[Workers]:
    """Worker processes that end with the block."""
    workers = Workers(database, whatsapp_url)
    try:
        yield workers
    finally:
        workers.close()


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Look again and again until something holds; fails the test when it never does."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"waited {PATIENCE:g} s in vain for: {what}"
        time.sleep(0.02)


def assert_nobody_got_it_twice(campaign: Campaign, simulator: SimulatorProcess) -> None:
    """Compare the provider's ledger with the database, contact by contact."""
    accepted = accepted_per_recipient(simulator)
    assert {who: times for who, times in accepted.items() if times > 1} == {}
    rows = campaign.connection.execute(
        "select recipient, status::text, error_class from public.send_queue where campaign_id = %s",
        [campaign.campaign_id],
    ).fetchall()
    assert len(rows) == campaign.size
    for who, status, error_class in rows:
        if status == "sent":
            assert accepted.get(who) == 1, who
        else:
            # Perhaps it went out, perhaps not: not sent again, and listed with this reason.
            assert (status, error_class) == ("failed", "outcome_unknown"), who
    assert campaign.violations() == []


def accepted_per_recipient(simulator: SimulatorProcess) -> dict[str, int]:
    """How many messages the provider accepted for whom: the truth about double sends."""
    accepted: dict[str, int] = {}
    for entry in simulator.control.ledger():
        if entry["outcome"] == "accepted":
            accepted[entry["recipient"]] = accepted.get(entry["recipient"], 0) + 1
    return accepted
