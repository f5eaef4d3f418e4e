"""``sendonce organization``: the tenants of the database, and who may do what in them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated
from uuid import UUID

import typer

from sendonce.cli import choose, output
from sendonce.cli.database import Connection, Url, call, connected
from sendonce.errors import CommandError

commands = typer.Typer(no_args_is_help=True, help="Tenants and their members.")


class Role(StrEnum):
    """What a member may do: see, run, administer."""

    viewer = "viewer"
    operator = "operator"
    admin = "admin"


class RoleOrNone(StrEnum):
    """The same, or no longer be a member."""

    viewer = "viewer"
    operator = "operator"
    admin = "admin"
    none = "none"


@commands.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What people call it.", show_default=False)],
    member: Annotated[
        str | None,
        typer.Option(
            "--member",
            help="Its first member: a user's id or, in a Supabase project, e-mail address.",
            show_default=False,
        ),
    ] = None,
    role: Annotated[Role, typer.Option("--role", help="What the first member may do.")] = (
        Role.admin
    ),
    url: Url = None,
    as_json: output.AsJson = False,
) -> None:
    """Make an organization and its first member, both or neither.

    Prints the id. Refused where the name is taken, so that a repeated command makes no second one.
    """
    with connected(url) as connection, connection.transaction():
        taken = connection.execute(
            "select o.id from public.organizations o where o.name = %s limit 1", [name]
        ).fetchone()
        if taken is not None:
            raise CommandError(
                f"an organization is called {name!r} already ({taken['id']}); "
                "`sendonce organization member` adds people to it"
            )
        user_id = None if member is None else user(connection, member)
        organization_id = call(connection, "create_organization", _name=name)
        if user_id is not None:
            call(
                connection,
                "set_member",
                _organization_id=organization_id,
                _user_id=user_id,
                _role=role.value,
            )
    if as_json:
        output.print_json(
            {
                "id": organization_id,
                "name": name,
                "member": user_id,
                "role": None if user_id is None else role.value,
            }
        )
    else:
        typer.echo(organization_id)


@commands.command("list")
def list_organizations(url: Url = None, as_json: output.AsJson = False) -> None:
    """List the organizations, with their members by role and their accounts."""
    with connected(url) as connection:
        found = connection.execute(
            "select o.id, o.name, o.created_at,"
            " (select count(*) from public.provider_accounts a where a.organization_id = o.id)"
            " as accounts,"
            " (select coalesce(jsonb_agg(jsonb_build_object('user_id', m.user_id, 'role', m.role)"
            " order by m.role desc, m.created_at, m.user_id), '[]')"
            " from public.organization_members m where m.organization_id = o.id) as members"
            " from public.organizations o order by o.name, o.id"
        ).fetchall()
    if as_json:
        output.print_json(found)
        return
    if not found:
        typer.echo("No organization yet: `sendonce organization create NAME` makes the first.")
        return
    roles = [role.value for role in reversed(Role)]
    lines = [
        (
            row["name"],
            str(row["id"]),
            *(sum(member["role"] == role for member in row["members"]) for role in roles),
            row["accounts"],
        )
        for row in found
    ]
    columns = ("organization", "id", *(f"{role}s" for role in roles), "accounts")
    output.console().print(output.table(columns, lines, right=columns[2:]))


@commands.command("member")
def set_member(
    member: Annotated[
        str,
        typer.Argument(
            metavar="USER",
            help="A user's id or, in a Supabase project, e-mail address.",
            show_default=False,
        ),
    ],
    role: Annotated[
        RoleOrNone,
        typer.Option(
            "--role", help="What the user may do; none ends the membership.", show_default=False
        ),
    ],
    url: Url = None,
    organization: choose.OrganizationOption = None,
    as_json: output.AsJson = False,
) -> None:
    """Give a user a role in the organization, another role, or none."""
    granted = None if role is RoleOrNone.none else role.value
    with connected(url) as connection:
        owner = choose.organization(connection, organization)
        user_id = user(connection, member)
        call(
            connection, "set_member", _organization_id=owner["id"], _user_id=user_id, _role=granted
        )
    if as_json:
        output.print_json({"organization": owner["id"], "user_id": user_id, "role": granted})
    elif granted is None:
        typer.echo(f"{member} is no member of {owner['name']}.")
    else:
        typer.echo(f"{member} is {granted} of {owner['name']}.")


def user(connection: Connection, given: str) -> UUID:
    """The id of the user meant by an id or by an e-mail address.

    Raises CommandError where it is neither, or where no such address is known.
    """
    try:
        return UUID(given)
    except ValueError:
        pass
    if "@" not in given:
        raise CommandError(f"{given!r} is neither a user's id (a UUID) nor an e-mail address")
    there = connection.execute("select to_regclass('auth.users') is not null as users").fetchone()
    if there is None or not there["users"]:
        raise CommandError(
            "this database has no table auth.users to look e-mail addresses up in: "
            'pass the user\'s id, the "sub" of the token'
        )
    found = connection.execute(
        "select u.id from auth.users u where lower(u.email) = lower(%s) order by u.id limit 2",
        [given],
    ).fetchall()
    if not found:
        raise CommandError(f"no user has the e-mail address {given!r}: let them sign up first")
    if len(found) > 1:
        raise CommandError(f"several users have the e-mail address {given!r}: pass the user's id")
    return UUID(str(found[0]["id"]))


def register(app: typer.Typer) -> None:
    """Add the group ``organization`` to an application."""
    app.add_typer(commands, name="organization")
