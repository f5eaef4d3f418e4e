"""`sendonce check` shows where a campaign claims what its rows do not prove, and nothing else."""

from __future__ import annotations

from cli.command import sendonce
from cli.spoiling import spoil
from support.database import Connection, Database
from worker.support import start_campaign

_INFLATE = "update public.campaigns set total_sent = 2, total_delivered = 1 where id = %s"


def test_a_healthy_campaign_is_in_order(database: Database, connection: Connection) -> None:
    start_campaign(connection, 4)
    answer = sendonce("check", url=database.url)
    assert (answer.code, answer.stderr) == (0, "")
    assert "1 campaign checked, all in order" in answer.stdout
    assert "claimed" not in answer.stdout


def test_a_spoilt_campaign_is_shown_with_what_it_claims_and_what_its_rows_prove(
    database: Database, connection: Connection
) -> None:
    campaign = start_campaign(connection, 4)
    spoil(database, _INFLATE, campaign.campaign_id)
    answer = sendonce("check", url=database.url)
    assert answer.code == 1
    lines = [line.split() for line in answer.stdout.splitlines()]
    assert ["total_sent", "2", "0"] in lines
    assert ["total_delivered", "1", "0"] in lines
    assert "total_failed" not in answer.stdout
    assert campaign.campaign_id in answer.stdout


def test_the_json_names_what_differs(database: Database, connection: Connection) -> None:
    campaign = start_campaign(connection, 4)
    clone = connection.execute("select public.clone_campaign(%s)", [campaign.campaign_id])
    assert clone.fetchone()
    spoil(database, _INFLATE, campaign.campaign_id)
    answer = sendonce("check", "--json", url=database.url)
    assert answer.code == 1
    found = answer.json()
    assert (found["checked"], found["in_order"]) == (2, 1)
    (differing,) = found["differing"]
    assert differing["campaign_id"] == campaign.campaign_id
    assert differing["claimed"]["total_sent"] == 2
    assert differing["proven"]["total_sent"] == 0
    assert "campaigns" not in found
    everything = sendonce("check", "--json", "--all", url=database.url).json()
    assert [row["matches"] for row in everything["campaigns"]] == [False, True]


def test_all_lists_those_in_order_too(database: Database, connection: Connection) -> None:
    start_campaign(connection, 4)
    assert "Spring" not in sendonce("check", url=database.url).stdout
    answer = sendonce("check", "--all", url=database.url)
    assert answer.code == 0
    assert ["Spring", "running", "4", "0", "0"] in [
        line.split()[:5] for line in answer.stdout.splitlines()
    ]


def test_one_campaign_is_checked_by_itself(database: Database, connection: Connection) -> None:
    campaign = start_campaign(connection, 4)
    row = connection.execute(
        "select public.clone_campaign(%s) ->> 'campaign_id'", [campaign.campaign_id]
    ).fetchone()
    assert row
    spoil(database, _INFLATE, campaign.campaign_id)
    assert sendonce("check", "--campaign", row[0], url=database.url).code == 0
    assert sendonce("check", "--campaign", campaign.campaign_id, url=database.url).code == 1


def test_one_organization_is_checked_by_itself(database: Database, connection: Connection) -> None:
    campaign = start_campaign(connection, 4)
    connection.execute("select public.create_organization('Zenith')")
    spoil(database, _INFLATE, campaign.campaign_id)
    assert sendonce("check", "--organization", "Worker tests", url=database.url).code == 1
    answer = sendonce("check", "--organization", "Zenith", "--json", url=database.url)
    assert (answer.code, answer.json()["checked"]) == (0, 0)
    mixed = sendonce(
        "check", "--organization", "Zenith", "--campaign", campaign.campaign_id, url=database.url
    )
    assert mixed.code == 2
    assert "is not of organization" in mixed.stderr


def test_an_unknown_campaign_is_wrong_use(database: Database) -> None:
    answer = sendonce("check", "--campaign", "Nothing", url=database.url)
    assert answer.code == 2
    assert answer.stderr.startswith("sendonce: no campaign is called 'Nothing'")
