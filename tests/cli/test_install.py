"""``sendonce install``: all of it or nothing, into a database or a Supabase project."""

from __future__ import annotations

import secrets
import tomllib
from pathlib import Path

import pytest

from cli.command import refusal, sendonce
from schema.catalog import differences, read_catalog
from schema.conftest import create_project
from schema.supabase_cli import ROOT, SupabaseCli
from sendonce.local.postgres import LocalPostgres
from sendonce.local.postgres_sources import find_installation
from sendonce.schema.into_database import install_schema
from support.database import Database


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "supabase"
    folder.mkdir()
    (folder / "config.toml").write_text('project_id = "mine" # kept\n[api]\nenabled = true')
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_it_asks_where_to_and_takes_one_place_only(project: Path) -> None:
    assert "--into ./supabase" in refusal(sendonce("install"))
    line = refusal(sendonce("install", "--url", "postgresql://x", "--into", str(project)))
    assert "not both" in line


def test_a_database_gets_it_once(empty_database: Database) -> None:
    with empty_database.connect() as connection:
        before = read_catalog(connection)
    assert sendonce("install", "--dry-run", url=empty_database.url).code == 0
    with empty_database.connect() as connection:
        assert differences(before, read_catalog(connection)) == []
    assert sendonce("install", "--url", empty_database.url).code == 0
    assert sendonce("organization", "create", "Acme", url=empty_database.url).code == 0
    assert "[SO002]" in refusal(sendonce("install", url=empty_database.url))


def test_foreign_tables_are_refused_before_any_change(empty_database: Database) -> None:
    with empty_database.connect() as connection:
        connection.execute("create table public.campaigns (id integer)")
        before = read_catalog(connection)
    line = refusal(sendonce("install", "--url", empty_database.url))
    assert "In the way: campaigns" in line
    assert "Rename or move them" in line
    assert line.endswith("[SO001]")
    with empty_database.connect() as connection:
        assert differences(before, read_catalog(connection)) == []


def test_a_project_gets_everything_once_and_keeps_its_settings(project: Path) -> None:
    before = contents(project)
    assert sendonce("install", "--into", str(project), "--dry-run").code == 0
    assert contents(project) == before
    assert sendonce("install", "--into", str(project)).code == 0
    after = contents(project)
    assert after["config.toml"].startswith(before["config.toml"])
    settings = tomllib.loads(after["config.toml"].decode())
    assert settings["functions"] == {"delivery-webhook": {"verify_jwt": False}}
    assert settings["project_id"] == "mine"
    (migration,) = (project / "migrations").iterdir()
    assert migration.name.endswith("_sendonce.sql")
    assert (
        migration.read_bytes()
        == (ROOT / "supabase/migrations/20260101000000_initial.sql").read_bytes()
    )
    assert "functions/delivery-webhook/index.ts" in after
    again = sendonce("install", "--into", str(project))
    assert "Nothing to do" in again.stdout
    assert contents(project) == after


def test_the_migration_sorts_after_every_other(project: Path) -> None:
    (project / "migrations").mkdir()
    (project / "migrations/29990101000000_later.sql").write_text("select 1;")
    assert sendonce("install", "--into", str(project)).code == 0
    assert sorted(contents(project / "migrations"))[-1] == "29990101000001_sendonce.sql"


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("functions/delivery-webhook/index.ts", "mine", "index.ts differs"),
        ("migrations/20250101000000_sendonce.sql", "select 1;", "another version"),
        (
            "config.toml",
            "[functions.delivery-webhook]\nverify_jwt = true\n",
            "says verify_jwt = true",
        ),
        ("config.toml", "functions = { other = {} }\n", "by hand"),
        ("config.toml", "not toml", "cannot be read as TOML"),
    ],
)
def test_what_is_in_the_way_is_named_and_nothing_is_written(
    project: Path, file: str, text: str, said: str
) -> None:
    (project / file).parent.mkdir(parents=True, exist_ok=True)
    (project / file).write_text(text)
    before = contents(project)
    line = refusal(sendonce("install", "--into", str(project)))
    assert said in line
    assert contents(project) == before


def test_only_files_of_the_function_are_replaced_by_force(project: Path) -> None:
    changed = project / "functions/delivery-webhook/index.ts"
    changed.parent.mkdir(parents=True)
    changed.write_text("mine")
    assert sendonce("install", "--into", str(project), "--force").code == 0
    assert (
        changed.read_bytes() == (ROOT / "supabase/functions/delivery-webhook/index.ts").read_bytes()
    )


def test_a_section_without_the_value_gets_it(project: Path) -> None:
    config = project / "config.toml"
    config.write_bytes(b"[functions.delivery-webhook]\r\nenabled = true\r\n[api]\r\nport = 1\r\n")
    assert sendonce("install", "--into", str(project)).code == 0
    assert tomllib.loads(config.read_text()) == {
        "functions": {"delivery-webhook": {"enabled": True, "verify_jwt": False}},
        "api": {"port": 1},
    }
    assert config.read_bytes().count(b"\n") == config.read_bytes().count(b"\r\n")


def test_what_a_project_got_is_what_the_real_cli_pushes(project: Path, tmp_path: Path) -> None:
    (project / "config.toml").write_text('project_id = "mine"\n[db]\nmajor_version = 17\n')
    assert sendonce("install", "--into", str(project)).code == 0
    (tmp_path / "home").mkdir()
    with LocalPostgres(find_installation(major=17), fsync=False) as server:
        by_hand = server.create_database(f"bare_{secrets.token_hex(4)}", template="template0")
        pushed = create_project(server, "withheld").database
        SupabaseCli(tmp_path).run(pushed.url, "db", "push")
        install_schema(by_hand)
        with Database(by_hand).connect() as one, pushed.connect() as other:
            assert differences(read_catalog(one), read_catalog(other)) == []
