"""``sendonce doctor``: looks at everything around a campaign that may be wrong."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from sendonce.cli import output
from sendonce.cli.counted import counted
from sendonce.cli.database import Connection, Url, connected, database_url

if TYPE_CHECKING:
    from sendonce.doctor.finding import Finding

_STYLES = {"ok": "green", "not_checked": "dim", "warning": "yellow", "error": "bold red"}
_WORDS = {"not_checked": "not checked"}


def doctor(
    url: Url = None,
    webhook_url: Annotated[
        str | None,
        typer.Option(
            "--webhook-url",
            envvar="SENDONCE_WEBHOOK_URL",
            help="Where the webhook answers: …/delivery-webhook, for the apps of all accounts, or "
            "…/delivery-webhook/whatsapp/<app>.",
            show_default=False,
        ),
    ] = None,
    as_json: output.AsJson = False,
) -> None:
    """Look at database, rights, workers, tokens and webhook, and say what to do.

    Changes nothing, sends no message, prints no secret. Tokens and app secrets are looked for in
    the environment, by the names under which worker and webhook read them.

    Exit codes: 0 no error found, warnings there may be; 1 errors found; 2 the database cannot be
    reached or a setting is wrong.
    """
    address = database_url(url)
    with connected(address) as connection:
        found = list(_findings(connection, address, webhook_url))
    counts = Counter(finding.level.value for finding in found)
    if as_json:
        output.print_json(
            {
                "errors": counts["error"],
                "warnings": counts["warning"],
                "not_checked": counts["not_checked"],
                "findings": [asdict(finding) for finding in found],
            }
        )
    else:
        _print(found, counts)
    if counts["error"]:
        raise typer.Exit(1)


def _findings(connection: Connection, address: str, webhook_url: str | None) -> Iterator[Finding]:
    import psycopg

    from sendonce.doctor import (
        provider,
        questions,
        rights,
        schema,
        sending,
        server,
        settings,
        upkeep,
        webhook,
    )

    yield from questions.run(connection, server.checks(address))
    yield from questions.run(connection, settings.checks())
    apps: list[str] = []
    if schema.is_installed(connection):
        yield from questions.run(
            connection,
            [
                *schema.checks(),
                *rights.checks(),
                *upkeep.checks(),
                *sending.checks(),
                *provider.checks(os.environ),
            ],
        )
        try:
            apps = [
                row["app"]
                for row in questions.ask(
                    connection,
                    "select distinct a.app from public.provider_accounts a"
                    " where a.provider = 'whatsapp' order by 1 limit 20",
                )
            ]
        except psycopg.errors.InsufficientPrivilege:
            apps = []
    else:
        yield schema.not_installed()
    yield from webhook.findings(webhook_url, apps, os.environ)


def _print(found: list[Finding], counts: Counter[str]) -> None:
    from rich.text import Text

    lines = []
    for finding in found:
        level = finding.level.value
        said = Text(finding.said)
        if finding.remedy:
            said.append(f"\n→ {finding.remedy}", style="bold" if level == "error" else "")
        lines.append((Text(_WORDS.get(level, level), style=_STYLES[level]), finding.check, said))
    screen = output.console()
    screen.print(output.table(("level", "check", "finding"), lines))
    screen.print(
        f"{counted(counts['error'], 'error')}, {counted(counts['warning'], 'warning')}, "
        f"{counts['ok']:,} in order, "
        f"{counts['not_checked']:,} not checked"
    )


def register(app: typer.Typer) -> None:
    """Add the command ``doctor`` to an application."""
    app.command("doctor")(doctor)
