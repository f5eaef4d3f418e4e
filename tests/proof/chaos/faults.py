"""Carries out the faults of the plan on the programs that run, and takes them back."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

import psycopg

from proof.chaos.plan import Fault
from proof.chaos.settings import ALWAYS
from proof.chaos.stack import Stack, Webhook, WorkerPlace
from proof.chaos.timeline import Timeline
from sendonce.simulator.client import ControlError

_SERVER_PROCESSES: Final = """
    select pid, backend_type = 'client backend' from pg_stat_activity
    where pid <> pg_backend_pid() and (
        backend_type in ('checkpointer', 'background writer', 'walwriter')
        or (backend_type = 'client backend' and application_name like 'sendonce%')
    )
    order by 2, 1
"""


class FaultsError(RuntimeError):
    """A fault could not be carried out or taken back: the run tells nothing."""


class Injector:
    """Does what goes wrong at its time. `run` returns when the last fault is over."""

    def __init__(self, stack: Stack, timeline: Timeline) -> None:
        self._stack = stack
        self._timeline = timeline
        self._over = threading.Event()
        self._locks: dict[str, threading.Lock] = defaultdict(threading.Lock)
        self._pool = ThreadPoolExecutor(max_workers=32, thread_name_prefix="fault")
        self._running: list[Future[None]] = []
        self._moves: Mapping[str, Callable[[Fault], dict[str, Any] | None]] = {
            "worker killed": self._kill_worker,
            "worker stopped": self._stop_worker,
            "worker stopped, then killed": self._stop_and_kill_worker,
            "worker asked to end": self._end_worker,
            "server crashed": self._crash_server,
            "server restarted": self._restart_server,
            "server process killed": self._kill_server_process,
            "connections terminated": self._terminate_connections,
            "webhook killed": self._kill_webhook,
            "webhook asked to end": self._end_webhook,
            "webhook stopped": self._stop_webhook,
            "network cut": self._cut,
            "network refuses": self._refuse,
            "network stalls": self._stall,
            "network swallows": self._swallow,
            "network loses replies": self._lose_replies,
            "provider away": self._outage,
            "provider slow": self._change_provider,
            "provider throttles": self._change_provider,
            "provider stops an account": self._next,
            "provider stops a template": self._next,
            "replies go wrong": self._change_provider,
            "reports go wrong": self._change_provider,
            "reports held back": self._change_provider,
            "reports told again": self._tell_again,
        }

    def run(self, faults: Iterable[Fault], watch: Callable[[], None], seconds: float) -> None:
        """Let everything go wrong; `watch` is called again and again meanwhile."""
        for fault in faults:
            self._wait_until(fault.at, watch)
            self._running.append(self._pool.submit(self._carry_out, fault))
            self._raise_if_one_failed()
        self._wait_until(seconds, watch)
        self.stop()

    def stop(self) -> None:
        """Take back what still goes wrong."""
        self._over.set()
        self._pool.shutdown(wait=True)
        self._raise_if_one_failed()

    def _raise_if_one_failed(self) -> None:
        for future in [future for future in self._running if future.done()]:
            self._running.remove(future)
            future.result()

    def _wait_until(self, at: float, watch: Callable[[], None]) -> None:
        while (left := at - self._timeline.seconds) > 0:
            watch()
            time.sleep(min(left, 0.2))

    def _carry_out(self, fault: Fault) -> None:
        with self._locks[fault.target]:
            if self._over.is_set():
                return
            began = self._timeline.seconds
            self._timeline.write(
                fault.kind,
                number=fault.number,
                target=fault.target,
                lasts=fault.seconds,
                **fault.details,
            )
            try:
                facts = self._moves[fault.kind](fault)
            except Exception as error:
                self._timeline.write("fault failed", number=fault.number, error=repr(error))
                raise FaultsError(f"fault {fault.number} ({fault.kind}): {error!r}") from error
            self._timeline.write(
                "over",
                number=fault.number,
                kind=fault.kind,
                took=round(self._timeline.seconds - began, 3),
                **(facts or {}),
            )

    def _wait(self, fault: Fault) -> None:
        self._over.wait(fault.seconds)

    # Workers

    def _place(self, fault: Fault) -> WorkerPlace:
        return self._stack.places[int(fault.target.split()[1])]

    def _kill_worker(self, fault: Fault) -> dict[str, Any]:
        place = self._place(fault)
        with place.lock:
            if place.worker is not None:
                place.worker.kill()
            self._wait(fault)
            return {"next": place.start(new_name=fault.details["new_name"])}

    def _stop_worker(self, fault: Fault) -> None:
        place = self._place(fault)
        with place.lock:
            if place.worker is not None:
                place.worker.signal(signal.SIGSTOP)
                self._wait(fault)
                place.worker.signal(signal.SIGCONT)

    def _stop_and_kill_worker(self, fault: Fault) -> dict[str, Any]:
        place = self._place(fault)
        with place.lock:
            if place.worker is not None:
                place.worker.signal(signal.SIGSTOP)
                self._wait(fault)
                place.worker.kill()
            return {"next": place.start()}

    def _end_worker(self, fault: Fault) -> dict[str, Any]:
        place = self._place(fault)
        with place.lock:
            code = place.end()
            self._wait(fault)
            name = place.start(new_name=fault.details["new_name"])
        if code not in (0, None):
            # Its results could not be recorded in time: possible where the database is away.
            self._timeline.write("unclean end", code=code)
        return {"code": code, "next": name}

    # The server

    def _crash_server(self, fault: Fault) -> None:
        with self._stack.server_lock:
            self._stack.database.postgres.stop("immediate")
            self._wait(fault)
            self._stack.database.postgres.start()

    def _restart_server(self, fault: Fault) -> None:
        with self._stack.server_lock:
            self._stack.database.postgres.stop("fast")
            self._wait(fault)
            self._stack.database.postgres.start()

    def _kill_server_process(self, fault: Fault) -> dict[str, Any]:
        """SIGKILL to one process of the server: it throws all others out and recovers."""
        with self._stack.server_lock, self._connect() as connection:
            rows = connection.execute(_SERVER_PROCESSES).fetchall()
            process_id, is_client = rows[int(fault.details["which"] * len(rows))]
            os.kill(process_id, signal.SIGKILL)
            self._wait(fault)
            self._connect().close()
        return {"process": process_id, "client": is_client}

    def _connect(self) -> psycopg.Connection[Any]:
        """Enter the database as soon as it lets anybody in; the caller holds the server's lock."""
        end = time.monotonic() + 60
        while True:
            try:
                return self._stack.connect()
            except psycopg.Error:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)

    def _terminate_connections(self, fault: Fault) -> dict[str, Any]:
        with self._stack.server_lock, self._connect() as connection:
            row = connection.execute(
                "select count(pg_terminate_backend(pid)) from pg_stat_activity"
                " where pid <> pg_backend_pid() and backend_type = 'client backend'"
                # By a hash that changes from time to time, so that it is not always the same ones.
                " and abs(hashint4(pid # %s)) %% 1000 < %s",
                [fault.number, int(fault.details["share"] * 1000)],
            ).fetchone()
        return {"connections": 0 if row is None else row[0]}

    # The webhooks

    def _webhook(self, fault: Fault) -> Webhook:
        return self._stack.webhooks[int(fault.target.split()[1])]

    def _kill_webhook(self, fault: Fault) -> None:
        webhook = self._webhook(fault)
        webhook.signal(signal.SIGKILL)
        webhook.wait()
        self._wait(fault)
        self._stack.restart_webhook(webhook)

    def _end_webhook(self, fault: Fault) -> None:
        webhook = self._webhook(fault)
        webhook.close()
        self._wait(fault)
        self._stack.restart_webhook(webhook)

    def _stop_webhook(self, fault: Fault) -> None:
        webhook = self._webhook(fault)
        webhook.signal(signal.SIGSTOP)
        self._wait(fault)
        webhook.signal(signal.SIGCONT)

    # The network

    def _cut(self, fault: Fault) -> dict[str, Any]:
        return {"connections": self._stack.links[fault.target.split()[1]].cut()}

    def _refuse(self, fault: Fault) -> None:
        link = self._stack.links[fault.target.split()[1]]
        link.refuse(True)
        self._wait(fault)
        link.refuse(False)

    def _stall(self, fault: Fault) -> None:
        link = self._stack.links[fault.target.split()[1]]
        link.stall(True)
        self._wait(fault)
        link.stall(False)

    def _swallow(self, fault: Fault) -> None:
        link = self._stack.links[fault.target.split()[1]]
        link.swallow(True)
        self._wait(fault)
        link.swallow(False)

    def _lose_replies(self, fault: Fault) -> dict[str, Any]:
        link = self._stack.links[fault.target.split()[1]]
        count = int(fault.details["count"])
        link.lose_replies(count)
        self._wait(fault)
        return {"lost": count - link.lose_replies(0)}

    # The provider

    def _outage(self, fault: Fault) -> None:
        control = self._stack.simulator.control
        control.start_outage(fault.details["mode"])
        self._wait(fault)
        control.end_outage()

    def _change_provider(self, fault: Fault) -> None:
        control = self._stack.simulator.control
        changes = dict(fault.details["faults"])
        before = control.faults()
        usual = {name: ALWAYS.get(name, before[name]) for name in changes}
        control.set_faults(**changes)
        self._wait(fault)
        control.set_faults(**usual)

    def _next(self, fault: Fault) -> None:
        self._stack.simulator.control.next_faults(fault.details["outcome"])

    def _tell_again(self, fault: Fault) -> dict[str, Any]:
        """Some campaign's reports once more, what was lost of them included."""
        with self._stack.server_lock, self._connect() as connection:
            rows = connection.execute(
                "select id::text from public.campaigns where total_sent > 0 order by created_at, id"
            ).fetchall()
        if not rows:
            return {"campaign": None}
        campaign = rows[int(fault.details["which"] * len(rows))][0]
        try:
            answer = self._stack.simulator.control.replay_reports(campaign=campaign)
        except ControlError as error:
            return {"campaign": campaign, "answer": str(error)}
        return {"campaign": campaign, "answer": answer}
