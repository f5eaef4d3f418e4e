"""Organization, member, account and template: set up and changed from the command line."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest

from cli.command import refusal, sendonce
from support.database import Connection, Database


def document(*arguments: str, database: Database) -> Any:
    answer = sendonce(*arguments, "--json", url=database.url)
    assert answer.code == 0, answer
    return json.loads(answer.stdout)


@pytest.fixture
def acme(database: Database) -> str:
    return str(document("organization", "create", "Acme", database=database)["id"])


def test_one_command_makes_the_organization_and_its_first_member(
    database: Database, connection: Connection
) -> None:
    user = str(uuid4())
    made = document("organization", "create", "Acme", "--member", user, database=database)
    assert connection.execute(
        "select organization_id::text, user_id::text, role::text from public.organization_members"
    ).fetchall() == [(made["id"], user, "admin")]
    assert "called 'Acme' already" in refusal(
        sendonce("organization", "create", "Acme", url=database.url)
    )
    document("organization", "member", user, "--role", "none", database=database)
    (listed,) = document("organization", "list", database=database)
    assert listed["members"] == []


def test_a_member_who_is_not_found_leaves_no_organization(
    database: Database, connection: Connection
) -> None:
    create = ("organization", "create", "Acme", "--member", "Ann@example.org")
    assert "no table auth.users" in refusal(sendonce(*create, url=database.url))
    connection.execute("create schema auth")
    connection.execute("create table auth.users (id uuid primary key, email text)")
    assert "no user has the e-mail address" in refusal(sendonce(*create, url=database.url))
    assert "neither a user's id" in refusal(
        sendonce("organization", "create", "Acme", "--member", "ann", url=database.url)
    )
    assert document("organization", "list", database=database) == []
    user = str(uuid4())
    connection.execute("insert into auth.users values (%s, 'ann@example.org')", [user])
    assert document(*create, database=database)["member"] == user


def test_an_account_keeps_what_is_not_given(database: Database, acme: str) -> None:
    assert "needs --provider and --name" in refusal(
        sendonce("account", "set", "101", url=database.url)
    )
    given = "--provider whatsapp --name main --currency eur --lease 30s --app shop".split()
    document("account", "set", "101", *given, database=database)
    changed = document("account", "set", "101", "--maximum-rate", "none", database=database)
    assert (changed["name"], changed["currency"], changed["lease"], changed["app"]) == (
        "main",
        "EUR",
        "00:00:30",
        "shop",
    )
    assert changed["maximum_rate"] is None


@pytest.mark.parametrize("rate", ["NaN", "fast", "-1", "0"])
def test_a_rate_that_is_none_is_refused(database: Database, acme: str, rate: str) -> None:
    new = ("account", "set", "101", "--provider", "whatsapp", "--name", "main")
    refusal(sendonce(*new, "--maximum-rate", rate, url=database.url))
    assert document("account", "list", database=database) == []


def test_the_daily_cap_is_the_groups(database: Database, acme: str) -> None:
    new = ("account", "set", "101", "--provider", "whatsapp", "--name", "main")
    assert "Name limit_group with it" in refusal(
        sendonce(*new, "--daily-recipients", "250", url=database.url)
    )
    document(*new, "--limit-group", "portfolio", database=database)
    changed = document("account", "set", "101", "--daily-recipients", "250", database=database)
    assert (changed["limit_group"], changed["daily_recipients"]) == ("portfolio", 250)
    alone = document("account", "set", "101", "--limit-group", "none", database=database)
    assert (alone["limit_group"], alone["daily_recipients"]) == (None, None)


def test_an_account_is_paused_with_a_reason_and_resumed(database: Database, acme: str) -> None:
    document("account", "set", "101", "--provider", "whatsapp", "--name", "main", database=database)
    document("account", "pause", "main", "--reason", "[bold]odd", database=database)
    assert "[bold]odd" in sendonce("account", "list", url=database.url).stdout
    assert document("account", "show", database=database)["pause_reason"] == "[bold]odd"
    assert document("account", "resume", "101", database=database)["paused_at"] is None


def test_a_template_keeps_the_order_of_its_variables_and_what_is_not_given(
    database: Database, acme: str
) -> None:
    assert "pass --provider" in refusal(sendonce("template", "set", "hello", url=database.url))
    given = "--provider whatsapp --variable zoo --variable ant --category utility".split()
    document("template", "set", "hello", *given, database=database)
    changed = document("template", "set", "hello", "--body", "Hello", database=database)
    assert changed["variables"] == ["zoo", "ant"]
    assert (changed["category"], changed["body"]) == ("UTILITY", "Hello")
    assert "given twice" in refusal(
        sendonce(*"template set hello --variable a --variable a".split(), url=database.url)
    )
    none = document("template", "set", "hello", "--no-variables", database=database)
    assert none["variables"] == []
    assert document("template", "show", "hello/en", database=database)["id"] == none["id"]
