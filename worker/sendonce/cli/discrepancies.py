"""``sendonce discrepancies``: what did not fit and was kept out of the numbers."""

from __future__ import annotations

from typing import Annotated, LiteralString

import typer

from sendonce.cli import choose, output
from sendonce.cli.database import LARGEST_PAGE, Connection, Row, Url, connected

_PAGE: LiteralString = """
    select d.id, d.seen_at, d.kind, c.name as campaign, d.entry_id, d.detail
    from public.discrepancies d
    left join public.campaigns c on c.id = d.campaign_id
    where (d.organization_id = %(organization)s or d.organization_id is null)
        and (%(kind)s::text is null or d.kind = %(kind)s)
        and (%(before)s::bigint is null or d.id < %(before)s)
    order by d.id desc
    limit %(limit)s
"""


def list_discrepancies(
    url: Url = None,
    organization: choose.OrganizationOption = None,
    kind: Annotated[
        str | None,
        typer.Option(help="Only one kind, such as unlisted_code.", show_default=False),
    ] = None,
    limit: Annotated[int, typer.Option(help="At most so many, the latest first.", min=1)] = 100,
    as_json: output.AsJson = False,
) -> None:
    """Show what did not fit: codes that are not listed, second acceptances, impossible reports.

    Nothing of it is in the numbers unless it should be: a second acceptance is charged, because
    the provider charges it.
    """
    with connected(url) as connection:
        owner = choose.organization(connection, organization)
        found = _latest(connection, owner["id"], kind, limit)
    if as_json:
        output.print_json(found)
        return
    screen = output.console()
    if not found:
        screen.print("nothing that did not fit")
        return
    screen.print(
        output.table(
            ("seen at", "kind", "campaign", "entry", "detail"),
            (
                (
                    row["seen_at"],
                    row["kind"],
                    row["campaign"] or "",
                    "" if row["entry_id"] is None else str(row["entry_id"]),
                    ", ".join(f"{name}: {value}" for name, value in row["detail"].items() if value),
                )
                for row in found
            ),
            right=("entry",),
        )
    )


def _latest(
    connection: Connection, organization_id: object, kind: str | None, limit: int
) -> list[Row]:
    found: list[Row] = []
    while len(found) < limit:
        size = min(LARGEST_PAGE, limit - len(found))
        page = connection.execute(
            _PAGE,
            {
                "organization": organization_id,
                "kind": kind,
                "before": found[-1]["id"] if found else None,
                "limit": size,
            },
        ).fetchall()
        found += page
        if len(page) < size:
            break
    return found


def register(app: typer.Typer) -> None:
    """Add the command ``discrepancies`` to an application."""
    app.command("discrepancies")(list_discrepancies)
