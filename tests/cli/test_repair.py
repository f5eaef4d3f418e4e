"""`sendonce repair` makes the numbers equal the rows, shows both, and sends nothing."""

from __future__ import annotations

from cli.command import sendonce
from cli.spoiling import spoil, value
from support.database import Connection, Database
from worker.support import start_campaign

_INFLATE = "update public.campaigns set total_sent = 2, total_delivered = 1 where id = %s"
_COMPLETE = (
    "update public.campaigns set status = 'completed', total_failed = total_contacts,"
    " completed_at = now() where id = %s"
)


def sent(connection: Connection) -> int:
    return int(value(connection, "select total_sent from public.campaigns"))


def test_a_dry_run_shows_both_and_changes_nothing(
    database: Database, connection: Connection
) -> None:
    campaign = start_campaign(connection, 4)
    spoil(database, _INFLATE, campaign.campaign_id)
    answer = sendonce("repair", campaign.campaign_id, "--dry-run", url=database.url)
    assert answer.code == 1
    assert ["total_sent", "2", "0"] in [line.split() for line in answer.stdout.splitlines()]
    assert "dry run" in answer.stdout
    assert sent(connection) == 2


def test_a_repair_makes_the_numbers_equal_the_rows(
    database: Database, connection: Connection
) -> None:
    campaign = start_campaign(connection, 4)
    spoil(database, _INFLATE, campaign.campaign_id)
    answer = sendonce("repair", "Spring", url=database.url)
    assert answer.code == 0
    assert "1 campaign repaired" in answer.stdout
    assert "A repair sends nothing." in answer.stdout
    assert sent(connection) == 0
    assert campaign.violations() == []
    again = sendonce("repair", "Spring", url=database.url)
    assert again.code == 0
    assert "Nothing to repair" in again.stdout
    assert sendonce("repair", "--all", "--dry-run", url=database.url).code == 0


def test_all_repairs_what_differs_and_only_that(database: Database, connection: Connection) -> None:
    campaign = start_campaign(connection, 4)
    connection.execute("select public.clone_campaign(%s)", [campaign.campaign_id])
    spoil(database, _INFLATE, campaign.campaign_id)
    answer = sendonce("repair", "--all", "--json", url=database.url)
    assert answer.code == 0
    (repaired,) = answer.json()["campaigns"]
    assert repaired["campaign_id"] == campaign.campaign_id
    assert repaired["before"]["total_sent"] == 2
    assert repaired["after"]["total_sent"] == 0
    assert sent(connection) == 0


def test_a_wrongly_completed_campaign_is_paused_and_nothing_goes_out(
    database: Database, connection: Connection
) -> None:
    campaign = start_campaign(connection, 4)
    spoil(database, _COMPLETE, campaign.campaign_id)
    answer = sendonce("repair", "--all", url=database.url)
    assert answer.code == 0
    assert "it is paused now" in answer.stdout
    assert campaign.status() == "paused"
    claimed = value(connection, "select public.claim_messages('tester', null, 100)::text")
    assert campaign.claims() == 0, claimed


def test_one_campaign_or_all_has_to_be_said(database: Database) -> None:
    for arguments in (("repair",), ("repair", "--all", "Spring")):
        answer = sendonce(*arguments, url=database.url)
        assert answer.code == 2
        assert answer.stderr == "sendonce: name one campaign, or pass --all\n"
