"""Make a bare database look like one of Supabase's, as far as Sendonce can tell.

That is: the roles of the API, the schema for extensions, and the default privileges with which a
project is born. Those differ by the project's age, so both kinds can be set:

`granted`   projects made until 2026: every table, sequence and function that the owner makes in
            public is open to the API's roles until somebody closes it;
`withheld`  projects made later: nothing is open until somebody grants it.
"""

from typing import Any, Final, Literal

import psycopg
from psycopg import sql

DefaultPrivileges = Literal["granted", "withheld"]

_API_ROLES: Final = ("anon", "authenticated", "service_role")

# The attributes Supabase gives them. A role made in the meantime by somebody else is left alone.
_ROLES: Final = {
    "anon": "nologin noinherit",
    "authenticated": "nologin noinherit",
    "service_role": "nologin noinherit bypassrls",
    "authenticator": "login noinherit",
}

_OBJECTS: Final = ("tables", "sequences", "functions")


def prepare_like_supabase(
    connection: psycopg.Connection[Any],
    *,
    default_privileges: DefaultPrivileges,
    owner: str | None = None,
) -> None:
    """Prepare the connected database for objects that `owner` will make.

    The connection must be a superuser's and in autocommit mode; `owner` defaults to its user.
    Safe to run again, also with the other kind of default privileges.
    """
    for role, attributes in _ROLES.items():
        connection.execute(
            sql.SQL(
                """
                do $$
                begin
                    create role {} {};
                exception
                    when duplicate_object or unique_violation then null;
                end;
                $$
                """
            ).format(sql.Identifier(role), sql.SQL(attributes))
        )
    roles = sql.SQL(", ").join(map(sql.Identifier, _API_ROLES))
    connection.execute(sql.SQL("grant {} to authenticator").format(roles))
    connection.execute("create schema if not exists extensions")
    connection.execute(sql.SQL("grant usage on schema public, extensions to {}").format(roles))
    creator = sql.SQL("") if owner is None else sql.SQL("for role {}").format(sql.Identifier(owner))
    verb = (
        "grant all on {} to {}" if default_privileges == "granted" else "revoke all on {} from {}"
    )
    for objects in _OBJECTS:
        connection.execute(
            sql.SQL("alter default privileges {} in schema public ").format(creator)
            + sql.SQL(verb).format(sql.SQL(objects), roles)
        )
