"""Everything that can be known to be wrong before the first claim, said in one line each."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping

import structlog

from sendonce.errors import CommandError
from sendonce.providers.whatsapp import TOKEN_VARIABLE
from sendonce.transports.base import CallRefusedError, DatabaseAwayError, Transport, TransportError
from sendonce.worker import stop_points

#: The schema this worker was written for. Migrations only add, so a newer one would do as well;
#: it is refused all the same, because a newer schema may expect a newer worker's outcomes.
SCHEMA_VERSION = 1


def check_environment(environment: Mapping[str, str]) -> None:
    """Raises CommandError where no account could be served, or a stop point is misspelt."""
    point = stop_points.unknown_point()
    if point is not None:
        raise CommandError(
            f"{stop_points.VARIABLE}: no point is called {point!r}; "
            f"there are {', '.join(stop_points.POINTS)}"
        )
    if not any(
        value and (name == TOKEN_VARIABLE or name.startswith(f"{TOKEN_VARIABLE}_"))
        for name, value in environment.items()
    ):
        raise CommandError(
            f"{TOKEN_VARIABLE} is not set, nor any {TOKEN_VARIABLE}_<PHONE_NUMBER_ID>: "
            "no account could send anything"
        )


async def check_database(transport: Transport, patience: float) -> None:
    """Wait up to ``patience`` seconds for the database, then see that it fits.

    Raises CommandError with one line for everything that does not.
    """
    unusable = await _first_answer(transport, patience)
    if unusable:
        raise CommandError(
            "\n".join(
                f"{fault}; install the schema of this version, or grant EXECUTE to the role in "
                "SENDONCE_DATABASE_URL"
                for fault in unusable
            )
        )
    try:
        installed = await transport.schema_version()
    except TransportError as error:
        raise CommandError(f"schema_version() cannot be called: {error}") from error
    if installed != SCHEMA_VERSION:
        raise CommandError(
            f"the database has schema version {installed}, this worker needs {SCHEMA_VERSION}: "
            + ("migrate the database" if installed < SCHEMA_VERSION else "install a newer worker")
        )


async def first_heartbeat(transport: Transport, worker_name: str) -> None:
    """The first call that writes. Raises CommandError where the database does not let it."""
    try:
        await transport.worker_heartbeat(worker_name, {})
    except TransportError as error:
        raise CommandError(f"worker_heartbeat() cannot be called: {error}") from error


async def _first_answer(transport: Transport, patience: float) -> list[str]:
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + patience
    waited = False
    while True:
        try:
            return list(await transport.unusable_functions())
        except DatabaseAwayError as error:
            # It may only be restarting; a process manager should not have to know.
            if loop.time() >= give_up_at:
                raise CommandError(
                    f"the database in SENDONCE_DATABASE_URL does not answer: {error}"
                ) from error
            if not waited:
                structlog.get_logger().warning("database.away", reason=str(error))
                waited = True
        except CallRefusedError as error:
            raise CommandError(f"the database cannot be inspected: {error}") from error
        except TransportError as error:
            raise CommandError(
                f"the database in SENDONCE_DATABASE_URL refuses this worker: {error}"
            ) from error
        await asyncio.sleep(random.uniform(0.25, 0.75))  # noqa: S311 -- spreads load
