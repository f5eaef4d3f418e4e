"""Everything that runs: PostgreSQL, the edge function, the simulated provider and the worker.

Real processes that speak to each other as in production, each entering the database with no more
rights than it needs. Their logs go into one directory.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import psycopg
from psycopg import sql

from sendonce.local.demo.settings import FAULTS, REQUEST_TIMEOUT, WORKER_NAME, DemoSettings
from sendonce.local.deno import EdgeFunction
from sendonce.local.guardian import Guardian
from sendonce.local.postgres import LocalPostgres
from sendonce.local.postgres_sources import (
    NoPostgresError,
    PostgresInstallation,
    find_installation,
)
from sendonce.schema.into_database import install_schema
from sendonce.simulator.process import SimulatorProcess

APP: Final = "demo"
SENDER: Final = "106540352242922"
TEMPLATE: Final = "spring_greeting"

_DATABASE: Final = "sendonce"
_OLDEST_POSTGRES: Final = 15


def choose_postgres() -> PostgresInstallation:
    """The embedded server where it is installed, else any that is new enough.

    Raises NoPostgresError.
    """
    try:
        return find_installation(kind="embedded")
    except NoPostgresError:
        found = find_installation()
    if found.major < _OLDEST_POSTGRES:
        raise NoPostgresError(
            f"{found} is too old: PostgreSQL {_OLDEST_POSTGRES} or newer is needed; "
            "`make setup` in a checkout fetches one"
        )
    return found


class Database:
    """A PostgreSQL of the demo's own, with the schema installed and a login for each program."""

    def __init__(self, logs: Path) -> None:
        self.postgres = LocalPostgres(choose_postgres(), fsync=True, log=logs / "postgresql.log")
        self._passwords = {role: secrets.token_urlsafe(18) for role in ("worker", "webhook")}

    def start(self) -> None:
        """Make the cluster, install the schema, create the logins."""
        self.postgres.start()
        url = self.postgres.create_database(_DATABASE)
        install_schema(url)
        with psycopg.connect(url, autocommit=True) as connection:
            for role, password in self._passwords.items():
                # May call what workers and the webhook call, and read no table.
                connection.execute(
                    sql.SQL("create role {} login password {} in role sendonce_worker").format(
                        sql.Identifier(f"demo_{role}"), sql.Literal(password)
                    )
                )

    def close(self) -> None:
        """Stop it and remove the cluster."""
        # What is thrown away need not be written to the disk first.
        self.postgres.stop("immediate")
        self.postgres.close()

    @property
    def owner_url(self) -> str:
        """As the owner of everything, who acts as the operator."""
        return self.postgres.url(_DATABASE)

    def url_of(self, program: str) -> str:
        """As the login of one program, ``worker`` or ``webhook``."""
        return self.postgres.url(
            _DATABASE, user=f"demo_{program}", password=self._passwords[program]
        )


class Simulator:
    """The simulated provider; its log is written to a file when it ends."""

    def __init__(self, settings: DemoSettings, failing: Path, code: int, logs: Path) -> None:
        self._log = logs / "simulator.log"
        self.process = SimulatorProcess(
            profile="instant",
            seed=settings.seed,
            app=APP,
            phone_number_id=[SENDER],
            template=[f"{TEMPLATE}:en:1:marketing"],
            ledger_file=logs / "ledger.ndjson",
            fail_recipients=[f"{code}=file:{failing}"],
            **dict(FAULTS),
        )

    def start(self) -> None:
        """Start it; it reports to nobody yet."""
        self.process.start()

    def report_to(self, webhook_url: str) -> None:
        """From now on reports go to this webhook, after the provider's handshake with it."""
        answer = self.process.control.use_webhook(webhook_url)
        if answer["handshake"] != "verified":
            raise RuntimeError(f"the webhook's subscription failed: {answer['handshake']}")

    def close(self) -> None:
        """Stop it."""
        log = self.process.log()
        if log:
            self._log.write_text(log, encoding="utf-8")
        self.process.stop()


class Worker:
    """One worker process after the other, all with one name."""

    def __init__(self, database_url: str, whatsapp_url: str, token: str, logs: Path) -> None:
        self.log = logs / "worker.log"
        self._environment = {
            "SENDONCE_DATABASE_URL": database_url,
            "SENDONCE_WORKER_NAME": WORKER_NAME,
            "SENDONCE_WHATSAPP_URL": whatsapp_url,
            "SENDONCE_WHATSAPP_TOKEN": token,
            "SENDONCE_REQUEST_TIMEOUT": f"{REQUEST_TIMEOUT:g}",
            "SENDONCE_LOG_FORMAT": "json",
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._guardian: Guardian | None = None

    @property
    def process_id(self) -> int:
        """Its process id. Raises RuntimeError before the start."""
        if self._process is None:
            raise RuntimeError("the worker has not been started")
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative for a signal."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        """Start it; returns before it is ready."""
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith("SENDONCE_")
        }
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "sendonce.cli.main", "worker"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=inherited | self._environment,
                # Ctrl-C in the terminal is for us; we stop the worker in our own order.
                start_new_session=True,
            )
        self._guardian = Guardian(self._process.pid)

    def kill(self) -> None:
        """SIGKILL: no clean-up, no good-bye."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._dismiss_guardian()

    def stop(self) -> int:
        """SIGTERM, and the exit code: 0 after a clean end."""
        if self._process is None:
            raise RuntimeError("the worker has not been started")
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()
        self._dismiss_guardian()
        return int(self._process.returncode)

    def close(self) -> None:
        """Make sure that it is gone, at once: whoever wants to see a clean end has called stop."""
        self.kill()
        self._process = None

    def _dismiss_guardian(self) -> None:
        if self._guardian is not None:
            self._guardian.dismiss()
            self._guardian = None


def edge_function(database_url: str, secret: str, verify_token: str, logs: Path) -> EdgeFunction:
    """The webhook, under Deno."""
    return EdgeFunction(
        "delivery-webhook",
        {
            "SENDONCE_DB_URL": database_url,
            f"WHATSAPP_APP_SECRET_{APP.upper()}": secret,
            f"WHATSAPP_VERIFY_TOKEN_{APP.upper()}": verify_token,
        },
        log=logs / "webhook.log",
    )
