"""Installing over somebody else's tables is refused before anything changes."""

import pytest

from schema.catalog import differences, read_catalog
from sendonce.schema.into_database import InstallError, install_schema
from support.database import Database


@pytest.mark.parametrize(
    "foreign",
    [
        "create table public.campaigns (id integer)",
        "create table public.messages (id integer)",
        "create view public.templates as select 1 as id",
        "create type public.campaign_status as enum ('sending')",
    ],
)
def test_refused_and_nothing_changed(empty_database: Database, foreign: str) -> None:
    with empty_database.connect() as connection:
        connection.execute(foreign.encode())
        before = read_catalog(connection)
    with pytest.raises(InstallError, match="SO001"):
        install_schema(empty_database.url)
    with empty_database.connect() as connection:
        assert differences(before, read_catalog(connection)) == []


def test_every_name_that_would_be_taken_is_looked_at(
    database: Database, empty_database: Database
) -> None:
    """The check lists names by hand; a table added later must be in it."""
    with database.connect() as connection:
        names = connection.execute(
            "select format('create table public.%I (foreign_column integer)', c.relname), c.relname"
            " from pg_class c where c.relnamespace = 'public'::regnamespace"
            " and c.relkind in ('r', 'p', 'v', 'm')"
            " union all "
            "select format('create type public.%I as enum ()', t.typname), t.typname"
            " from pg_type t where t.typnamespace = 'public'::regnamespace and t.typtype = 'e'"
        ).fetchall()
    assert names
    overlooked = []
    for statement, name in names:
        with empty_database.connect() as connection:
            connection.execute(statement.encode())
        try:
            install_schema(empty_database.url)
        except InstallError as error:
            if "[SO001]" not in str(error):
                overlooked.append(name)
        else:
            pytest.fail(f"installed over a foreign {name}")
        with empty_database.connect() as connection:
            kind = "table" if statement.startswith("create table") else "type"
            connection.execute(f'drop {kind} public."{name}"'.encode())
    assert overlooked == []


def test_a_second_installation_is_refused(database: Database) -> None:
    with database.connect() as connection:
        before = read_catalog(connection)
    with pytest.raises(InstallError, match="SO002"):
        install_schema(database.url)
    with database.connect() as connection:
        assert differences(before, read_catalog(connection)) == []
