"""Servers of every supported version, and projects as Supabase makes them."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from schema.supabase_cli import SupabaseCli
from sendonce.local.postgres import LocalPostgres
from sendonce.local.postgres_sources import find_installation
from sendonce.local.supabase_roles import DefaultPrivileges, prepare_like_supabase
from support.database import Connection, Database

VERSIONS = (15, 17, 18)


@pytest.fixture(scope="session", params=VERSIONS, ids=lambda major: f"PostgreSQL {major}")
def major(request: pytest.FixtureRequest) -> int:
    """Every version that Sendonce promises to run on, one after the other."""
    version: int = request.param
    return version


@pytest.fixture(scope="session")
def bare_server(major: int) -> Iterator[LocalPostgres]:
    """A server that has never heard of Supabase: none of its roles exists."""
    with LocalPostgres(find_installation(major=major), fsync=False) as server:
        yield server


@pytest.fixture(scope="session")
def supabase_server(major: int) -> Iterator[LocalPostgres]:
    """A server for databases made to look like Supabase's."""
    with LocalPostgres(find_installation(major=major), fsync=False) as server:
        yield server


@dataclass(frozen=True)
class Project:
    """A database like a hosted project's: its owner makes roles, but is no superuser."""

    database: Database
    superuser_url: str
    default_privileges: DefaultPrivileges


def create_project(server: LocalPostgres, default_privileges: DefaultPrivileges) -> Project:
    """Make one. Its owner has what `postgres` has in a hosted project."""
    owner = f"owner_{secrets.token_hex(4)}"
    password = secrets.token_urlsafe(18)
    name = f"project_{secrets.token_hex(4)}"
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(
            sql.SQL("create role {} login createrole createdb bypassrls password {}").format(
                sql.Identifier(owner), sql.Literal(password)
            )
        )
        connection.execute(
            sql.SQL("create database {} owner {} template template0").format(
                sql.Identifier(name), sql.Identifier(owner)
            )
        )
    with psycopg.connect(server.url(name), autocommit=True) as connection:
        prepare_like_supabase(connection, default_privileges=default_privileges, owner=owner)
        connection.execute(
            sql.SQL(
                "grant anon, authenticated, service_role, authenticator to {} with admin option"
            ).format(sql.Identifier(owner))
        )
    url = server.url(name, user=owner, password=password)
    return Project(Database(url), server.url(name), default_privileges)


@pytest.fixture(params=["granted", "withheld"])
def project(request: pytest.FixtureRequest, supabase_server: LocalPostgres) -> Project:
    """A project of either age: with the API's roles let in by default, and not."""
    return create_project(supabase_server, request.param)


@pytest.fixture
def supabase(tmp_path: Path) -> SupabaseCli:
    """The CLI, in a directory whose path has a space in it."""
    directory = tmp_path / "a project"
    directory.mkdir()
    return SupabaseCli.in_directory(directory)


@pytest.fixture
def project_connection(project: Project) -> Iterator[Connection]:
    """A connection to the project's database as its owner, in autocommit mode."""
    with project.database.connect() as connection:
        yield connection
