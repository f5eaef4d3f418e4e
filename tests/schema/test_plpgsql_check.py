"""plpgsql_check, with all its warnings on, has nothing to say about any function."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from sendonce.local.debian_packages import plpgsql_check, server_major
from sendonce.local.postgres import LocalPostgres
from sendonce.local.postgres_sources import find_installation
from sendonce.schema.into_database import install_schema
from support.database import Connection

_WARNINGS = (
    "other_warnings => true, extra_warnings => true,"
    " performance_warnings => true, security_warnings => true"
)
_COLUMNS = "lineno, level, sqlstate, message, detail, hint, query"

# Trigger functions are checked once for each table that they are triggers of: what `new` is
# depends on it. The transition tables of statement triggers are named by their trigger.
_PLAIN = f"""
    select p.oid::regprocedure::text, {_COLUMNS}
    from pg_proc p
    join pg_namespace n on n.oid = p.pronamespace
    join pg_language l on l.oid = p.prolang and l.lanname = 'plpgsql'
    cross join lateral plpgsql_check_function_tb(p.oid, {_WARNINGS})
    where n.nspname in ('public', 'sendonce') and p.prorettype <> 'trigger'::regtype
"""
_TRIGGERS = f"""
    select format('%s on %s (%s)', p.oid::regprocedure, c.oid::regclass, t.tgname), {_COLUMNS}
    from pg_trigger t
    join pg_class c on c.oid = t.tgrelid
    join pg_namespace n on n.oid = c.relnamespace
    join pg_proc p on p.oid = t.tgfoid
    join pg_language l on l.oid = p.prolang and l.lanname = 'plpgsql'
    cross join lateral plpgsql_check_function_tb(
        p.oid, c.oid, oldtable => t.tgoldtable, newtable => t.tgnewtable, {_WARNINGS}
    )
    where n.nspname in ('public', 'sendonce') and not t.tgisinternal
"""


@pytest.fixture(scope="module")
def checked() -> Iterator[Connection]:
    """A database with the schema, on the server that plpgsql_check was built for."""
    major = server_major()
    root = plpgsql_check(major).root()
    if root is None:
        pytest.fail(f"{plpgsql_check(major).name} is not here; `make tools` brings it")
    with LocalPostgres(find_installation(major=major, kind="debian"), fsync=False) as server:
        url = server.create_database("checked")
        install_schema(url)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("create extension plpgsql_check")
            yield connection


def findings(connection: Connection, query: str) -> list[str]:
    """Return every finding in words."""
    found: list[tuple[Any, ...]] = connection.execute(query.encode()).fetchall()
    return [" | ".join(str(part) for part in row if part is not None) for row in found]


def test_nothing_about_functions(checked: Connection) -> None:
    assert findings(checked, _PLAIN) == []


def test_nothing_about_trigger_functions(checked: Connection) -> None:
    assert findings(checked, _TRIGGERS) == []


def test_every_trigger_function_is_a_trigger_of_something(checked: Connection) -> None:
    """One that is not would go unchecked."""
    idle = checked.execute(
        """
        select p.oid::regprocedure::text
        from pg_proc p
        where p.pronamespace in ('public'::regnamespace, 'sendonce'::regnamespace)
            and p.prorettype = 'trigger'::regtype
            and not exists (select from pg_trigger t where t.tgfoid = p.oid)
        """
    ).fetchall()
    assert idle == []


def test_a_mistake_would_be_found(checked: Connection) -> None:
    """In a function and in a trigger function: otherwise the silence above means nothing."""
    with checked.transaction(force_rollback=True):
        checked.execute(
            """
            create function sendonce.mistaken() returns integer language plpgsql
            set search_path = '' as $$ begin return no_such_column; end; $$;

            create function sendonce.mistaken_trigger() returns trigger language plpgsql
            set search_path = '' as $$ begin new.no_such_column := 1; return new; end; $$;

            create trigger mistaken before update on public.campaigns
            for each row execute function sendonce.mistaken_trigger();
            """
        )
        assert any("sendonce.mistaken()" in finding for finding in findings(checked, _PLAIN))
        assert any("sendonce.mistaken_trigger" in found for found in findings(checked, _TRIGGERS))
