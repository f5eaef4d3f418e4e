"""What a command says when the database is not there, not ours, or not alone of its kind."""

from __future__ import annotations

import json
from typing import Any

from cli.command import refusal, sendonce
from support.database import Connection, Database, with_database, with_user


def organization(connection: Connection, name: str) -> str:
    row = connection.execute("select public.create_organization(%s)", [name]).fetchone()
    assert row is not None
    return str(row[0])


def test_without_a_url_it_says_where_to_put_one() -> None:
    assert "set SENDONCE_DATABASE_URL, or pass --url" in refusal(sendonce("queue", "stats"))


def test_an_unreadable_url_is_named_but_never_shown() -> None:
    line = refusal(sendonce("queue", "stats", url="postgresql://me:se cret@host/ x=y"))
    assert "SENDONCE_DATABASE_URL is not a PostgreSQL connection URL" in line
    assert "cret" not in line
    line = refusal(sendonce("queue", "stats", "--url", "nonsense"))
    assert "--url is not a PostgreSQL connection URL" in line


def test_a_server_that_is_not_there_is_one_line(database: Database) -> None:
    line = refusal(sendonce("queue", "stats", url="postgresql://me:secret@127.0.0.1:1/none"))
    assert "cannot be reached" in line
    assert "secret" not in line


def test_a_wrong_password_is_one_line_without_it(database: Database) -> None:
    line = refusal(sendonce("queue", "stats", url=with_user(database.url, "nobody_here", "secret")))
    assert "nobody_here" in line
    assert "secret" not in line


def test_a_database_that_does_not_exist_is_named(database: Database) -> None:
    line = refusal(sendonce("queue", "stats", url=with_database(database.url, "not_there")))
    assert "not_there" in line


def test_a_database_without_the_schema_is_told_apart(empty_database: Database) -> None:
    line = refusal(sendonce("queue", "stats", url=empty_database.url))
    assert "Is Sendonce installed in this database?" in line


def test_a_refusal_of_the_database_has_its_remedy_and_its_state(
    database: Database, connection: Connection
) -> None:
    organization(connection, "Acme")
    # A worker's login reads no table.
    line = refusal(sendonce("queue", "stats", url=database.worker_url))
    assert "permission denied" in line
    assert line.endswith("[42501]")


def test_without_an_organization_it_says_how_to_make_one(database: Database) -> None:
    line = refusal(sendonce("queue", "stats", url=database.url))
    assert "`sendonce organization create NAME`" in line


def test_the_only_organization_need_not_be_named(
    database: Database, connection: Connection
) -> None:
    organization(connection, "Acme")
    answer = sendonce("queue", "stats", "--json", url=database.url)
    assert answer.code == 0, answer
    found: dict[str, Any] = json.loads(answer.stdout)
    assert found


def test_of_several_one_has_to_be_named_by_id_or_name(
    database: Database, connection: Connection
) -> None:
    first, second = organization(connection, "Acme"), organization(connection, "Zenith")
    line = refusal(sendonce("queue", "stats", url=database.url))
    assert f"Acme ({first})" in line
    assert f"Zenith ({second})" in line
    for name in ("Zenith", second):
        answer = sendonce("queue", "stats", "--json", "--organization", name, url=database.url)
        assert answer.code == 0, answer
        assert second in answer.stdout
        assert first not in answer.stdout
    line = refusal(sendonce("queue", "stats", "--organization", "Nobody", url=database.url))
    assert "no organization is called 'Nobody'" in line
