"""Everything that can be known to be wrong before the first claim, said in one line each."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import structlog

from sendonce.errors import CommandError
from sendonce.providers.whatsapp import TOKEN_VARIABLE
from sendonce.transports.base import (
    CallRefusedError,
    DatabaseAwayError,
    DatabaseBusyError,
    Transport,
    TransportError,
)
from sendonce.worker import stop_points

#: The schema this worker was written for. Migrations only add, so a newer one would do as well;
#: it is refused all the same, because a newer schema may expect a newer worker's outcomes.
SCHEMA_VERSION = 1

Answer = TypeVar("Answer")


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


async def check_database(transport: Transport, worker_name: str, patience: float) -> None:
    """Wait up to ``patience`` seconds for the database, then see that it fits.

    Raises CommandError with one line for everything that does not.
    """
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + patience
    unusable = await _answer(transport.unusable_functions, "the database", give_up_at)
    if unusable:
        raise CommandError(
            "\n".join(
                f"{fault}; install the schema of this version, or grant EXECUTE to the role in "
                "SENDONCE_DATABASE_URL"
                for fault in unusable
            )
        )
    installed = await _answer(transport.schema_version, "schema_version()", give_up_at)
    if installed != SCHEMA_VERSION:
        raise CommandError(
            f"the database has schema version {installed}, this worker needs {SCHEMA_VERSION}: "
            + ("migrate the database" if installed < SCHEMA_VERSION else "install a newer worker")
        )
    # The first call that writes.
    await _answer(
        lambda: transport.worker_heartbeat(worker_name, {}), "worker_heartbeat()", give_up_at
    )


async def _answer(call: Callable[[], Awaitable[Answer]], what: str, give_up_at: float) -> Answer:
    """Call until the database answers.

    It may only be restarting, at any of these calls; a process manager should not have to know.
    """
    loop = asyncio.get_running_loop()
    waited = False
    while True:
        try:
            return await call()
        except (DatabaseAwayError, DatabaseBusyError) as error:
            if loop.time() >= give_up_at:
                raise CommandError(
                    f"the database in SENDONCE_DATABASE_URL does not answer: {error}"
                ) from error
            if not waited:
                structlog.get_logger().warning("database.away", reason=str(error))
                waited = True
        except CallRefusedError as error:
            refused = "inspected" if what == "the database" else "called"
            raise CommandError(f"{what} cannot be {refused}: {error}") from error
        except TransportError as error:
            raise CommandError(
                f"the database in SENDONCE_DATABASE_URL refuses this worker: {error}"
            ) from error
        await asyncio.sleep(random.uniform(0.25, 0.75))  # noqa: S311 -- spreads load
