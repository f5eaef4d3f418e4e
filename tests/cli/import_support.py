"""A draft to import into."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.command import Answer, sendonce
from support.database import Connection, Database

#: Why a number without a plus is rejected where nothing is said about its country.
WITHOUT_A_CODE = (
    "without a country code: pass --region, such as DE, or --with-country-code if it has one"
)


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

    def imports(
        self, file: Path | str, *flags: str, stdin: bytes = b"", url: str | None = None
    ) -> Answer:
        return sendonce(
            "import",
            str(file),
            "--campaign",
            self.campaign,
            *flags,
            stdin=stdin,
            url=url or self.database.url,
        )


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
