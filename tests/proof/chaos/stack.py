"""Everything that runs: PostgreSQL, two webhooks, the provider, the workers and the ways between.

The programs are those of the demo; here each of them can be killed, stopped and started again
while the others go on.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import psycopg

from proof.chaos.network import Link, Network
from proof.chaos.settings import (
    ACCOUNTS,
    ALWAYS,
    CATEGORY,
    ORGANIZATIONS,
    REQUEST_TIMEOUT,
    TEMPLATE,
    WEBHOOKS,
    WORKERS,
    ChaosSettings,
)
from sendonce.local.demo import stack as demo
from sendonce.local.demo.processes import Processes
from sendonce.local.deno import DenoError, EdgeFunction
from sendonce.local.ports import free_port
from sendonce.simulator.process import SimulatorProcess

APP: Final = "chaos"
#: The senders, in the order of the accounts of all organizations.
SENDERS: Final = tuple(
    f"10654035224{number:04d}" for number in range(ORGANIZATIONS * len(ACCOUNTS))
)
#: Seconds that a program gets to end by itself.
_PATIENCE: Final = 60.0

#: What a worker says only when something is wrong with it or with the database.
_ALARMING: Final = frozenset(
    {
        "request.crashed",
        "renewal.refused",
        "dispatch.refused",
        "claim.refused",
        "sweep.refused",
        "heartbeat.refused",
        "result.refused",
        "claim.lease_too_short",
        "account.unusable",
    }
)


class Worker(demo.Worker):
    """A worker process of a name of its own."""

    def __init__(
        self, name: str, database_url: str, whatsapp_url: str, token: str, logs: Path
    ) -> None:
        super().__init__(database_url, whatsapp_url, token, logs)
        self.name = name
        self.log = logs / f"{name}.log"
        self._environment |= {
            "SENDONCE_WORKER_NAME": name,
            "SENDONCE_REQUEST_TIMEOUT": f"{REQUEST_TIMEOUT:g}",
            "SENDONCE_CONCURRENCY": "24",
            "SENDONCE_BATCH": "40",
            "SENDONCE_DATABASE_CONNECTIONS": "4",
            "SENDONCE_START_TIMEOUT": f"{_PATIENCE:g}",
        }

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; one that has ended gets none."""
        if self.exit_code is None:
            os.kill(self.process_id, number)

    def wait(self, seconds: float) -> int | None:
        """Wait for its end; its exit code, None where it did not come."""
        end = time.monotonic() + seconds
        while self.exit_code is None and time.monotonic() < end:
            time.sleep(0.02)
        return self.exit_code


class WorkerPlace:
    """One worker after the other, of the same name or of another one."""

    def __init__(self, place: int, stack: Stack) -> None:
        self._place = place
        self._stack = stack
        self._lives = 0
        self.worker: Worker | None = None
        self.lock = threading.RLock()

    def start(self, *, new_name: bool = False) -> str:
        """Start one; the name of it."""
        with self.lock:
            if new_name or self.worker is None:
                self._lives += 1
            name = f"worker-{self._place}-{self._lives}"
            if self.worker is not None:
                self.worker.close()
            self.worker = self._stack.make_worker(name)
            self.worker.start()
            return name

    def look_after(self) -> str | None:
        """Start it again where it has ended by itself; what is to be said about that."""
        # Whoever holds the lock is about to end it or to start it.
        if not self.lock.acquire(blocking=False):
            return None
        try:
            worker = self.worker
            if worker is None or worker.exit_code is None:
                return None
            code = worker.exit_code
            self.start()
            return f"{worker.name} ended by itself with exit code {code}"
        finally:
            self.lock.release()

    def end(self) -> int | None:
        """SIGTERM, and its exit code, None where it had to be killed."""
        with self.lock:
            if self.worker is None:
                return 0
            self.worker.signal(signal.SIGCONT)
            self.worker.signal(signal.SIGTERM)
            code = self.worker.wait(_PATIENCE)
            self.worker.kill()
            return code

    def close(self) -> None:
        """Make sure that it is gone."""
        with self.lock:
            if self.worker is not None:
                self.worker.close()


class Webhook(EdgeFunction):
    """The webhook, which keeps its port when it is killed and started again."""

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def wait(self) -> None:
        """Wait for its end."""
        if self._process is not None:
            self._process.wait(_PATIENCE)


class Simulator(SimulatorProcess):
    """The provider; its log stays when it has ended."""

    def __init__(self, log: Path, **settings: Any) -> None:
        super().__init__(**settings)
        self._kept_log = log

    def close(self) -> None:
        """Stop it."""
        text = self.log()
        if text:
            self._kept_log.write_text(text, encoding="utf-8")
        self.stop()


class Stack:
    """All of it. `start` and `close`; in between the parts may be treated badly."""

    def __init__(self, settings: ChaosSettings, logs: Path) -> None:
        self.logs = logs
        self._settings = settings
        self.database = demo.Database(logs)
        self.network = Network()
        self.ledger_file = logs / "ledger.ndjson"
        self.simulator = Simulator(
            logs / "simulator.log",
            profile="instant",
            seed=settings.seed,
            app=APP,
            phone_number_id=list(SENDERS),
            template=[f"{TEMPLATE}:en:1:{CATEGORY.lower()}"],
            ledger_file=self.ledger_file,
            webhook_timeout=6,
            webhook_attempts=100_000,
            webhook_retry_first=0.1,
            webhook_retry_longest=1.0,
            webhook_batch=30,
            **dict(ALWAYS),
        )
        self.webhooks: list[Webhook] = []
        self.places = [WorkerPlace(place, self) for place in range(WORKERS)]
        self.links: dict[str, Link] = {}
        #: Held by whoever stops and starts the server.
        self.server_lock = threading.RLock()

    def start(self, processes: Processes) -> None:
        """Start all of it but the workers."""
        simulator = processes.begin(self.simulator)
        processes.start(self.database)
        simulator.result()
        processes.start(self.network)
        server = [self.database.postgres.port]
        provider = [int(urlsplit(self.simulator.base_url).port or 0)]
        self.links = {
            "database": self.network.link(lambda: server),
            "intake": self.network.link(lambda: server),
            "provider": self.network.link(lambda: provider),
            "reports": self.network.link(lambda: [webhook.port for webhook in self.webhooks]),
        }
        self.webhooks = [self._make_webhook(number) for number in range(WEBHOOKS)]
        for begun in [processes.begin(webhook) for webhook in self.webhooks]:
            begun.result()
        port = self.links["reports"].port
        answer = self.simulator.control.use_webhook(
            f"http://127.0.0.1:{port}/delivery-webhook/whatsapp/{{app}}"
        )
        if answer["handshake"] != "verified":
            raise RuntimeError(f"the webhook's subscription failed: {answer['handshake']}")

    def start_workers(self, processes: Processes) -> None:
        """Start the workers."""
        for begun in [processes.begin(place) for place in self.places]:
            begun.result()

    def make_worker(self, name: str) -> Worker:
        """A worker that reaches database and provider by the links."""
        url = self.through("database", self.database.url_of("worker"))
        provider = f"http://127.0.0.1:{self.links['provider'].port}/v25.0"
        return Worker(name, url, provider, self.simulator.token, self.logs)

    def _make_webhook(self, number: int) -> Webhook:
        return Webhook(
            "delivery-webhook",
            {
                "SENDONCE_DB_URL": self.through("intake", self.database.url_of("webhook")),
                f"WHATSAPP_APP_SECRET_{APP.upper()}": self.simulator.app_secret,
                f"WHATSAPP_VERIFY_TOKEN_{APP.upper()}": self.simulator.verify_token,
            },
            port=free_port(),
            log=self.logs / f"webhook-{number}.log",
        )

    def through(self, link: str, url: str) -> str:
        """The database's URL by one of the links."""
        parts = urlsplit(url)
        netloc = parts.netloc.rpartition(":")[0] + f":{self.links[link].port}"
        return parts._replace(netloc=netloc).geturl()

    def connect(self) -> psycopg.Connection[Any]:
        """Enter the database as its owner, by no link."""
        return psycopg.connect(self.database.owner_url, autocommit=True, connect_timeout=5)

    def restart_webhook(self, webhook: Webhook) -> None:
        """Start it again after its end, on the same port."""
        webhook.close()
        for attempt in range(5):
            try:
                webhook.start()
            except DenoError:
                # Somebody was given the port for a moment, as the near end of a connection.
                if attempt == 4:
                    raise
                time.sleep(0.5)
            else:
                return

    def what_is_wrong(self) -> list[str]:
        """What the programs themselves say went wrong that no fault explains."""
        found: Counter[str] = Counter()
        for path in sorted(self.logs.glob("worker-*.log")):
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                if line.startswith("Traceback"):
                    found[f"a traceback in {path.name}"] += 1
                with contextlib.suppress(ValueError):
                    told = json.loads(line)
                    if told.get("event") in _ALARMING:
                        reason = told.get("reason", "")
                        found[f"{told['event']} in {path.name}: {reason}"] += 1
        for path in sorted(self.logs.glob("webhook-*.log")):
            text = path.read_text(encoding="utf-8", errors="replace")
            found[f"a request failed in {path.name}"] += text.count('"request_failed"')
        found["a traceback of the simulator"] += self.simulator.log().count("Traceback")
        server = (self.logs / "postgresql.log").read_text(encoding="utf-8", errors="replace")
        for words in ("PANIC", "deadlock detected", "invalid page", "could not read block"):
            found[f"{words!r} in the server's log"] += server.count(words)
        return [f"{what} ({count} times)" for what, count in found.items() if count]
