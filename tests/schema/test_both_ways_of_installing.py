"""complete_schema.sql on bare PostgreSQL, and the migrations by the real CLI: the same database."""

import secrets

import pytest

from schema.catalog import Catalog, differences, read_catalog, rows_of_reference_tables
from schema.conftest import Project
from schema.supabase_cli import SupabaseCli
from sendonce.local.postgres import LocalPostgres
from sendonce.schema.into_database import install_schema
from support.database import Database


def everything(database: Database) -> Catalog:
    with database.connect() as connection:
        return {**read_catalog(connection), **rows_of_reference_tables(connection)}


@pytest.fixture(scope="session")
def installed_by_hand(bare_server: LocalPostgres) -> Catalog:
    url = bare_server.create_database(f"bare_{secrets.token_hex(4)}", template="template0")
    install_schema(url)
    catalog = everything(Database(url))
    assert any(name.startswith("function sendonce.") for name in catalog)
    return catalog


def test_push_gives_the_same_database(
    installed_by_hand: Catalog, project: Project, supabase: SupabaseCli
) -> None:
    supabase.run(project.database.url, "db", "push")
    assert differences(installed_by_hand, everything(project.database)) == []


def test_reset_gives_the_same_database_however_often(
    installed_by_hand: Catalog, project: Project, supabase: SupabaseCli
) -> None:
    for _ in range(2):
        # No seed: what a development database holds is not the schema's.
        supabase.run(project.database.url, "db", "reset", "--no-seed")
        assert differences(installed_by_hand, everything(project.database)) == []


@pytest.mark.parametrize("major", [17], indirect=True)
@pytest.mark.parametrize("project", ["withheld"], indirect=True)
def test_reset_runs_the_seed(project: Project, supabase: SupabaseCli) -> None:
    seed = supabase.directory / "supabase" / "seed.sql"
    with seed.open("a", encoding="utf-8") as file:
        file.write("\ncomment on schema sendonce is 'the seed was here';\n")
    supabase.run(project.database.url, "db", "reset")
    with project.database.connect() as connection:
        row = connection.execute(
            "select obj_description('sendonce'::regnamespace, 'pg_namespace')"
        ).fetchone()
    assert row == ("the seed was here",)


@pytest.mark.parametrize("major", [17], indirect=True)
def test_the_comparison_sees_a_difference(
    bare_server: LocalPostgres, installed_by_hand: Catalog
) -> None:
    """One change of each kind: a comparison that overlooks it proves nothing above."""
    changes = {
        "column": "alter table public.campaigns alter column name set default 'x'",
        "relation": "grant insert on public.send_queue to authenticated",
        "index": "drop index public.idx_send_queue_wamid",
        "function": "grant execute on function sendonce.now() to public",
        "trigger": "alter table public.send_queue disable trigger user",
        "constraint": "alter table public.campaigns add constraint x check (true)",
        "policy": "create policy x on public.campaigns using (true)",
        "type": "alter type public.entry_status add value 'x'",
        "schema": "grant usage on schema sendonce to public",
    }
    url = bare_server.create_database(f"bare_{secrets.token_hex(4)}", template="template0")
    install_schema(url)
    database = Database(url)
    for kind, change in changes.items():
        before = everything(database)
        with database.connect() as connection:
            if kind == "function":
                connection.execute("revoke execute on function sendonce.now() from public")
                before = everything(database)
            connection.execute(change.encode())
        found = differences(before, everything(database))
        assert any(f"{kind} " in difference for difference in found), (kind, found)
