"""``sendonce repair``: sets a campaign's counters, cost and status to what its rows prove."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import typer

from sendonce.cli import choose, output
from sendonce.cli.check import differences
from sendonce.cli.counted import counted
from sendonce.cli.database import Url, call, connected, rows
from sendonce.errors import CommandError


def repair(
    campaign: Annotated[
        str | None, typer.Argument(help="Id or name of the campaign.", show_default=False)
    ] = None,
    url: Url = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every campaign that differs from its rows.")
    ] = False,
    organization: choose.OrganizationOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")
    ] = False,
    as_json: output.AsJson = False,
) -> None:
    """Set counters, progress, cost and status of a campaign to what its rows prove.

    Nothing is ever sent by a repair: a campaign that wrongly claims to be completed becomes paused.

    Exit codes: 0 repaired, or nothing to do; 1 with --dry-run when it would change something;
    2 wrong use or refused by the database.
    """
    if (campaign is None) != everything:
        raise CommandError("name one campaign, or pass --all")
    results: list[dict[str, Any]] = []
    with connected(url) as connection:
        chosen: list[tuple[UUID, str]]
        if campaign is not None:
            found = choose.campaign(connection, campaign)
            chosen = [(found["id"], found["name"])]
        else:
            owner = None
            if organization is not None:
                owner = choose.organization(connection, organization)["id"]
            chosen = [
                (row["campaign_id"], row["name"])
                for row in rows(connection, "check_campaigns", _organization_id=owner)
                if not row["matches"]
            ]
        # One transaction each: a long one would hold every campaign's lock until its end.
        for campaign_id, name in chosen:
            result = call(connection, "repair_campaign", _campaign_id=campaign_id, _dry_run=dry_run)
            results.append({"name": name, **result})
    differing = [result for result in results if result["differs"]]
    if as_json:
        output.print_json({"dry_run": dry_run, "campaigns": results})
    else:
        _print(differing, dry_run)
    if dry_run and differing:
        raise typer.Exit(1)


def _print(differing: list[dict[str, Any]], dry_run: bool) -> None:
    screen = output.console()
    for result in differing:
        screen.print(output.cell(f"{result['name']} ({result['campaign_id']})"), style="bold")
        screen.print(
            output.table(
                ("what", "before", "after"),
                differences(result["before"], result["after"]),
                right=("before", "after"),
            )
        )
    if not differing:
        screen.print("Nothing to repair: every number is what the rows prove.")
    elif dry_run:
        screen.print(f"{counted(len(differing), 'campaign')} would change. This was a dry run.")
    else:
        screen.print(f"{counted(len(differing), 'campaign')} repaired.")
    screen.print("A repair sends nothing.")
    if any(
        result["after"]["status"] == "paused" and result["before"]["status"] == "completed"
        for result in differing
    ):
        screen.print(
            "A campaign that claimed to be completed has contacts without outcome: it is "
            + ("to be paused" if dry_run else "paused now")
            + ", and only a person's resume sends to them."
        )


def register(app: typer.Typer) -> None:
    """Add the command ``repair`` to an application."""
    app.command("repair")(repair)
