"""Rules that every function of the schema keeps."""

import pytest

from support.database import Connection

_FUNCTIONS = """
    from pg_proc p
    join pg_namespace n on n.oid = p.pronamespace
    where n.nspname in ('public', 'sendonce')
"""


def listed(connection: Connection, condition: str) -> list[str]:
    """Return the functions for which the condition holds."""
    query = f"select p.oid::regprocedure::text {_FUNCTIONS} and ({condition}) order by 1"
    return [name for (name,) in connection.execute(query.encode())]


def test_there_are_functions_in_both_schemas(connection: Connection) -> None:
    for schema in ("public", "sendonce"):
        assert listed(connection, f"n.nspname = '{schema}'")


def test_it_finds_nothing_by_an_unpinned_search_path(connection: Connection) -> None:
    pinned = "coalesce(p.proconfig @> array['search_path=\"\"'], false)"
    assert listed(connection, f"not {pinned}") == []


def test_one_that_people_call_says_what_it_is_for(connection: Connection) -> None:
    wordless = "n.nspname = 'public' and obj_description(p.oid, 'pg_proc') is null"
    assert listed(connection, wordless) == []


@pytest.mark.parametrize("role", ["public", "anon"])
def test_nobody_executes_it_unasked(connection: Connection, role: str) -> None:
    grantee = "0" if role == "public" else f"'{role}'::regrole"
    granted = f"""
        exists (
            select from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
            where a.grantee = {grantee}
        )
    """
    assert listed(connection, granted) == []


def test_arguments_are_told_from_columns_by_their_underscore(connection: Connection) -> None:
    unmarked = """
        exists (
            select
            from unnest(p.proargnames, coalesce(p.proargmodes, array_fill('i'::"char",
                array[coalesce(array_length(p.proargnames, 1), 0)]))) a (name, mode)
            where a.mode in ('i', 'b', 'v') and a.name !~ '^_'
        )
    """
    assert listed(connection, unmarked) == []


def test_what_runs_as_its_owner_lies_where_no_api_looks(connection: Connection) -> None:
    exposed = "n.nspname = 'public' and p.prosecdef and p.prorettype <> 'trigger'::regtype"
    assert listed(connection, exposed) == []
