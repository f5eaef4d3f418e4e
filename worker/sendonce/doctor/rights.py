"""Who may call what: missing rights stop programs, superfluous ones open doors."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg

from sendonce.cli.database import Connection
from sendonce.doctor.finding import Finding, error, not_checked, ok
from sendonce.doctor.questions import Check, ask

#: As many as a line can usefully name.
_SHOWN = 3


def checks() -> list[tuple[str, Check]]:
    """The checks of this group."""
    return [("rights of strangers", _strangers), ("rights", _listed), ("own rights", _own)]


def _strangers(connection: Connection) -> Iterator[Finding]:
    # From the catalog alone, so that anybody can look. The functions of schema public are
    # recognized by their names, which are those of definers in schema sendonce.
    rows = ask(
        connection,
        "select p.oid::regprocedure::text as signature, stranger.name as who"
        " from pg_catalog.pg_proc p"
        " cross join (values ('anon'), ('public')) stranger (name)"
        " where (p.pronamespace = 'sendonce'::regnamespace"
        "   or (p.pronamespace = 'public'::regnamespace and ("
        "     exists (select from pg_catalog.pg_proc d where d.proname = p.proname"
        "       and d.pronamespace = 'sendonce'::regnamespace)"
        "     or pg_catalog.obj_description(p.oid, 'pg_proc') like 'Called by %')))"
        " and (stranger.name = 'public' or pg_catalog.to_regrole(stranger.name) is not null)"
        " and pg_catalog.has_function_privilege(stranger.name, p.oid, 'execute')"
        " order by 2 desc, 1",
    )
    if rows:
        names = ", ".join(f"{row['who']}: {row['signature']}" for row in rows[:_SHOWN])
        more = f" and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
        yield error(
            "rights of strangers",
            f"people who have not signed in may execute functions ({names}{more})",
            "revoke execute on these functions from public and anon",
        )
    else:
        yield ok("rights of strangers", "anon and PUBLIC may execute nothing")


def _listed(connection: Connection) -> Iterator[Finding]:
    rows = ask(
        connection,
        "select l.signature, role.name as who, sendonce.may_execute(l.audience, role.name) as may"
        " from sendonce.function_access l"
        " cross join (values ('authenticated'), ('service_role'), ('sendonce_worker')) role (name)"
        " where pg_catalog.to_regrole(role.name) is not null"
        " and pg_catalog.to_regprocedure(l.signature) is not null"
        " and pg_catalog.has_function_privilege(role.name,"
        "   pg_catalog.to_regprocedure(l.signature)::oid, 'execute')"
        "   <> sendonce.may_execute(l.audience, role.name)"
        " order by 1, 2",
    )
    for row in rows:
        if row["may"]:
            yield error(
                "rights",
                f"{row['who']} may not execute {row['signature']}",
                f"grant execute on function {row['signature']} to {row['who']}",
            )
        else:
            yield error(
                "rights",
                f"{row['who']} may execute {row['signature']}, which is not for it",
                f"revoke execute on function {row['signature']} from {row['who']}",
            )
    missing = ask(
        connection,
        "select l.signature from sendonce.function_access l"
        " where pg_catalog.to_regprocedure(l.signature) is null order by 1",
    )
    for row in missing:
        yield error(
            "rights",
            f"function {row['signature']} is missing",
            "install the schema of this version again",
        )
    if not rows and not missing:
        yield ok("rights", "every role may execute exactly what is listed for it")


def _own(connection: Connection) -> Iterator[Finding]:
    try:
        (row,) = ask(
            connection,
            "select current_user::text as me,"
            " pg_catalog.has_function_privilege("
            "   'public.claim_messages(text, uuid, integer)', 'execute') as sends,"
            " pg_catalog.has_function_privilege("
            "   'public.create_campaign(uuid, text, uuid, uuid, jsonb)', 'execute') as administers",
        )
    except (psycopg.errors.UndefinedFunction, psycopg.errors.UndefinedObject):
        yield not_checked("own rights", "the functions of this version are not there")
        return
    can = [
        word for word, may in (("send", row["sends"]), ("administer", row["administers"])) if may
    ]
    if can:
        yield ok("own rights", f"{row['me']} may {' and '.join(can)}")
    else:
        yield error(
            "own rights",
            f"{row['me']} may neither send nor administer",
            "log in as sendonce_worker, as service_role, or as the owner",
        )
