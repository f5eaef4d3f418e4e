"""Runs the real command, and spoils rows the way an owner with a bad day can."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Any, LiteralString

from support.database import Connection, Database


@dataclass(frozen=True)
class Answer:
    """What the command said."""

    code: int
    stdout: str
    stderr: str

    def json(self) -> Any:
        """Its result, which must be one JSON document."""
        return json.loads(self.stdout)


def sendonce(*arguments: str, url: str | None = None, **environment: str) -> Answer:
    """Run the command to its end; nothing of this process's own settings leaks in."""
    ours = ("SENDONCE_", "WHATSAPP_")
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    if url is not None:
        inherited["SENDONCE_DATABASE_URL"] = url
    done = subprocess.run(
        [sys.executable, "-m", "sendonce.cli.main", *arguments],
        env={**inherited, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def spoil(database: Database, statement: LiteralString, *arguments: Any) -> None:
    """Change rows behind the back of every guard and counter."""
    with database.connect() as connection:
        connection.execute("set session_replication_role = replica")
        changed = connection.execute(statement, arguments)
        assert changed.rowcount > 0, "nothing was spoilt"


def value(connection: Connection, query: LiteralString, *arguments: Any) -> Any:
    """The first value of the first row."""
    row = connection.execute(query, arguments).fetchone()
    assert row is not None
    return row[0]
