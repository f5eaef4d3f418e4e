"""``sendonce queue stats``: what waits, what is in workers' hands, account by account."""

from __future__ import annotations

from typing import Any

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
    if as_json:
        output.print_json(found)
    else:
        _print(found)


def _print(found: dict[str, Any]) -> None:
    screen = output.console()
    # Aggregates over no account at all come as null.
    screen.print(
        output.table(
            ("campaigns active", "running", "open", "in hand", "single waiting", "unknown"),
            [
                [
                    int(found[field] or 0)
                    for field in (
                        "active_campaigns",
                        "running_campaigns",
                        "unsettled",
                        "in_hand",
                        "single_waiting",
                        "unknown",
                    )
                ]
            ],
            right=("campaigns active", "running", "open", "in hand", "single waiting", "unknown"),
        )
    )
    if not found["accounts"]:
        screen.print("no accounts yet: `sendonce account set` makes one")
        return
    screen.print(
        output.table(
            ("account", "running", "open", "in hand", "single", "unknown", "rate", "state"),
            (
                (
                    account["name"],
                    f"{account['running_campaigns']:,}/{account['active_campaigns']:,}",
                    account["unsettled"],
                    account["in_hand"],
                    account["single_waiting"],
                    account["unknown"],
                    _rate(account),
                    _state(account),
                )
                for account in found["accounts"]
            ),
            right=("running", "open", "in hand", "single", "unknown", "rate"),
        )
    )


def _rate(account: dict[str, Any]) -> str:
    """What the account sends a second at most, now."""
    rates = [
        float(account[field])
        for field in ("current_rate", "maximum_rate")
        if account[field] is not None
    ]
    return f"{min(rates):g}/s" if rates else "no limit"


def _state(account: dict[str, Any]) -> str:
    if account["paused_at"] is not None:
        return f"paused: {account['pause_reason']}"
    if account["resting_until"] is not None:
        return f"rests until {output.moment(account['resting_until'])}: {account['rest_reason']}"
    workers = account["workers"]
    if workers:
        return f"{workers:,} worker{'s' if workers != 1 else ''} at it"
    return "ready"


def register(app: typer.Typer) -> None:
    """Add the group ``queue`` to an application."""
    app.add_typer(commands, name="queue")
