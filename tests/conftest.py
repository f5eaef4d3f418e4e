"""PostgreSQL for the tests: one server for the run, a fresh database for every test."""

import secrets
from collections.abc import Iterator
from itertools import count

import pytest

from support.database import (
    Connection,
    Database,
    create_database,
    drop_database,
)
from support.postgres_source import PostgresSource, postgres_source
from support.template import template_database

_SOURCE = pytest.StashKey[PostgresSource]()
_numbers = count(1)


@pytest.fixture(scope="session")
def postgres(pytestconfig: pytest.Config) -> Iterator[PostgresSource]:
    """The server of this run, wherever it comes from; see support/postgres_source.py."""
    with postgres_source() as source:
        pytestconfig.stash[_SOURCE] = source
        yield source


@pytest.fixture(scope="session")
def _template(postgres: PostgresSource) -> Iterator[str]:
    with template_database(postgres.url) as template:
        yield template.name


@pytest.fixture
def database(postgres: PostgresSource, _template: str) -> Iterator[Database]:
    """A fresh database with the schema installed, dropped after the test."""
    name = f"{_template.replace('template', 'test')}_{next(_numbers)}"
    database = create_database(postgres.url, name, template=_template)
    try:
        yield database
    finally:
        drop_database(postgres.url, name)


@pytest.fixture
def empty_database(postgres: PostgresSource) -> Iterator[Database]:
    """A fresh database without anything in it, dropped after the test."""
    name = f"sendonce_empty_{secrets.token_hex(4)}"
    database = create_database(postgres.url, name)
    try:
        yield database
    finally:
        drop_database(postgres.url, name)


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    """A connection to the test's database as its owner, in autocommit mode."""
    with database.connect() as connection:
        yield connection


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say which PostgreSQL it was."""
    source = config.stash.get(_SOURCE, None)
    if source is None:
        return
    terminalreporter.write_sep("-", "PostgreSQL of this run")
    terminalreporter.write_line(source.description)
    for note in source.notes:
        terminalreporter.write_line(f"passed over: {note}")
