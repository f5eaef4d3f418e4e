"""The worker surface over a PostgreSQL connection, direct or through a transaction pooler."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg

from sendonce.transports.base import (
    Account,
    CallRefusedError,
    Claim,
    ClaimGoneError,
    DatabaseAwayError,
    DatabaseBusyError,
    DatabaseUnfitError,
    Dispatch,
    Entry,
    NothingToClaim,
    Recorded,
    RefusedEntry,
    Released,
    Result,
    Swept,
    Template,
    TransportError,
)
from sendonce.transports.connections import Connections

#: Seconds after which a call counts as lost. Every call is short; one that hangs is a dead network.
CALL_TIMEOUT = 15.0

#: Every function this transport calls, with the arguments it names.
FUNCTIONS: dict[str, tuple[str, ...]] = {
    "claim_messages": ("_worker", "_account_id", "_limit"),
    "begin_dispatch": ("_claim_id", "_entry_ids"),
    "record_results": ("_claim_id", "_results"),
    "renew_claims": ("_claim_ids",),
    "release_claim": ("_claim_id",),
    "expire_claims": ("_limit",),
    "settle_overdue_unknown": ("_limit",),
    "sweep_cancelled": ("_limit",),
    "start_due_campaigns": ("_limit",),
    "sweep_reports": ("_limit",),
    "worker_heartbeat": ("_worker", "_info"),
    "schema_version": (),
}

_TYPES = {
    "_worker": "text",
    "_account_id": "uuid",
    "_limit": "integer",
    "_claim_id": "bigint",
    "_entry_ids": "bigint[]",
    "_results": "jsonb",
    "_claim_ids": "bigint[]",
    "_info": "jsonb",
}

_STATEMENTS = {
    name: f"select public.{name}("
    + ", ".join(f"{argument} => %s::{_TYPES[argument]}" for argument in arguments)
    + ")"
    for name, arguments in FUNCTIONS.items()
}

# A function in public is a wrapper of one in sendonce, which needs its grant too. Arguments are
# compared by name and not by signature, because signatures may grow.
_UNUSABLE = """
with wanted as (
    select w.name, w.arguments
    from unnest(%s::text[], %s::text[]) as u(name, arguments),
        lateral (select u.name, string_to_array(u.arguments, ',') as arguments) w
), found as (
    select n.nspname as schema, p.proname as name, p.oid,
        coalesce(p.proargnames, '{}') as arguments
    from pg_catalog.pg_proc p
    join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    where n.nspname in ('public', 'sendonce')
)
select w.name,
    case
        when not exists (
            select from found f where f.schema = 'public' and f.name = w.name
        ) then 'does not exist'
        when not exists (
            select from found f
            where f.schema = 'public' and f.name = w.name and f.arguments @> w.arguments
        ) then 'does not take the arguments ' || array_to_string(w.arguments, ', ')
        when exists (
            select from found f
            where f.name = w.name and not has_function_privilege(f.oid, 'execute')
        ) then 'may not be executed by role ' || current_user
        when exists (
            select from found f
            where f.name = w.name and not has_schema_privilege(f.schema, 'usage')
        ) then 'lies in a schema that role ' || current_user || ' may not use'
    end
from wanted w
"""

_AWAY = ("08", "57P", "53300", "25006")
_BUSY = ("40", "55P03", "57014", "53")
_UNFIT = ("28", "3D000", "3F000", "42883", "42501", "42P01")

# libpq gives no SQLSTATE for a connection that was refused, only the server's words.
_LOGIN_REFUSED = (
    "authentication failed",
    "no password supplied",
    "no pg_hba.conf entry",
    "does not exist",
    "permission denied for database",
)


class PostgresTransport:
    """Calls the worker's functions over psycopg; each call is a transaction of its own."""

    def __init__(self, url: str, *, connections: int) -> None:
        self._connections = Connections(url, connections)

    async def claim_messages(
        self, worker: str, account_id: str | None, limit: int
    ) -> Claim | NothingToClaim:
        answer = await self._call("claim_messages", worker, account_id, limit)
        if answer["claim_id"] is None:
            return NothingToClaim(wait_seconds=float(answer["wait_seconds"]))
        return _claim(answer)

    async def begin_dispatch(self, claim_id: int, entry_ids: Sequence[int]) -> Dispatch:
        answer = await self._call("begin_dispatch", claim_id, list(entry_ids))
        return Dispatch(
            lease_seconds=float(answer["lease_seconds"]),
            dispatched=tuple(answer["dispatched"]),
            refused=_refused(answer),
            later=tuple(answer.get("later", ())),
            later_seconds=float(answer.get("later_seconds", 0)),
        )

    async def record_results(self, claim_id: int, results: Sequence[Result]) -> Recorded:
        answer = await self._call("record_results", claim_id, _json_of(results))
        return Recorded(
            recorded=answer["recorded"],
            already=answer["already"],
            refused=_refused(answer),
            claim_open=answer["claim_open"],
            counts=_counts(answer, without=("recorded", "already")),
        )

    async def renew_claims(self, claim_ids: Sequence[int]) -> Mapping[int, float]:
        answer = await self._call("renew_claims", list(claim_ids))
        return {row["claim_id"]: float(row["lease_seconds"]) for row in answer["claims"]}

    async def release_claim(self, claim_id: int) -> Released:
        answer = await self._call("release_claim", claim_id)
        return Released(released=answer["released"], claim_open=answer["claim_open"])

    async def expire_claims(self, limit: int) -> Swept:
        return _swept(await self._call("expire_claims", limit))

    async def settle_overdue_unknown(self, limit: int) -> Swept:
        return _swept(await self._call("settle_overdue_unknown", limit))

    async def sweep_cancelled(self, limit: int) -> Swept:
        return _swept(await self._call("sweep_cancelled", limit))

    async def start_due_campaigns(self, limit: int) -> Swept:
        return _swept(await self._call("start_due_campaigns", limit))

    async def sweep_reports(self, limit: int) -> Swept:
        return _swept(await self._call("sweep_reports", limit))

    async def worker_heartbeat(self, worker: str, info: Mapping[str, Any]) -> int:
        answer = await self._call("worker_heartbeat", worker, json.dumps(info))
        return int(answer["schema_version"])

    async def schema_version(self) -> int:
        return int(await self._call("schema_version"))

    async def unusable_functions(self) -> Sequence[str]:
        names = list(FUNCTIONS)
        arguments = [",".join(FUNCTIONS[name]) for name in names]
        rows = await self._rows(_UNUSABLE, (names, arguments))
        return [f"function public.{name} {reason}" for name, reason in rows if reason is not None]

    async def close(self) -> None:
        await self._connections.close()

    async def _call(self, function: str, *arguments: Any) -> Any:
        rows = await self._rows(_STATEMENTS[function], arguments)
        return rows[0][0]

    async def _rows(self, statement: str, arguments: Sequence[Any]) -> list[tuple[Any, ...]]:
        try:
            async with asyncio.timeout(CALL_TIMEOUT), self._connections.connection() as connection:
                cursor = await connection.execute(statement, arguments)
                return await cursor.fetchall()
        except TimeoutError:
            raise DatabaseAwayError(f"no answer within {CALL_TIMEOUT:g} s") from None
        except psycopg.Error as error:
            raise transport_error(error) from error
        except OSError as error:
            raise DatabaseAwayError(str(error)) from error


def transport_error(error: psycopg.Error) -> TransportError:
    """Say what a psycopg error means for the worker."""
    sqlstate = error.sqlstate
    message = _one_line(error)
    if sqlstate is None:
        if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
            if any(words in message for words in _LOGIN_REFUSED):
                return DatabaseUnfitError(message)
            return DatabaseAwayError(message)
        return CallRefusedError("?", message)
    if sqlstate in ("SO020", "SO021"):
        return ClaimGoneError(sqlstate, message)
    if sqlstate.startswith(_AWAY):
        return DatabaseAwayError(message)
    if sqlstate.startswith(_BUSY):
        return DatabaseBusyError(f"{message} ({sqlstate})")
    if sqlstate.startswith(_UNFIT):
        return DatabaseUnfitError(f"{message} ({sqlstate})")
    return CallRefusedError(sqlstate, message)


def _one_line(error: psycopg.Error) -> str:
    """The server's primary message, or the client's words, without what follows on later lines."""
    text = error.diag.message_primary or str(error) or type(error).__name__
    return " ".join(text.split())


def _claim(answer: Mapping[str, Any]) -> Claim:
    account = answer["account"]
    rate = answer["rate"]
    return Claim(
        claim_id=answer["claim_id"],
        lease_seconds=float(answer["lease_seconds"]),
        rate=None if rate is None else float(rate),
        account=Account(id=account["id"], provider=account["provider"], sender=account["sender"]),
        templates={
            template_id: Template(
                name=template["name"],
                language=template["language"],
                category=template.get("category"),
                variables=tuple(template["variables"]),
                body=template.get("body"),
            )
            for template_id, template in answer["templates"].items()
        },
        entries=tuple(
            Entry(
                entry_id=entry["entry_id"],
                attempt=entry["attempt"],
                recipient=entry["recipient"],
                reference=entry["reference"],
                template_id=entry["template_id"],
                variables=entry["variables"],
                units=entry["units"],
            )
            for entry in answer["entries"]
        ),
    )


def _json_of(results: Sequence[Result]) -> str:
    return json.dumps(
        [
            {
                "entry_id": result.entry_id,
                "attempt": result.attempt,
                "outcome": result.outcome,
                "provider_message_id": result.provider_message_id,
                "http_status": result.http_status,
                "code": result.code,
                "message": result.message,
                "retry_after": result.retry_after,
                "message_status": result.message_status,
            }
            for result in results
        ]
    )


def _refused(answer: Mapping[str, Any]) -> tuple[RefusedEntry, ...]:
    return tuple(
        RefusedEntry(entry_id=row["entry_id"], status=row.get("status"), reason=row.get("reason"))
        for row in answer["refused"]
    )


def _swept(answer: Mapping[str, Any]) -> Swept:
    return Swept(counts=_counts(answer, without=("more",)), more=answer["more"])


def _counts(answer: Mapping[str, Any], *, without: tuple[str, ...]) -> dict[str, int]:
    return {
        key: value
        for key, value in answer.items()
        if key not in without and isinstance(value, int) and not isinstance(value, bool)
    }
