"""``sendonce campaign list, entries, failures, status``: what is to be read about campaigns."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from typing import Annotated, Any
from uuid import UUID

import typer

from sendonce.cli import campaign_view, campaign_waits, choose, output
from sendonce.cli.database import Connection, Row, Url, call, connected, pages
from sendonce.errors import CommandError

#: Entries in a table where nobody asked for more.
_TABLE_LIMIT = 100

_STATUSES = ("ready", "processing", "unknown", "sent", "failed", "skipped", "cancelled")
_ENTRY_FIELDS = (
    "id",
    "recipient",
    "status",
    "delivery_status",
    "attempt",
    "tries",
    "error_class",
    "error_code",
    "error_message",
    "delivery_error_code",
    "provider_message_id",
    "sent_at",
    "delivered_at",
    "read_at",
    "settled_at",
    "unknown_since",
    "due_at",
    "variables",
)

CampaignArgument = Annotated[
    str,
    typer.Argument(metavar="CAMPAIGN", help="Id, its first characters, or name of the campaign."),
]


def _campaigns(connection: Connection, organization_id: UUID, limit: int | None) -> Iterator[Row]:
    """The organization's campaigns, newest first."""
    return pages(
        connection,
        "list_campaigns",
        "id",
        after=None,
        limit=limit,
        _organization_id=organization_id,
    )


def list_campaigns(
    url: Url = None,
    organization: choose.OrganizationOption = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="The newest so many (default all).")
    ] = None,
    as_json: output.AsJson = False,
) -> None:
    """The organization's campaigns, the newest first."""
    with connected(url) as connection:
        owner = choose.organization(connection, organization)
        found = list(_campaigns(connection, owner["id"], limit))
    if as_json:
        output.print_json(found)
        return
    screen = output.console()
    if not found:
        screen.print("no campaigns yet: `sendonce campaign create` makes one")
        return
    table = output.table(
        ("id", "name", "status", "done", "contacts", "sent", "failed", "cost"),
        (
            (
                str(row["id"])[:8],
                row["name"],
                campaign_view.status_text(row["status"]),
                f"{row['progress']:.0f} %",
                row["total_contacts"],
                row["total_sent"],
                row["total_failed"],
                output.money(row["actual_cost"], row["currency"]),
            )
            for row in found
        ),
        right=("done", "contacts", "sent", "failed", "cost"),
    )
    # Where there is too little room, the name alone takes more lines.
    for column in table.columns:
        column.no_wrap = column.header != "name"
    screen.print(table)


def _entries(
    connection: Connection, campaign_id: UUID, status: str | None, after: int, limit: int | None
) -> Iterator[Row]:
    """The campaign's entries in the order of their ids."""
    return pages(
        connection,
        "campaign_entries",
        "id",
        after=after,
        limit=limit,
        _campaign_id=campaign_id,
        _status=status,
    )


def entries(
    campaign: CampaignArgument,
    url: Url = None,
    status: Annotated[
        str | None,
        typer.Option(help=f"Only those that are {', '.join(_STATUSES)}.", show_default=False),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="At most so many (default 100 in a table, else all)."),
    ] = None,
    after: Annotated[int, typer.Option(min=0, help="Go on after this entry.")] = 0,
    as_csv: Annotated[bool, typer.Option("--csv", help="Comma-separated, with a header.")] = False,
    as_json: output.AsJson = False,
) -> None:
    """What went out and what did not, contact by contact.

    --csv and --json write every entry as it is read, however many there are.
    """
    if as_csv and as_json:
        raise CommandError("--csv and --json are two different things: pass one")
    if status is not None and status not in _STATUSES:
        raise CommandError(f"no entry is ever {status!r}: it is one of {', '.join(_STATUSES)}")
    with connected(url) as connection:
        campaign_id = choose.campaign(connection, campaign)["id"]
        if as_csv:
            _write_csv(_entries(connection, campaign_id, status, after, limit))
        elif as_json:
            _write_json(campaign_id, _entries(connection, campaign_id, status, after, limit))
        else:
            shown = limit or _TABLE_LIMIT
            # One more than is shown tells whether there are more.
            found = list(_entries(connection, campaign_id, status, after, shown + 1))
            _print_entries(found[:shown], more=len(found) > shown)


def _document(row: Row) -> dict[str, Any]:
    return {field: row[field] for field in _ENTRY_FIELDS}


def _write_csv(found: Iterator[Row]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(_ENTRY_FIELDS)
    for row in found:
        writer.writerow(
            json.dumps(row[field], ensure_ascii=False)
            if field == "variables"
            else _plain(row[field])
            for field in _ENTRY_FIELDS
        )


def _plain(value: Any) -> Any:
    isoformat = getattr(value, "isoformat", None)
    return isoformat() if isoformat else value


def _write_json(campaign_id: UUID, found: Iterator[Row]) -> None:
    """One document, written while it is read: a campaign may have millions of entries."""
    sys.stdout.write(f'{{\n  "campaign_id": "{campaign_id}",\n  "entries": [')
    separator = "\n    "
    for row in found:
        document = {field: _plain(value) for field, value in _document(row).items()}
        sys.stdout.write(separator + json.dumps(document, ensure_ascii=False, default=str))
        separator = ",\n    "
    sys.stdout.write("\n  ]\n}\n")


def _print_entries(found: list[Row], *, more: bool) -> None:
    screen = output.console()
    if not found:
        screen.print("no entries")
        return
    screen.print(
        output.table(
            ("entry", "recipient", "status", "delivery", "attempt", "when", "why"),
            (
                (
                    str(row["id"]),
                    row["recipient"],
                    row["status"],
                    row["delivery_status"],
                    row["attempt"],
                    row["sent_at"] or row["settled_at"] or row["unknown_since"],
                    _why(row),
                )
                for row in found
            ),
            # Among the numbers, which never wrap: a recipient in two lines cannot be copied.
            right=("entry", "recipient", "attempt"),
        )
    )
    if more:
        output.console(stderr=True).print(
            f"There are more: --after {found[-1]['id']} goes on, --csv and --json write all."
        )


def _why(row: Row) -> str | None:
    said = [
        str(row[field])
        for field in ("error_class", "error_code", "error_message", "delivery_error_code")
        if row[field]
    ]
    return " ".join(said) or None


def failures(campaign: CampaignArgument, url: Url = None, as_json: output.AsJson = False) -> None:
    """What went wrong, by class and code, with what that means."""
    with connected(url) as connection:
        campaign_id = choose.campaign(connection, campaign)["id"]
        breakdown = call(connection, "failure_breakdown", _campaign_id=campaign_id)
    if as_json:
        output.print_json(breakdown)
        return
    output.console().print(campaign_view.failures(breakdown) or "nothing went wrong")


def status(campaign: CampaignArgument, url: Url = None, as_json: output.AsJson = False) -> None:
    """How far the campaign is, what it cost, what holds it up and what went wrong."""
    with connected(url) as connection:
        campaign_id = choose.campaign(connection, campaign)["id"]
        progress = call(connection, "campaign_progress", _campaign_id=campaign_id)
        breakdown = call(connection, "failure_breakdown", _campaign_id=campaign_id)
        waits = campaign_waits.waits(connection, progress)
        (row,) = connection.execute("select now() as now").fetchall()
    rate = campaign_view.average_rate(progress, row["now"])
    if as_json:
        output.print_json(
            {
                **progress,
                "average_rate": rate,
                "held_up": [*campaign_view.holdups(progress), *waits],
                "failures": breakdown,
            }
        )
        return
    screen = output.console()
    rates = [("rate", f"{campaign_view.rate_text(rate)}  (average since the start)")]
    if rate is None:
        rates = []
    screen.print(campaign_view.block(progress, rates, waits, times=True))
    wrong = campaign_view.failures(breakdown)
    if wrong is not None:
        screen.print(wrong)


def register(commands: typer.Typer) -> None:
    """Add these commands to the group ``campaign``."""
    commands.command("status")(status)
    commands.command("list")(list_campaigns)
    commands.command("entries")(entries)
    commands.command("failures")(failures)
