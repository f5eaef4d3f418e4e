"""A database of one test's own, and the ways to enter it."""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit
from uuid import UUID

import psycopg
from psycopg import sql

# In the tests' cluster only: the roles that enter by themselves get a password for this run.
_PASSWORD = secrets.token_urlsafe(18)

Connection = psycopg.Connection[Any]


def with_database(url: str, name: str) -> str:
    """Return the URL of another database of the same server."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{quote(name, safe='')}"))


def with_user(url: str, user: str, password: str) -> str:
    """Return the URL for another user."""
    parts = urlsplit(url)
    address = f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else parts.hostname
    port = "" if parts.port is None else f":{parts.port}"
    netloc = f"{quote(user, safe='')}:{quote(password, safe='')}@{address or ''}{port}"
    return urlunsplit(parts._replace(netloc=netloc))


@dataclass(frozen=True)
class Database:
    """One database, entered by URL."""

    url: str
    """As the owner."""

    @property
    def name(self) -> str:
        """The database's name."""
        return urlsplit(self.url).path.lstrip("/")

    @property
    def worker_url(self) -> str:
        """As `sendonce_worker`, which may call what a worker calls and read nothing."""
        return with_user(self.url, "sendonce_worker", _PASSWORD)

    def connect(self) -> Connection:
        """Connect as the owner, in autocommit mode. The caller closes it."""
        return psycopg.connect(self.url, autocommit=True)

    def connect_as_worker(self) -> Connection:
        """Connect as `sendonce_worker`, in autocommit mode."""
        return psycopg.connect(self.worker_url, autocommit=True)

    def connect_as(self, role: str, user_id: UUID | str | None = None) -> Connection:
        """Connect the way the API does: as `authenticator`, then the role of the token.

        `role` is anon, authenticated or service_role; `user_id` is the token's "sub". In
        autocommit mode; role and claims hold for the session.
        """
        connection: Connection = psycopg.connect(
            with_user(self.url, "authenticator", _PASSWORD), autocommit=True
        )
        claims: dict[str, str] = {"role": role}
        if user_id is not None:
            claims["sub"] = str(user_id)
        connection.execute(
            "select set_config('request.jwt.claims', %s, false)", [json.dumps(claims)]
        )
        connection.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
        return connection

    @contextmanager
    def as_member(self, user_id: UUID | str) -> Iterator[Connection]:
        """Enter as a signed-in user of the dashboard."""
        with self.connect_as("authenticated", user_id) as connection:
            yield connection


def let_roles_log_in(connection: Connection) -> None:
    """Give the roles that connect by themselves a password, in the tests' own cluster."""
    for role in ("sendonce_worker", "authenticator"):
        connection.execute(
            sql.SQL("alter role {} login password {}").format(
                sql.Identifier(role), sql.Literal(_PASSWORD)
            )
        )


def create_database(server_url: str, name: str, *, template: str = "template0") -> Database:
    """Create a database on the server and return it."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(
            sql.SQL("create database {} template {}").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
    return Database(with_database(server_url, name))


def drop_database(server_url: str, name: str) -> None:
    """Drop a database, throwing out whoever is still in it."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(
            sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name))
        )
