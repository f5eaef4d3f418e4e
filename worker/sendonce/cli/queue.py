"""``sendonce queue stats``: what waits, what is in workers' hands, account by account."""

from __future__ import annotations

import typer

from sendonce.cli import choose, output
from sendonce.cli.database import Url, call, connected

commands = typer.Typer(no_args_is_help=True, help="What waits and what is in workers' hands.")


@commands.command("stats")
def stats(
    url: Url = None,
    organization: choose.OrganizationOption = None,
    as_json: output.AsJson = False,
) -> None:
    """The queue of the organization and of each of its accounts."""
    with connected(url) as connection:
        owner = choose.organization(connection, organization)
        found = call(connection, "queue_stats", _organization_id=owner["id"])
    output.print_json(found)


def register(app: typer.Typer) -> None:
    """Add the group ``queue`` to an application."""
    app.add_typer(commands, name="queue")
