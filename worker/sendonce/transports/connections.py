"""psycopg's pool of autocommit connections, and a direct try whenever there is no working pool.

The pool connects in the background, so by itself it can only say that it took too long. Hence a
pool lives only as long as its connections do: where one breaks, the whole pool is given up, since
its neighbours have probably broken too, and the next caller first connects directly. That either
says at once, and in the server's words, why not, or it opens a new pool. Retrying and waiting are
the business of the callers, who do it once for everything (worker.database_watch).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

#: Seconds a connection may lie idle before it is looked at before use: poolers and firewalls
#: close idle ones, and a claim sent into a dead connection costs a lease.
IDLE_BEFORE_CHECK = 1.0

#: Seconds after which a caller in the pool's queue looks whether that pool is still in use: one
#: who joins the queue at the moment at which a pool closes is never served there.
QUEUE_TIMEOUT = 1.0

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


class Connection(psycopg.AsyncConnection[tuple[Any, ...]]):
    """A connection that knows when it was used last, on the clock of time.monotonic()."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.used_at = time.monotonic()


Pool = AsyncConnectionPool[Connection]


def complete_conninfo(url: str) -> str:
    """Add DEFAULTS to a connection URL. Raises psycopg.ProgrammingError on an unreadable one."""
    given = conninfo_to_dict(url)
    return make_conninfo(url, **{key: value for key, value in DEFAULTS.items() if key not in given})


class Connections:
    """At most ``size`` connections, opened when needed.

    While a pool is given up, calls that are under way on it may finish there.
    """

    def __init__(self, url: str, size: int) -> None:
        self._conninfo = complete_conninfo(url)
        self._size = size
        self._direct_tries = asyncio.Semaphore(size)
        self._pool: Pool | None = None
        self._closings: set[asyncio.Task[None]] = set()
        self._closed = False

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection. One that broke meanwhile, or that a cancelled call left in the
        middle of a reply, is closed instead of being lent again.

        Raises psycopg.OperationalError, with the server's or the network's reason, when there is
        none. May wait as long as others use all of them.
        """
        pool, connection = await self._take()
        try:
            yield connection
        finally:
            await self._give_back(pool, connection)

    async def close(self) -> None:
        """Close what is idle now, and what comes back later when it does."""
        self._closed = True
        if self._pool is not None:
            self._give_up(self._pool)
        if self._closings:
            await asyncio.wait(self._closings)

    async def _take(self) -> tuple[Pool, Connection]:
        while True:
            pool = self._pool or await self._open()
            try:
                connection = await pool.getconn()
            except PoolClosed:
                self._give_up(pool)
                continue
            except PoolTimeout:
                continue
            try:
                if time.monotonic() - connection.used_at > IDLE_BEFORE_CHECK:
                    await pool.check_connection(connection)
            except psycopg.Error:
                # Nothing but a broken connection fails to do nothing.
                self._give_up(pool)
                await pool.putconn(connection)
            except BaseException:
                await self._give_back(pool, connection)
                raise
            else:
                return pool, connection

    async def _give_back(self, pool: Pool, connection: Connection) -> None:
        if connection.pgconn.transaction_status in (
            TransactionStatus.UNKNOWN,
            TransactionStatus.ACTIVE,
        ):
            self._give_up(pool)
        await pool.putconn(connection)

    async def _open(self) -> Pool:
        """A pool, after a direct try that raises psycopg.OperationalError where it fails."""
        if self._closed:
            raise PoolClosed("the connections are closed")
        # Side by side and not one for all: a try that hangs must not hold up a later one.
        async with self._direct_tries:
            if self._pool is None:
                connection = await Connection.connect(self._conninfo, autocommit=True)
                await connection.close()
        if self._pool is None and not self._closed:
            # A transaction pooler hands every transaction to another server connection, where a
            # prepared statement of an earlier one does not exist: so nothing is ever prepared.
            self._pool = Pool(
                self._conninfo,
                connection_class=Connection,
                kwargs={"autocommit": True, "prepare_threshold": None},
                open=False,
                min_size=0,
                max_size=self._size,
                timeout=QUEUE_TIMEOUT,
                # With this, returning is left to a task of the pool's own, so that a caller who
                # is cancelled while returning a connection cannot lose it and its place.
                reset=_note_use,
                # One more try, at once; its back-off would only add to the callers' own.
                reconnect_timeout=0,
                reconnect_failed=self._on_connect_failed,
            )
            await self._pool.open()
        if self._pool is None:
            raise PoolClosed("the connections were closed meanwhile")
        return self._pool

    async def _on_connect_failed(self, pool: Pool) -> None:
        # While others work, as where the server has no place for one more, the callers in the
        # queue wait for those.
        if pool.get_stats()["pool_size"] == 0:
            self._give_up(pool)

    def _give_up(self, pool: Pool) -> None:
        """Use this pool no more. Whoever waits in its queue is sent back to ``_take``."""
        if self._pool is pool:
            self._pool = None
            closing = asyncio.create_task(pool.close())
            self._closings.add(closing)
            closing.add_done_callback(self._closings.discard)


async def _note_use(connection: Connection) -> None:
    connection.used_at = time.monotonic()
