"""The server crashes before a claim reached the disk, while the worker that holds it lives on."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from sendonce.local.postgres import LocalPostgres
from sendonce.schema.into_database import install_schema

CONTACTS = 100


@pytest.fixture
def server() -> Iterator[LocalPostgres]:
    """A server that loses what did not reach the disk."""
    with LocalPostgres() as server:
        yield server


def _value(url: str, statement: str, *arguments: Any) -> Any:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(statement, arguments).fetchone()
    assert row is not None
    return row[0]


def _start_campaign(url: str) -> None:
    organization = _value(url, "select create_organization('Acme')")
    account = _value(
        url,
        "select upsert_account(%s, 'whatsapp', '100', 'Shop', %s)",
        organization,
        Jsonb({"maximum_rate": None}),
    )
    template = _value(url, "select upsert_template(%s, 'whatsapp', 'hello')", organization)
    campaign = _value(
        url, "select create_campaign(%s, 'First', %s, %s)", organization, account, template
    )
    people = [{"recipient": f"+9991000{number:05d}"} for number in range(CONTACTS)]
    _value(url, "select add_recipients(%s, %s)", campaign, Jsonb(people))
    _value(url, "select start_campaign(%s)", campaign)


def _claim(url: str, worker: str) -> Any:
    return _value(url, "select claim_messages(%s, null, 1)", worker)


def test_a_lost_claim_can_dispatch_nothing_of_the_one_that_follows(server: LocalPostgres) -> None:
    url = server.create_database("crash")
    install_schema(url)
    _start_campaign(url)

    # A sequence notes on disk every 32 numbers how far it may have gone: the next claim must be
    # one that makes such a note, so that the note is lost with it.
    for _ in range(CONTACTS // 2):
        _claim(url, "before the crash")
        if _value(url, "select log_cnt from sendonce.claim_ids") == 0:
            break
    else:
        pytest.fail("the sequence never had to make a note")
    kept = _value(url, "select count(*) from claims")
    _value(url, "select worker_heartbeat('brings all of it to disk')")

    # Nobody but the stopped WAL writer would bring an asynchronous commit to disk by itself.
    writer = _value(url, "select pid from pg_stat_activity where backend_type = 'walwriter'")
    os.kill(writer, signal.SIGSTOP)
    lost = _claim(url, "before the crash")
    server.restart("immediate")
    assert _value(url, "select count(*) from claims") == kept, "the crash took the claim along"

    anew = _claim(url, "after the crash")
    ids = [entry["entry_id"] for entry in anew["entries"]]
    assert ids == [entry["entry_id"] for entry in lost["entries"]], "and the cursor"
    assert anew["claim_id"] != lost["claim_id"]
    with pytest.raises(psycopg.Error, match="the claim is gone") as refusal:
        _value(url, "select begin_dispatch(%s, %s)", lost["claim_id"], ids)
    assert refusal.value.sqlstate == "SO020"
    dispatched = _value(url, "select begin_dispatch(%s, %s)", anew["claim_id"], ids)["dispatched"]
    assert dispatched == ids
