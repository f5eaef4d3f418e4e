"""Finds the organization, account, template or campaign that somebody means: by id or by name."""

from __future__ import annotations

import re
from typing import Annotated
from uuid import UUID

import typer

from sendonce.cli.database import Connection, Row
from sendonce.errors import CommandError

#: The option of every command that acts for one organization.
OrganizationOption = Annotated[
    str | None,
    typer.Option(
        "--organization",
        envvar="SENDONCE_ORGANIZATION",
        help="Id or name of the organization; needed only where there are several.",
        show_default=False,
    ),
]

#: The options of every command that sends through an account, with a template.
AccountOption = Annotated[
    str | None,
    typer.Option(
        "--account",
        help="Id, name or sender; needed only where there are several.",
        show_default=False,
    ),
]
TemplateOption = Annotated[
    str | None,
    typer.Option(
        "--template",
        help="Id, name or name/language; needed only where there are several.",
        show_default=False,
    ),
]

_START_OF_ID = re.compile(r"[0-9a-f]{4,8}(-[0-9a-f-]*)?")
#: As many as a message can usefully name.
_SHOWN = 5


def organization(connection: Connection, given: str | None) -> Row:
    """The organization named by id or name, or the only one there is.

    Raises CommandError where none or several fit, naming what there is.
    """
    found = connection.execute(
        "select o.* from public.organizations o"
        " where %(given)s::text is null or o.id::text = %(given)s or o.name = %(given)s"
        " order by o.name, o.id limit %(limit)s",
        {"given": given, "limit": _SHOWN + 1},
    ).fetchall()
    if not found:
        if given is None:
            raise CommandError(
                "there is no organization yet: `sendonce organization create NAME` makes the first"
            )
        raise CommandError(
            f"no organization is called {given!r}: `sendonce organization list` shows them"
        )
    return _only(found, "organization", given, "pass --organization with one of them")


def account(connection: Connection, organization_id: UUID, given: str | None) -> Row:
    """The account named by id, name or sender, or the only one of the organization."""
    found = connection.execute(
        "select a.* from public.provider_accounts a where a.organization_id = %(organization)s"
        " and (%(given)s::text is null or a.id::text = %(given)s or a.name = %(given)s"
        " or a.sender = %(given)s) order by a.name, a.id limit %(limit)s",
        {"organization": organization_id, "given": given, "limit": _SHOWN + 1},
    ).fetchall()
    if not found:
        if given is None:
            raise CommandError("there is no account yet: `sendonce account set` makes one")
        raise CommandError(f"no account is called {given!r}: `sendonce account list` shows them")
    return _only(found, "account", given, "name one of them")


def template(connection: Connection, organization_id: UUID, given: str | None) -> Row:
    """The template named by id, by name, or by name/language, or the only one there is."""
    found = connection.execute(
        "select t.* from public.templates t where t.organization_id = %(organization)s"
        " and (%(given)s::text is null or t.id::text = %(given)s or t.name = %(given)s"
        " or t.name || '/' || t.language = %(given)s) order by t.name, t.language, t.id"
        " limit %(limit)s",
        {"organization": organization_id, "given": given, "limit": _SHOWN + 1},
    ).fetchall()
    if not found:
        if given is None:
            raise CommandError("there is no template yet: `sendonce template set` makes one")
        raise CommandError(f"no template is called {given!r}: `sendonce template list` shows them")
    for row in found:
        row["label"] = f"{row['name']}/{row['language']}"
    return _only(found, "template", given, "name one of them, such as name/language")


def campaign(connection: Connection, given: str) -> Row:
    """The campaign named by its id, the first characters of it (4 at least), or its name."""
    by_id = bool(_START_OF_ID.fullmatch(given.lower()))
    found = connection.execute(
        "select c.* from public.campaigns c where c.name = %(given)s or c.id::text = %(given)s"
        " or (%(by_id)s and c.id::text like %(start)s) order by c.created_at desc, c.id"
        " limit %(limit)s",
        {
            "given": given,
            "by_id": by_id,
            "start": f"{given.lower()}%",
            "limit": _SHOWN + 1,
        },
    ).fetchall()
    if not found:
        raise CommandError(f"no campaign is called {given!r}: `sendonce campaign list` shows them")
    return _only(found, "campaign", given, "use the id of one of them")


def _only(found: list[Row], what: str, given: str | None, remedy: str) -> Row:
    if len(found) == 1:
        return found[0]
    named = ", ".join(f"{row.get('label') or row['name']} ({row['id']})" for row in found[:_SHOWN])
    more = ", …" if len(found) > _SHOWN else ""
    several = f"several {what}s are there" if given is None else f"several {what}s fit {given!r}"
    raise CommandError(f"{several}: {named}{more}; {remedy}")
