"""``sendonce template``: what is sent, as the provider approved it."""

from __future__ import annotations

from typing import Annotated, Any, LiteralString
from uuid import UUID

import typer

from sendonce.cli import choose, output
from sendonce.cli.database import Connection, Row, Url, call, connected
from sendonce.errors import CommandError

commands = typer.Typer(no_args_is_help=True, help="Templates, as the provider approved them.")

#: Everything a person may want to know of a template, in this order.
_QUERY: LiteralString = (
    "select t.id, t.organization_id, t.name, t.language, t.provider, t.category, t.status,"
    " t.stop_reason, t.stopped_at, t.variables, t.body, t.created_at, t.updated_at"
    " from public.templates t"
)


@commands.command("set")
def set_template(
    name: Annotated[
        str, typer.Argument(help="The name under which it was approved.", show_default=False)
    ],
    language: Annotated[str, typer.Option("--language", help="Such as en or pt_BR.")] = "en",
    provider: Annotated[
        str | None,
        typer.Option(
            "--provider",
            help="Who approved it, whatsapp or twilio; needed only where the accounts have both.",
            show_default=False,
        ),
    ] = None,
    category: Annotated[
        str | None,
        typer.Option(
            "--category", help="MARKETING, UTILITY or AUTHENTICATION.", show_default=False
        ),
    ] = None,
    variable: Annotated[
        list[str] | None,
        typer.Option(
            "--variable",
            help="A variable's name; once for each, in the provider's order.",
            show_default=False,
        ),
    ] = None,
    no_variables: Annotated[
        bool, typer.Option("--no-variables", help="It has none any more.")
    ] = False,
    body: Annotated[
        str | None, typer.Option("--body", help="Its text, for reading.", show_default=False)
    ] = None,
    status: Annotated[
        str | None,
        typer.Option(
            "--status", help="As the provider says; only APPROVED is sent.", show_default=False
        ),
    ] = None,
    url: Url = None,
    organization: choose.OrganizationOption = None,
    as_json: output.AsJson = False,
) -> None:
    """Make a template, or change what is given of it; the rest stays. Ends its stop.

    Prints the id.
    """
    options: dict[str, Any] = {
        option: value
        for option, value in (("category", category), ("body", body), ("status", status))
        if value is not None
    }
    if variable and no_variables:
        raise CommandError("--variable and --no-variables contradict each other: pass one of them")
    if variable or no_variables:
        options["variables"] = variable or []
    for given in variable or ():
        if not given.strip():
            raise CommandError("--variable takes a name, not an empty text")
        if (variable or []).count(given) > 1:
            raise CommandError(f"--variable {given} is given twice: each variable has one place")
    with connected(url) as connection, connection.transaction():
        owner = choose.organization(connection, organization)
        template_id = call(
            connection,
            "upsert_template",
            _organization_id=owner["id"],
            _provider=provider or _provider(connection, owner["id"], name, language),
            _name=name,
            _language=language,
            _options=options,
        )
        after = _of_id(connection, template_id)
    if as_json:
        output.print_json(after)
    else:
        typer.echo(template_id)


@commands.command("list")
def list_templates(
    url: Url = None,
    organization: choose.OrganizationOption = None,
    as_json: output.AsJson = False,
) -> None:
    """List the templates of the organization and whether they may be sent."""
    with connected(url) as connection:
        owner = choose.organization(connection, organization)
        found = connection.execute(
            _QUERY + " where t.organization_id = %s order by t.name, t.language, t.id",
            [owner["id"]],
        ).fetchall()
    if as_json:
        output.print_json(found)
        return
    if not found:
        typer.echo("No template yet: `sendonce template set NAME` makes one.")
        return
    output.console().print(
        output.table(
            ("template", "language", "provider", "category", "state", "variables"),
            (
                (
                    row["name"],
                    row["language"],
                    row["provider"],
                    row["category"],
                    state(row),
                    ", ".join(row["variables"]) or None,
                )
                for row in found
            ),
        )
    )


@commands.command("show")
def show(
    template: Annotated[
        str | None,
        typer.Argument(
            metavar="[TEMPLATE]",
            help="Its name, name/language or id; needed only where there are several.",
            show_default=False,
        ),
    ] = None,
    url: Url = None,
    organization: choose.OrganizationOption = None,
    as_json: output.AsJson = False,
) -> None:
    """Show everything about one template."""
    with connected(url) as connection:
        owner = choose.organization(connection, organization)
        row = _of_id(connection, choose.template(connection, owner["id"], template)["id"])
    if as_json:
        output.print_json(row)
        return
    output.console().print(
        output.table(
            ("template", row["name"]),
            (
                ("id", str(row["id"])),
                ("language", row["language"]),
                ("provider", row["provider"]),
                ("category", row["category"]),
                ("state", state(row)),
                ("variables", ", ".join(row["variables"]) or None),
                ("text", row["body"]),
                ("made", row["created_at"]),
                ("changed", row["updated_at"]),
            ),
        )
    )


def state(row: Row) -> str:
    """Whether the template may be sent, in words."""
    if row["stopped_at"] is not None:
        return f"stopped at {output.moment(row['stopped_at'])}: {row['stop_reason']}"
    return str(row["status"])


def _provider(connection: Connection, organization_id: UUID, name: str, language: str) -> str:
    """The provider of the template of that name, or else of all the organization's accounts."""
    queries: tuple[tuple[LiteralString, list[Any]], ...] = (
        (
            "select distinct t.provider from public.templates t where t.organization_id = %s"
            " and t.name = %s and t.language = %s order by 1",
            [organization_id, name, language],
        ),
        (
            "select distinct a.provider from public.provider_accounts a"
            " where a.organization_id = %s order by 1",
            [organization_id],
        ),
    )
    for query, arguments in queries:
        found = [row["provider"] for row in connection.execute(query, arguments)]
        if len(found) == 1:
            return str(found[0])
        if found:
            raise CommandError(f"pass --provider: {' or '.join(found)}")
    raise CommandError("pass --provider: whatsapp or twilio")


def _of_id(connection: Connection, template_id: UUID) -> Row:
    row = connection.execute(_QUERY + " where t.id = %s", [template_id]).fetchone()
    if row is None:
        raise CommandError(f"template {template_id} is not visible to you")
    return row


def register(app: typer.Typer) -> None:
    """Add the group ``template`` to an application."""
    app.add_typer(commands, name="template")
