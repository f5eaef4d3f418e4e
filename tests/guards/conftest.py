"""One scratch database with pgTAP in it, for all mutations: each is undone with its transaction."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from os import environ
from pathlib import Path
from typing import Final

import pytest

from pgtap.run import connection_variables, find_psql, load_pgtap
from support.database import Database
from support.postgres_source import PostgresSource
from support.template import template_database

PGTAP: Final = Path(__file__).resolve().parents[1] / "pgtap"
_MARK: Final = "the guard is gone"


@dataclass(frozen=True)
class Verdict:
    """What a pgTAP file said."""

    failed: tuple[str, ...]
    """The lines of the assertions that did not hold."""
    error: str
    """What the database said when it ended the file, or nothing."""


@dataclass(frozen=True)
class Laboratory:
    """Runs one pgTAP file after statements of one's own, in one transaction that is rolled back."""

    database: Database

    def run(self, file: str, *before: str) -> Verdict:
        """Run the file with these statements before it. They themselves must succeed."""
        psql, libraries = find_psql()
        script = "\n".join(
            ["begin;", *before, f"\\echo {_MARK}", (PGTAP / f"{file}.sql").read_text("utf-8")]
        )
        options = "--no-psqlrc --no-align --quiet --tuples-only --set=ON_ERROR_STOP=1 --file=-"
        answer = subprocess.run(
            [psql, *options.split()],
            input=script,
            env={**environ, **libraries, **connection_variables(self.database.url)},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert _MARK in answer.stdout, f"the guard could not be taken away: {answer.stderr}"
        lines = answer.stdout.splitlines()
        return Verdict(
            tuple(line for line in lines if line.startswith("not ok")),
            "" if answer.returncode == 0 else answer.stderr,
        )


@pytest.fixture(scope="session")
def laboratory(postgres: PostgresSource) -> Iterator[Laboratory]:
    """A database of its own, thrown away afterwards."""
    with template_database(postgres.url) as database:
        load_pgtap(database)
        yield Laboratory(database)


@cache
def _passes(laboratory: Laboratory, file: str) -> Verdict:
    return laboratory.run(file)


def passes_untouched(laboratory: Laboratory, file: str) -> Verdict:
    """Return what the file says of the schema as it is; asked once per file."""
    return _passes(laboratory, file)
