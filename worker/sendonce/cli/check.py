"""``sendonce check``: what each campaign claims against what its rows prove."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from sendonce.cli import choose, output
from sendonce.cli.counted import counted
from sendonce.cli.database import Row, Url, connected, rows
from sendonce.errors import CommandError


def check(
    url: Url = None,
    campaign: Annotated[
        str | None,
        typer.Option("--campaign", help="Id or name of one campaign.", show_default=False),
    ] = None,
    organization: choose.OrganizationOption = None,
    everything: Annotated[
        bool, typer.Option("--all", help="List the campaigns that are in order, too.")
    ] = False,
    as_json: output.AsJson = False,
) -> None:
    """Compare what each campaign claims with what its rows prove.

    Reads every contact of these campaigns and changes nothing. Exit codes: 0 all match, 1 something
    differs, 2 wrong use or refused by the database.
    """
    with connected(url) as connection:
        chosen = None if campaign is None else choose.campaign(connection, campaign)
        owner = None
        if organization is not None:
            owner = choose.organization(connection, organization)["id"]
        if chosen is not None:
            if owner not in (None, chosen["organization_id"]):
                raise CommandError(f"campaign {campaign!r} is not of organization {organization!r}")
            owner = chosen["organization_id"]
        found = rows(connection, "check_campaigns", _organization_id=owner)
    if chosen is not None:
        found = [row for row in found if row["campaign_id"] == chosen["id"]]
    differing = [row for row in found if not row["matches"]]
    if as_json:
        output.print_json(
            {
                "checked": len(found),
                "in_order": len(found) - len(differing),
                "differing": [_as_document(row) for row in differing],
                **({"campaigns": [_as_document(row) for row in found]} if everything else {}),
            }
        )
    else:
        _print(found, differing, everything)
    if differing:
        raise typer.Exit(1)


def differences(claimed: dict[str, Any], proven: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """The fields in which the two differ: name, claimed, proven."""
    return [
        (field, claimed.get(field), value)
        for field, value in proven.items()
        if claimed.get(field) != value
    ]


def _as_document(row: Row) -> dict[str, Any]:
    return {
        "campaign_id": row["campaign_id"],
        "name": row["name"],
        "matches": row["matches"],
        "claimed": row["claims"],
        "proven": row["proves"],
    }


def _print(found: list[Row], differing: list[Row], everything: bool) -> None:
    screen = output.console()
    for row in differing:
        screen.print(output.cell(f"{row['name']} ({row['campaign_id']})"), style="bold")
        screen.print(
            output.table(
                ("what", "claimed", "proven"),
                differences(row["claims"], row["proves"]),
                right=("claimed", "proven"),
            )
        )
    if everything:
        in_order = [row for row in found if row["matches"]]
        if in_order:
            screen.print(
                output.table(
                    ("in order", "status", "contacts", "sent", "failed", "cost"),
                    (
                        (
                            row["name"],
                            row["proves"]["status"],
                            row["proves"]["total_contacts"],
                            row["proves"]["total_sent"],
                            row["proves"]["total_failed"],
                            row["proves"]["actual_cost"],
                        )
                        for row in in_order
                    ),
                    right=("contacts", "sent", "failed", "cost"),
                )
            )
    total, off = len(found), len(differing)
    if off:
        screen.print(
            f"{off:,} of {counted(total, 'campaign')} claim what their rows do not prove, "
            f"{total - off:,} in order. "
            "`sendonce repair` sets them to what the rows prove."
        )
    else:
        screen.print(
            f"{counted(total, 'campaign')} checked, all in order: the numbers are the rows."
        )


def register(app: typer.Typer) -> None:
    """Add the command ``check`` to an application."""
    app.command("check")(check)
