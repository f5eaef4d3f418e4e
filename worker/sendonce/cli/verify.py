"""``sendonce verify``: the invariants, asked of the database itself."""

from __future__ import annotations

from typing import Annotated

import typer

from sendonce.cli import choose, output
from sendonce.cli.counted import counted
from sendonce.cli.database import Url, connected, rows


def verify(
    campaign: Annotated[
        str | None,
        typer.Argument(help="Id or name of one campaign (default everything).", show_default=False),
    ] = None,
    url: Url = None,
    as_json: output.AsJson = False,
) -> None:
    """Look for violations of the invariants in every row, guard and right.

    Exit codes: 0 no violations, 1 there are some, 2 wrong use or refused by the database.
    """
    with connected(url) as connection:
        chosen = None if campaign is None else choose.campaign(connection, campaign)["id"]
        found = rows(connection, "verify_invariants", _campaign_id=chosen)
    if as_json:
        output.print_json({"campaign_id": chosen, "violations": found})
    elif found:
        screen = output.console()
        screen.print(
            output.table(
                ("no.", "invariant", "campaign", "entry", "detail"),
                (
                    (
                        row["invariant"],
                        row["name"],
                        row["campaign_id"],
                        # Not a number to be read with commas: it is typed elsewhere again.
                        None if row["entry_id"] is None else str(row["entry_id"]),
                        row["detail"],
                    )
                    for row in found
                ),
                right=("no.",),
            )
        )
        screen.print(
            f"{counted(len(found), 'violation')}. docs/ARCHITECTURE.md explains each invariant."
        )
    else:
        output.console().print("no violations")
    if found:
        raise typer.Exit(1)


def register(app: typer.Typer) -> None:
    """Add the command ``verify`` to an application."""
    app.command("verify")(verify)
