"""POSTs that arrive while the database is busy share a call, and never a fate."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from support.database import Connection, Database
from webhook.conftest import HandedOver, Running
from webhook.provider import status


def _ids(reports: list[dict[str, Any]]) -> list[Any]:
    return [report["provider_message_id"] for report in reports]


def _waits_for_lock(connection: Connection) -> bool:
    row = connection.execute(
        "select exists (select from pg_locks"
        " where not granted and relation = 'public.handed_over'::regclass)"
    ).fetchone()
    return row == (True,)


def test_posts_that_wait_for_the_database_go_together(
    own_running: Running, own_handed_over: HandedOver, database: Database, connection: Connection
) -> None:
    with ThreadPoolExecutor(60) as pool:
        with database.connect() as other, other.transaction():
            other.execute("lock table public.handed_over in access exclusive mode")
            posts = [pool.submit(own_running.webhook.report, status(f"w.{n}")) for n in range(60)]
            while not _waits_for_lock(connection):
                time.sleep(0.01)
            # Long enough for all of them to arrive, which nothing outside the function can see.
            time.sleep(1)
        assert {post.result().status for post in posts} == {200}
    calls = [_ids(reports) for reports in own_handed_over()]
    assert sorted(message_id for ids in calls for message_id in ids) == sorted(
        f"w.{n}" for n in range(60)
    )
    assert len(calls) < 10
    assert sum(event["posts"] for event in own_running.events("reports_stored")) == 60


def test_a_post_that_the_database_refuses_keeps_no_other_from_being_stored(
    own_running: Running, own_handed_over: HandedOver, database: Database, connection: Connection
) -> None:
    connection.execute(
        "alter table public.handed_over add constraint no_poison check (reports::text !~ 'poison')"
    )
    names = [f"w.{n}" for n in range(20)] + ["poison"] + [f"v.{n}" for n in range(20)]
    with ThreadPoolExecutor(60) as pool:
        with database.connect() as other, other.transaction():
            other.execute("lock table public.handed_over in access exclusive mode")
            posts = {n: pool.submit(own_running.webhook.report, status(n)) for n in names}
            while not _waits_for_lock(connection):
                time.sleep(0.01)
            time.sleep(1)
        statuses = {name: post.result().status for name, post in posts.items()}
    assert statuses.pop("poison") == 500
    assert set(statuses.values()) == {200}
    stored = [message_id for reports in own_handed_over() for message_id in _ids(reports)]
    assert sorted(stored) == sorted(statuses)
