"""`sendonce verify` is silent about a healthy database and names every violation of another."""

from __future__ import annotations

from cli.command import sendonce
from cli.spoiling import spoil
from support.database import Connection, Database
from worker.support import start_campaign


def test_a_healthy_database_has_no_violations(database: Database, connection: Connection) -> None:
    start_campaign(connection, 3)
    answer = sendonce("verify", url=database.url)
    assert (answer.code, answer.stdout, answer.stderr) == (0, "no violations\n", "")
    assert sendonce("verify", "--json", url=database.url).json()["violations"] == []


def test_a_violation_is_shown_with_its_number_campaign_and_detail(
    database: Database, connection: Connection
) -> None:
    campaign = start_campaign(connection, 3)
    spoil(
        database,
        "update public.campaigns set total_sent = 2 where id = %s",
        campaign.campaign_id,
    )
    answer = sendonce("verify", url=database.url)
    assert answer.code == 1
    assert "counters_equal_rows" in answer.stdout
    assert "total_sent is 2, the rows prove 0" in answer.stdout
    assert "1 violation." in answer.stdout
    (violation,) = sendonce("verify", "--json", url=database.url).json()["violations"]
    assert violation["invariant"] == 4
    assert violation["campaign_id"] == campaign.campaign_id


def test_one_campaign_is_verified_by_itself(database: Database, connection: Connection) -> None:
    campaign = start_campaign(connection, 3)
    row = connection.execute(
        "select public.clone_campaign(%s) ->> 'campaign_id'", [campaign.campaign_id]
    ).fetchone()
    assert row
    spoil(
        database,
        "update public.campaigns set total_sent = 2 where id = %s",
        campaign.campaign_id,
    )
    assert sendonce("verify", row[0], url=database.url).code == 0
    assert sendonce("verify", campaign.campaign_id, url=database.url).code == 1


def test_a_worker_login_may_not_verify(database: Database) -> None:
    answer = sendonce("verify", url=database.worker_url)
    assert answer.code == 2
    assert answer.stderr.endswith("[42501]\n")
