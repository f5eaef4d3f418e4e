"""What a campaign costs and what became of it, the same in every command as in the rows."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from typer.testing import CliRunner

from acceptance.abc_support import Campaign, Stage, accepted, call, sound
from cli.command import Answer, refusal, sendonce
from cli.terminal import Terminal
from sendonce.cli.main import application
from support.database import Connection, Database


class Shop:
    """A price list, a campaign with every outcome there is, and the commands that look at it."""

    def __init__(self, database: Database, connection: Connection, charge_on: str) -> None:
        self.url = database.url
        self.stage = Stage(connection, charge_on=charge_on)

    def run(self, *arguments: str) -> Answer:
        """Run `sendonce campaign …` in this process, to exit 0: a process each takes its time."""
        result = CliRunner().invoke(
            application(), ["campaign", *arguments], env={"SENDONCE_DATABASE_URL": self.url}
        )
        assert result.exit_code == 0, (result.output, result.exception)
        return Answer(result.exit_code, result.stdout, result.stderr)

    def refusal(self, *arguments: str) -> str:
        """What the real command says when it refuses."""
        return refusal(sendonce("campaign", *arguments, url=self.url))

    def json(self, *arguments: str) -> Any:
        """Its answer to --json."""
        return self.run(*arguments, "--json").json()

    def mixed(self) -> Campaign:
        """8 contacts: 5 sent (3 delivered, 1 of them read; 1 undelivered), 2 failed, 1 ready."""
        campaign = self.stage.campaign(8, name="Autumn")
        claimed = campaign.claim(7)
        campaign.dispatch(claimed)
        entries = claimed["entries"]
        refused = [
            {"entry_id": entry["entry_id"], "attempt": entry["attempt"], "outcome": "rejected",
             "code": "135000"}
            for entry in entries[5:]
        ]  # fmt: skip
        campaign.record(claimed, accepted(entries[:5]) + refused)
        campaign.report(entries[:3], "delivered")
        campaign.report(entries[:1], "read")
        campaign.report(entries[3:4], "failed")
        sound(self.stage.connection)
        return campaign


@pytest.fixture
def shop(database: Database, connection: Connection) -> Shop:
    return Shop(database, connection, "accepted")


_COUNTED = """
    select jsonb_build_object(
        'total_contacts', count(*),
        'total_sent', count(*) filter (where status = 'sent'),
        'total_failed', count(*) filter (where status = 'failed'),
        'total_delivered', count(*) filter (where delivery_status in ('delivered', 'read')),
        'total_read', count(*) filter (where delivery_status = 'read'),
        'total_undelivered', count(*) filter (where delivery_status = 'undelivered'),
        'unsettled', count(*) filter (where status = 'ready')
    ) from public.send_queue where campaign_id = %s
"""


def test_every_command_tells_the_numbers_of_the_rows(shop: Shop) -> None:
    campaign = shop.mixed()
    counted = shop.stage.connection.execute(_COUNTED, [campaign.id]).fetchone()
    assert counted is not None
    numbers = {
        **counted[0],
        "actual_cost": 0.275,
        "estimated_cost": 0.44,
        "currency": "USD",
        "status": "running",
    }
    assert numbers["total_delivered"] == 3
    assert numbers["total_undelivered"] == 1
    status = shop.json("status", campaign.id)
    assert {name: status[name] for name in numbers} == numbers
    [listed] = shop.json("list")
    in_list = {name: value for name, value in numbers.items() if name != "unsettled"}
    assert {name: listed[name] for name in in_list} == in_list
    progress = call(shop.stage.connection, "campaign_progress", campaign.id)
    assert {name: status[name] for name in progress} == progress


def test_people_read_the_same_numbers(shop: Shop) -> None:
    campaign = shop.mixed()
    text = shop.run("status", campaign.id).stdout
    for line in (
        "87.50 %  7 of 8 contacts",
        "sent       5  (delivered 3, read 1, undelivered 1)",
        "failed     2",
        "open       1  (outcome unknown 0)",
        "cost       0.2750 USD so far, estimated 0.4400 USD",
    ):
        assert line in text
    [row] = [line for line in shop.run("list").stdout.splitlines() if "Autumn" in line]
    shown = row.split()
    assert shown == [
        campaign.id[:8], "Autumn", "running", "88", "%", "8", "5", "2", "0.2750", "USD",
    ]  # fmt: skip
    lines = [
        (line.split()[0], line.split()[1])
        for line in shop.run("failures", campaign.id).stdout.splitlines()
        if line.strip().startswith(("failed", "undelivered"))
    ]
    assert lines == [("failed", "2"), ("undelivered", "1")]


def test_what_is_charged_on_delivery_costs_nothing_before(
    database: Database, connection: Connection
) -> None:
    shop = Shop(database, connection, "delivered")
    campaign = shop.stage.campaign(3)
    entries = campaign.send()
    assert shop.json("status", campaign.id)["actual_cost"] == 0
    campaign.report(entries[:2], "delivered", "read")
    assert "cost       0.1100 USD so far" in shop.run("status", campaign.id).stdout


def test_large_amounts_are_grouped_and_in_the_account_s_currency(shop: Shop) -> None:
    shop.stage.connection.execute(
        "insert into public.rates (provider, category, currency, rate, charge_on)"
        " values ('whatsapp', 'UTILITY', 'EUR', %s, 'accepted')",
        [Decimal("411.5")],
    )
    account = shop.stage.another_account("106500000000002", currency="EUR")
    campaign = shop.stage.campaign(3, account=account)
    campaign.send(2)
    assert "cost       823.00 EUR so far, estimated 1,234.50 EUR" in (
        shop.run("status", campaign.id).stdout
    )


def test_a_clone_is_estimated_anew_and_has_cost_nothing(shop: Shop) -> None:
    campaign = shop.mixed()
    everybody = shop.json("clone", campaign.id, "--recipients", "all")
    whole = shop.json("status", everybody["campaign_id"])
    assert (whole["total_contacts"], whole["status"]) == (8, "draft")
    assert (whole["estimated_cost"], whole["actual_cost"]) == (0.44, 0)
    text = shop.run("clone", campaign.id, "--recipients", "unsent").stdout
    assert "2 contacts copied, 0 of them suppressed; 0 no longer fit the template." in text
    # Neither who got it nor who may still get it.
    failed = {
        entry["recipient"]
        for entry in shop.json("entries", campaign.id, "--status", "failed")["entries"]
    }
    clone = text.split("draft")[1].split()[0]
    copied = {entry["recipient"] for entry in shop.json("entries", clone)["entries"]}
    assert copied == failed
    assert shop.json("status", clone)["estimated_cost"] == 0.11


def test_a_clone_says_who_is_suppressed_and_who_no_longer_fits(shop: Shop) -> None:
    campaign = shop.stage.campaign(4)
    connection = shop.stage.connection
    first = shop.json("entries", campaign.id, "--limit", "1")["entries"][0]["recipient"]
    call(connection, "suppress", shop.stage.organization, first, "all", "asked")
    text = shop.run("clone", campaign.id, "--recipients", "all").stdout
    assert "4 contacts copied, 1 of them suppressed; 0 no longer fit the template." in text
    call(
        connection, "upsert_template", shop.stage.organization, "whatsapp", "greeting", "en",
        {"variables": ["name", "city"]},
    )  # fmt: skip
    answer = shop.json("clone", campaign.id, "--recipients", "all")
    assert (answer["added"], answer["suppressed"], answer["rejected"]) == (0, 0, 4)


def test_a_clone_is_filled_from_its_own_original_alone(shop: Shop) -> None:
    one = shop.stage.campaign(2, name="One")
    other = shop.stage.campaign(2, name="Other")
    clone = shop.json("clone", one.id)["campaign_id"]
    assert "is no clone of" in shop.refusal(
        "clone", other.id, "--recipients", "all", "--into", clone
    )
    assert "--recipients" in shop.refusal("clone", one.id, "--into", clone)
    assert shop.json("clone", one.id, "--recipients", "all", "--into", clone)["added"] == 2


def test_a_retry_brings_back_the_failed_and_is_charged_once_more(shop: Shop) -> None:
    campaign = shop.mixed()
    answer = shop.json("retry", campaign.id)
    assert (answer["moved"], answer["status"], answer["more"]) == (2, "running", False)
    assert shop.json("status", campaign.id)["unsettled"] == 3
    assert len(campaign.send()) == 3
    after = shop.json("status", campaign.id)
    assert (after["status"], after["total_sent"], after["total_failed"]) == ("completed", 8, 0)
    assert after["actual_cost"] == 0.44
    # Nobody failed any more: nothing to put back, and the campaign stays completed.
    again = shop.json("retry", campaign.id)
    assert (again["moved"], again["status"]) == (0, "completed")
    sound(shop.stage.connection)


def test_a_retry_of_one_class_leaves_the_others(shop: Shop) -> None:
    campaign = shop.stage.campaign(3)
    claimed = campaign.claim()
    campaign.dispatch(claimed)
    campaign.record(
        claimed,
        [
            {"entry_id": entry["entry_id"], "attempt": entry["attempt"], "outcome": "rejected",
             "code": code}
            for entry, code in zip(
                claimed["entries"], ("135000", "135000", "131026"), strict=True
            )
        ],
    )  # fmt: skip
    classes = {
        line["class"]: line["contacts"] for line in shop.json("failures", campaign.id)["failed"]
    }
    assert len(classes) == 2
    [once] = [name for name, contacts in classes.items() if contacts == 1]
    assert shop.json("retry", campaign.id, "--class", once)["moved"] == 1
    [left] = shop.json("failures", campaign.id)["failed"]
    assert (left["contacts"], left["class"] != once) == (2, True)


def test_a_retry_goes_on_beyond_one_step(shop: Shop) -> None:
    campaign = shop.stage.campaign(0, name="Large", start=False)
    size = 10_050
    for start in range(0, size, 5_025):
        people = [
            {"recipient": f"+9994{number:08d}", "variables": {"name": "Contact"}}
            for number in range(start, start + 5_025)
        ]
        call(shop.stage.connection, "add_recipients", campaign.id, people)
    call(shop.stage.connection, "start_campaign", campaign.id)
    while (claimed := campaign.claim())["entries"]:
        campaign.dispatch(claimed)
        campaign.record(
            claimed,
            [
                {"entry_id": entry["entry_id"], "attempt": entry["attempt"],
                 "outcome": "rejected", "code": "131026"}
                for entry in claimed["entries"]
            ],
        )  # fmt: skip
    assert campaign.is_completed()
    answer = shop.json("retry", campaign.id)
    assert (answer["moved"], answer["status"]) == (size, "running")


def test_a_list_shows_the_newest_and_no_more_than_asked(shop: Shop) -> None:
    made = [shop.stage.campaign(0, name=f"Number {n}", start=False).id for n in range(3)]
    assert [row["id"] for row in shop.json("list", "--limit", "2")] == made[:0:-1]
    assert json.dumps(made[0])[1:9] in shop.run("list").stdout


def test_a_list_in_a_narrow_window_breaks_names_and_nothing_else(
    database: Database, shop: Shop
) -> None:
    campaign = shop.stage.campaign(1, name="The long name of a campaign in the autumn")
    with Terminal("campaign", "list", url=database.url, columns=80, lines=24) as terminal:
        assert terminal.wait() == 0
        lines = terminal.screen.text().splitlines()
    [first] = [line for line in lines if line.startswith(f" {campaign.id[:8]} ")]
    assert first.split()[-8:] == ["running", "0", "%", "1", "0", "0", "0.00", "USD"]
