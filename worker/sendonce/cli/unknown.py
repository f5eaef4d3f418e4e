"""``sendonce unknown``: the messages that may have gone out or not, and what is decided of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal
from uuid import UUID

import psycopg
import typer

from sendonce.cli import choose, output
from sendonce.cli.confirm import Yes, confirm
from sendonce.cli.database import Connection, Row, Url, call, connected, explanation, pages
from sendonce.errors import CommandError

commands = typer.Typer(
    no_args_is_help=True, help="Messages that may have gone out or not, and the decision on them."
)


@commands.command("list")
def list_unknown(
    url: Url = None,
    organization: choose.OrganizationOption = None,
    campaign: Annotated[
        str | None,
        typer.Option(help="Id or name of one campaign (default everything).", show_default=False),
    ] = None,
    as_json: output.AsJson = False,
) -> None:
    """Since when, in which attempt and by which worker, and when each ends by itself."""
    with connected(url) as connection:
        chosen = None
        if campaign is not None:
            chosen = choose.campaign(connection, campaign)
        if chosen is not None and organization is None:
            owner_id = chosen["organization_id"]
        else:
            owner_id = choose.organization(connection, organization)["id"]
        if chosen is not None and chosen["organization_id"] != owner_id:
            raise CommandError(f"campaign {campaign!r} is not of organization {organization!r}")
        found = list(_unknown(connection, owner_id, None if chosen is None else chosen["id"]))
    if as_json:
        output.print_json(found)
        return
    screen = output.console()
    if not found:
        screen.print("no message whose outcome is unknown")
        return
    screen.print(
        output.table(
            ("entry", "recipient", "unknown since", "attempt", "worker", "settles at", "why"),
            (
                (
                    str(row["entry_id"]),
                    row["recipient"],
                    row["unknown_since"],
                    row["attempt"],
                    row["worker"],
                    row["settles_at"] or "held for a person",
                    row["why"],
                )
                for row in found
            ),
            right=("entry", "recipient", "attempt"),
        )
    )
    screen.print(
        f"{len(found):,} unknown. A report settles an entry at any time; "
        "`sendonce unknown resolve` decides."
    )


def _unknown(
    connection: Connection, organization_id: UUID, campaign_id: UUID | None
) -> Iterator[Row]:
    return pages(
        connection,
        "unknown_entries",
        "entry_id",
        after=0,
        _organization_id=organization_id,
        _campaign_id=campaign_id,
    )


@commands.command("resolve")
def resolve(
    entries: Annotated[list[int], typer.Argument(metavar="ENTRY...", help="As listed.")],
    decision: Annotated[
        Literal["retry", "fail"],
        typer.Option(
            help="retry sends once more, and whoever got the first message then has two; fail "
            "ends the entry as outcome_unknown.",
            show_default=False,
        ),
    ],
    url: Url = None,
    yes: Yes = False,
    as_json: output.AsJson = False,
) -> None:
    """Decide what becomes of messages whose outcome is unknown.

    Exit codes: 0 all decided, 1 the answer was no, 2 wrong use, or some were refused by the
    database: the others are decided nevertheless.
    """
    if decision == "retry":
        confirm(
            f"{len(entries):,} of these messages may have gone out already: whoever got one gets "
            "a second. Send them once more?",
            yes=yes,
        )
    decided: list[dict[str, Any]] = []
    refused: list[dict[str, Any]] = []
    with connected(url) as connection:
        for entry in dict.fromkeys(entries):
            try:
                decided.append(
                    call(connection, "resolve_unknown", _entry_id=entry, _decision=decision)
                )
            except psycopg.DatabaseError as error:
                if not (error.sqlstate or "").startswith("SO"):
                    raise
                refused.append({"entry_id": entry, "reason": explanation(error)})
    if as_json:
        output.print_json({"decided": decided, "refused": refused})
    elif decided:
        output.console().print(
            output.table(
                ("entry", "is now"),
                ((str(line["entry_id"]), line["status"]) for line in decided),
                right=("entry",),
            )
        )
    for line in refused:
        typer.echo(f"sendonce: entry {line['entry_id']}: {line['reason']}", err=True)
    if refused:
        raise typer.Exit(2)


def register(app: typer.Typer) -> None:
    """Add the group ``unknown`` to an application."""
    app.add_typer(commands, name="unknown")
