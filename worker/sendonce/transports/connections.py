"""A small pool of autocommit connections that says at once, and exactly, why it cannot connect.

psycopg_pool connects in the background: its callers see only a time-out, the reason goes to a log
line per try, and after an outage its own back-off adds to ours. A worker that must start sending
again the moment the database is back wants the opposite, and needs little else of a pool.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

#: Seconds a connection may lie idle before it is looked at before use: poolers and firewalls
#: close idle ones, and a claim sent into a dead connection costs a lease.
IDLE_BEFORE_CHECK = 1.0

#: Connection parameters wherever the operator's URL does not say otherwise: notice within about
#: 25 s that the other machine is gone.
DEFAULTS: dict[str, str] = {
    "application_name": "sendonce-worker",
    "connect_timeout": "10",
    "keepalives": "1",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
}

Connection = psycopg.AsyncConnection[tuple[Any, ...]]


def complete_conninfo(url: str) -> str:
    """Add DEFAULTS to a connection URL. Raises psycopg.ProgrammingError on an unreadable one."""
    given = conninfo_to_dict(url)
    return make_conninfo(url, **{key: value for key, value in DEFAULTS.items() if key not in given})


class ConnectionPool:
    """At most ``size`` connections, opened when needed, the most recently used one first."""

    def __init__(self, url: str, size: int) -> None:
        self._conninfo = complete_conninfo(url)
        self._places = asyncio.Semaphore(size)
        self._idle: list[tuple[Connection, float]] = []
        self._broken_at = 0.0
        self._closed = False

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection; one that broke meanwhile is closed instead of being kept.

        Raises psycopg.OperationalError when none can be opened.
        """
        async with self._places:
            connection = await self._take_idle() or await self._connect()
            try:
                yield connection
            except BaseException:
                # Also on cancellation: a reply may still be under way on this connection.
                if connection.pgconn.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                    await _close(connection)
                await self._put_back(connection)
                raise
            else:
                await self._put_back(connection)

    async def close(self) -> None:
        """Close what is idle now, and what comes back later when it does."""
        self._closed = True
        while self._idle:
            await _close(self._idle.pop()[0])

    async def _connect(self) -> Connection:
        # A transaction pooler hands every transaction to another server connection, where a
        # prepared statement of an earlier one does not exist: so nothing is ever prepared.
        return await psycopg.AsyncConnection.connect(
            self._conninfo, autocommit=True, prepare_threshold=None
        )

    async def _take_idle(self) -> Connection | None:
        while self._idle:
            connection, since = self._idle.pop()
            fresh = since > max(self._broken_at, time.monotonic() - IDLE_BEFORE_CHECK)
            if not connection.closed and (fresh or _is_silent(connection)):
                return connection
            await _close(connection)
        return None

    async def _put_back(self, connection: Connection) -> None:
        if connection.closed:
            # Where one broke, its neighbours may have broken too.
            self._broken_at = time.monotonic()
        if self._closed or connection.closed:
            await _close(connection)
        else:
            self._idle.append((connection, time.monotonic()))


def _is_silent(connection: Connection) -> bool:
    """Whether nothing waits to be read, as on every healthy idle connection.

    What waits there is the end of the stream or the server's farewell.
    """
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return not poll.poll(0)


async def _close(connection: Connection) -> None:
    with contextlib.suppress(psycopg.Error):
        await connection.close()
