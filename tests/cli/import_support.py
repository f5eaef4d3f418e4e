"""A draft to import into, and the command that does it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.database import Connection, Database


@dataclass(frozen=True)
class Answer:
    code: int
    stdout: str
    stderr: str

    @property
    def result(self) -> dict[str, Any]:
        found = json.loads(self.stdout)
        assert isinstance(found, dict)
        return found


@dataclass(frozen=True)
class Draft:
    database: Database
    connection: Connection
    organization: str
    campaign: str

    def value(self, statement: str, *arguments: Any) -> Any:
        row = self.connection.execute(statement, arguments).fetchone()
        assert row is not None
        return row[0]

    def entries(self) -> dict[str, Any]:
        rows = self.connection.execute("select recipient, variables from public.send_queue")
        return dict(rows.fetchall())

    def sendonce(
        self, *arguments: str, stdin: bytes | None = None, url: str | None = None
    ) -> Answer:
        done = subprocess.run(
            command(*arguments),
            env=environment(url or self.database.url),
            input=stdin or b"",
            capture_output=True,
            check=False,
            timeout=120,
        )
        return Answer(done.returncode, done.stdout.decode(), done.stderr.decode())

    def imports(
        self, file: Path | str, *flags: str, stdin: bytes | None = None, url: str | None = None
    ) -> Answer:
        return self.sendonce(
            "import", str(file), "--campaign", self.campaign, *flags, stdin=stdin, url=url
        )


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "sendonce.cli.main", *arguments]


def environment(url: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("SENDONCE_")}
    return kept | {"SENDONCE_DATABASE_URL": url}


def made(database: Database, connection: Connection, variables: tuple[str, ...] = ()) -> Draft:
    """An organization with an account, a template of these variables, a price and a draft."""

    def call(function: str, *arguments: Any) -> Any:
        marks = ", ".join(["%s"] * len(arguments))
        row = connection.execute(f"select public.{function}({marks})", arguments).fetchone()
        assert row is not None
        return row[0]

    organization = call("create_organization", "Acme")
    account = call("upsert_account", organization, "whatsapp", "1", "Shop", "{}")
    options = json.dumps({"category": "MARKETING", "variables": list(variables)})
    template = call("upsert_template", organization, "whatsapp", "sale", "en", options)
    connection.execute(
        "insert into public.rates (provider, category, currency, prefix, rate, charge_on,"
        " valid_from)"
        " select 'whatsapp', 'MARKETING', a.currency, '+', 0.05, 'accepted',"
        " '2000-01-01'"
        " from public.provider_accounts a"
    )
    campaign = call("create_campaign", organization, "Spring", account, template, "{}")
    return Draft(database, connection, str(organization), str(campaign))
