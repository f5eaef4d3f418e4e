"""Sessions that run one call each, in threads, and the moves of a campaign between them.

Nothing here proves anything by sleeping: `Call.blocked_by` returns once the server itself says that
the one session waits for the other, and `Call.result` once the call has returned.
"""

import json
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import psycopg

from support.database import Connection, Database

FIXTURES: Final = Path(__file__).resolve().parents[1] / "pgtap" / "support" / "core_fixtures.sql"

# Only ever reached by a test that fails.
_PATIENCE: Final = 30.0


class Call:
    """One statement under way in a session of its own."""

    def __init__(self, session: Connection, statement: str, parameters: Sequence[Any]) -> None:
        """Start it."""
        self._session = session
        self._value: Any = None
        self._error: psycopg.Error | None = None
        self._thread = threading.Thread(target=self._run, args=(statement, parameters), daemon=True)
        self._thread.start()

    def _run(self, statement: str, parameters: Sequence[Any]) -> None:
        try:
            row = self._session.execute(statement, parameters).fetchone()
            self._value = None if row is None else row[0]
        except psycopg.Error as error:
            self._error = error

    def blocked_by(self, holder: Connection, watcher: Connection) -> None:
        """Return when the server says that this session waits for `holder`."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            row = watcher.execute(
                "select %s = any (pg_blocking_pids(%s))",
                [holder.info.backend_pid, self._session.info.backend_pid],
            ).fetchone()
            if row is not None and row[0]:
                return
            assert self._thread.is_alive(), f"did not wait: {self._error or self._value}"
            time.sleep(0.002)
        raise AssertionError("neither waited nor returned")

    def waits_or_returned(self, watcher: Connection) -> None:
        """Return when the call has returned, or the server says that it waits for somebody."""
        deadline = time.monotonic() + _PATIENCE
        while self._thread.is_alive():
            row = watcher.execute(
                "select cardinality(pg_blocking_pids(%s)) > 0", [self._session.info.backend_pid]
            ).fetchone()
            if row is not None and row[0]:
                return
            assert time.monotonic() < deadline, "neither waited nor returned"
            time.sleep(0.002)

    def result(self) -> Any:
        """Wait for the call and return the first column of its first row, or raise its error."""
        self._thread.join(_PATIENCE)
        assert not self._thread.is_alive(), "the call did not return"
        if self._error is not None:
            raise self._error
        return self._value


class World:
    """A database with the fixtures, a clock that tests move, and sessions in it."""

    def __init__(self, database: Database, *, longest_wait: str = "20s") -> None:
        """Load the fixtures, and a clock that runs ahead by what `advance` says.

        `longest_wait`: how long a call may wait for a lock until it fails.
        """
        self._database = database
        self._longest_wait = longest_wait
        self._sessions: list[Connection] = []
        self.owner = self.session()
        self.owner.execute(FIXTURES.read_bytes())
        self.owner.execute(
            """
            create table core.clock (ahead interval not null);
            insert into core.clock values ('0');
            create or replace function sendonce.now()
            returns timestamptz
            language sql
            volatile
            set search_path = ''
            as $$
                select pg_catalog.clock_timestamp() + c.ahead from core.clock c;
            $$;
            """
        )

    def session(self) -> Connection:
        """Open another session, in autocommit mode; inside `transaction()` it is not."""
        session = self._database.connect()
        # A wait that should not be must fail the test, not hang it.
        session.execute("select set_config('lock_timeout', %s, false)", [self._longest_wait])
        self._sessions.append(session)
        return session

    def close(self) -> None:
        """End all sessions."""
        for session in self._sessions:
            session.cancel()
            session.close()

    def call(self, session: Connection, statement: str, *parameters: Any) -> Call:
        """Start a statement in a session."""
        return Call(session, statement, parameters)

    def value(self, statement: str, *parameters: Any) -> Any:
        """Run a statement as the owner and return the first column of its first row."""
        row = self.owner.execute(statement, parameters).fetchone()
        return None if row is None else row[0]

    def advance(self, interval: str) -> None:
        """Set everybody's clock forward."""
        self.owner.execute("update core.clock set ahead = ahead + %s::interval", [interval])

    def campaign(self, contacts: int, **options: Any) -> UUID:
        """Make a running campaign in a world of its own; see core.world."""
        made = self.value("select core.world(%s, %s::jsonb)", contacts, json.dumps(options))
        assert isinstance(made, UUID)
        return made

    def another_campaign(self, of: UUID, contacts: int) -> UUID:
        """Make one more running campaign with the account and template of another."""
        made = self.value(
            "select core.campaign(core.account_of(%s), core.template_of(%s), %s)", of, of, contacts
        )
        assert isinstance(made, UUID)
        return made

    def entry(self, campaign: UUID, number: int = 1) -> int:
        """Return the id of the campaign's entry with this number, from 1."""
        return int(self.value("select core.entry(%s, %s)", campaign, number))

    def entries(self, campaign: UUID) -> list[int]:
        """Return all ids of the campaign, in their order."""
        rows = self.owner.execute(
            "select id from send_queue where campaign_id = %s order by id", [campaign]
        )
        return [int(row[0]) for row in rows]

    def hand_out(self, campaign: UUID, limit: int = 1000) -> int:
        """Claim and dispatch; return the claim's id."""
        return int(self.value("select core.hand_out(%s, %s)", campaign, limit))

    def state(self, entry: int) -> str:
        """Return status and, after a slash, delivery status."""
        return str(self.value("select core.state(%s)", entry))

    def status(self, campaign: UUID) -> str:
        """Return the campaign's status."""
        return str(self.value("select core.campaign_status(%s)", campaign))

    def counter(self, campaign: UUID, name: str) -> str:
        """Return one column of the campaign as text."""
        return str(self.value("select core.counter(%s, %s)", campaign, name))

    def sound(self, *campaigns: UUID) -> None:
        """Assert that the counters are the rows, and that nothing is held by no claim."""
        for campaign in campaigns:
            rows = self.owner.execute("select core.differences(%s)", [campaign]).fetchall()
            assert rows == []
        orphans = self.owner.execute(
            "select id from send_queue q where status = 'processing' and not exists "
            "(select from claims k where k.id = q.claim_id and q.id = any (k.entry_ids))"
        ).fetchall()
        assert orphans == []


def result(entry: int, outcome: str, attempt: int = 1, **more: Any) -> dict[str, Any]:
    """Return one result as record_results takes it."""
    told: dict[str, Any] = {"entry_id": entry, "attempt": attempt, "outcome": outcome}
    if outcome == "accepted":
        told["provider_message_id"] = f"wamid.{entry}.{attempt}"
    return told | more


RECORD: Final = "select record_results(%s, %s::jsonb)"
REPORT: Final = "select core.report(%s, %s)"
INGEST: Final = "select ingest_delivery_reports('whatsapp', %s::jsonb)"


def results(*told: dict[str, Any]) -> str:
    """Return results as the argument of record_results."""
    return json.dumps(told)
