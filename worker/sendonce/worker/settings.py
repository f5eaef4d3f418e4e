"""The worker's settings: environment variables, and the flags that override them."""

from __future__ import annotations

import os
import socket
from typing import Any, Literal
from uuid import UUID

import psycopg
from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from sendonce.errors import CommandError
from sendonce.transports.connections import complete_conninfo

PREFIX = "SENDONCE_"

#: Where the flag is called otherwise than the setting.
_FLAGS = {"worker_name": "name", "account_id": "account"}


def default_worker_name() -> str:
    """Host name and process id."""
    return f"{socket.gethostname()}-{os.getpid()}"


class WorkerSettings(BaseSettings):
    """Read once at start; the names in the environment are these in capitals after SENDONCE_.

    Tokens are not here: adapters look them up in the environment, so that no settings object that
    is printed by accident holds one.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", env_ignore_empty=True)

    #: A PostgreSQL URL or connection string, of the role sendonce_worker or service_role.
    database_url: str = Field(repr=False)
    #: What this worker is called in the database. Several may have the same name.
    worker_name: str = Field(default_factory=default_worker_name, min_length=1, max_length=200)
    #: Serve only this account; otherwise the database picks the next one that has work.
    account_id: UUID | None = None
    #: Entries asked for in one claim.
    batch: int = Field(default=100, ge=1, le=1000)
    #: Requests in flight at a time.
    concurrency: int = Field(default=64, ge=1, le=5_000)
    #: Seconds from the start of a request to the last byte of its reply.
    request_timeout: float = Field(default=15.0, gt=0, le=300, allow_inf_nan=False)
    #: Connections to the database, at most.
    database_connections: int = Field(default=8, ge=2, le=100)
    #: Seconds to wait at start for a database that does not answer.
    start_timeout: float = Field(default=10.0, ge=0, le=3600, allow_inf_nan=False)
    #: Seconds a stop waits for results that cannot be recorded, beyond the requests in flight.
    stop_timeout: float = Field(default=30.0, ge=0, le=3600, allow_inf_nan=False)
    #: The Cloud API with its version.
    whatsapp_url: str = "https://graph.facebook.com/v25.0"
    log_format: Literal["console", "json"] = "console"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("database_url")
    @classmethod
    def _database_url_is_readable(cls, value: str) -> str:
        try:
            complete_conninfo(value)
        except psycopg.ProgrammingError as error:
            # Never the value itself: it holds a password.
            raise ValueError("is not a PostgreSQL connection URL") from error
        return value

    @field_validator("whatsapp_url")
    @classmethod
    def _whatsapp_url_is_http(cls, value: str) -> str:
        if not value.startswith(("https://", "http://")):
            raise ValueError("must start with https:// or http://")
        return value


def read_settings(**flags: Any) -> WorkerSettings:
    """Settings from the environment, flags first. Raises CommandError, one line for each fault."""
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        return WorkerSettings(**given)
    except ValidationError as error:
        raise CommandError("\n".join(_line(fault, given) for fault in error.errors())) from None


def _line(fault: Any, flags: dict[str, Any]) -> str:
    name = str(fault["loc"][0])
    variable = PREFIX + name.upper()
    flag = _FLAGS.get(name, name).replace("_", "-")
    where = f"--{flag}" if name in flags else variable
    if fault["type"] == "missing":
        return f"{variable} is not set; see docs/DEPLOY.md for the worker's settings"
    message = fault["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    value = "" if name == "database_url" else f" (it is {fault['input']!r})"
    return f"{where}: {message}{value}"
