"""Reports as the provider POSTs them: early ones, strange ones, mixed ones, and what they cost."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import permutations

import pytest
from psycopg.types.json import Jsonb

from bad_days.reporting import Campaign, World, open_world
from cli.command import sendonce
from sendonce.simulator.process import SimulatorProcess
from support.database import Database
from webhook.provider import OTHER_APP, Json, status
from worker.support import wait_until

#: What a delivered message costs by country, and for each person the price of the longest prefix.
PRICES = {"+9994": "0.05", "+": "0.9", "+99945": "0.07", "+1500": "0.011"}
PEOPLE = {
    "+99940000001": "0.05",
    "+99945000001": "0.07",
    "+15005550006": "0.011",
    "+5511900000001": "0.9",
}


@pytest.fixture
def world(database: Database, simulator: SimulatorProcess) -> Iterator[World]:
    """Worker, provider and webhook around the test's own database."""
    with open_world(database, simulator) as world:
        yield world


def references(world: World, campaign: Campaign) -> dict[str, str]:
    """The reference of each contact's first attempt."""
    rows = world.connection.execute(
        "select recipient, format('so1:%%s:%%s:1', campaign_id, id) from public.send_queue"
        " where campaign_id = %s order by id",
        [campaign.id],
    ).fetchall()
    return dict(rows)


def rows(world: World, campaign: Campaign) -> Json:
    """Everything that belongs to a campaign, to compare."""
    return world.value(
        "select jsonb_build_object("
        " 'campaign', to_jsonb(c), 'account', to_jsonb(a),"
        " 'entries', (select jsonb_agg(to_jsonb(q) order by q.id) from public.send_queue q"
        "   where q.campaign_id = c.id),"
        " 'attempts', (select jsonb_agg(to_jsonb(m) order by m.entry_id, m.attempt)"
        "   from public.messages m where m.campaign_id = c.id))"
        " from public.campaigns c join public.provider_accounts a on a.id = c.account_id"
        " where c.id = %s",
        campaign.id,
    )


def test_a_report_that_comes_before_its_message_id_is_known_waits_and_is_applied(
    world: World,
) -> None:
    # The webhook has answered before our own request has; and nothing but the id says whose it is.
    world.simulator.control.set_faults(
        report_early=True, reference_missing=True, delivered_rate=1.0, read_rate=0.0
    )
    campaign = world.campaign(10)
    world.worker()
    campaign.wait_for(sent=10)
    world.report_everything()
    wait_until(lambda: campaign.counters()["total_delivered"] == 10, "ten deliveries")
    assert set(world.dispositions()) == {"applied"}
    # Ten of them at least were here before their message was.
    early = world.value(
        "select count(distinct l.entry_id) from sendonce.report_log l"
        " join public.messages m on m.entry_id = l.entry_id and m.attempt = l.attempt"
        " where l.received_at < m.recorded_at"
    )
    assert early == 10
    assert world.discrepancies() == []
    world.nobody_got_two()
    world.sound()


def test_a_report_of_a_message_that_nobody_sent_waits_a_week_and_is_listed(world: World) -> None:
    world.simulator.control.set_faults(report_lost=1.0)
    campaign = world.campaign(1)
    neighbour = world.campaign(1)
    world.worker()
    for sending in (campaign, neighbour):
        sending.wait_for(sent=1)
    before = [rows(world, campaign), rows(world, neighbour)]
    stranger = {"biz_opaque_callback_data": None, "status": "delivered"}
    world.post(
        (campaign.sender, status("wamid.nobodys.1", **stranger)),
        (neighbour.sender, status("wamid.nobodys.2", **stranger)),
        (campaign.sender, status("wamid.nobodys.1", **stranger)),
    )
    assert world.dispositions()["waiting"] == 3

    world.pass_time("6 days 23 hours 59 minutes")
    wait_until(
        lambda: world.value(
            "select bool_and(look_at > sendonce.now()) from sendonce.report_log"
            " where disposition = 'waiting'"
        ),
        "a look at each",
    )
    assert world.dispositions()["waiting"] == 3
    assert world.discrepancies() == []

    world.pass_time("6 hours 2 minutes")
    wait_until(lambda: world.dispositions()["waiting"] == 0, "the end of their time")
    assert world.dispositions()["refused"] == 3
    assert {
        (found["kind"], found["organization_id"], found["account_id"], found["detail"]["first"])
        for found in world.discrepancies()
    } == {
        ("unknown_message_id", campaign.organization, campaign.account, "wamid.nobodys.1"),
        ("unknown_message_id", neighbour.organization, neighbour.account, "wamid.nobodys.2"),
    }
    assert [rows(world, campaign), rows(world, neighbour)] == before
    world.sound()


def test_one_post_of_several_organizations_reaches_each_its_own_and_refuses_the_rest(
    world: World,
) -> None:
    world.simulator.control.set_faults(report_lost=1.0)
    acme = world.call("create_organization", "Acme")
    one = world.campaign(2, organization=acme)
    two = world.campaign(2, organization=acme)
    rival = world.campaign(3)
    elsewhere = world.campaign(1, app=OTHER_APP)
    everyone = (one, two, rival, elsewhere)
    world.worker()
    for campaign in everyone:
        campaign.wait_for(sent=campaign.size)
    ids = {
        entry["reference"]: entry["provider_message_id"]
        for entry in world.simulator.control.ledger(outcome="accepted")
    }
    first, second, third, last = (list(references(world, c).values()) for c in everyone)

    def told(reference: str, word: str, **changes: Json) -> Json:
        return status(
            ids[reference], **{"status": word, "biz_opaque_callback_data": reference} | changes
        )

    untouched = rows(world, elsewhere)
    refused = [
        # Another tenant's reference, with its message id, with another's and with a new one.
        (one.sender, told(third[1], "failed", errors=[{"code": 131031, "title": "locked"}])),
        (rival.sender, told(first[1], "failed", id="wamid.new", errors=[{"code": 131050}])),
        (one.sender, told(third[1], "read", id=ids[first[1]])),
        # Another account's, of the same organization.
        (one.sender, told(second[1], "read")),
        # Signed by this app, and of an account whose reports another app signs.
        (elsewhere.sender, told(last[0], "read")),
        # Another message id than this attempt has, and another attempt's message id.
        (two.sender, told(second[0], "read", id="wamid.another")),
        (rival.sender, told(third[1], "read", id=ids[third[2]])),
        # Attempt 0, a number nobody has, a word nobody knows.
        (
            two.sender,
            told(second[1], "read", biz_opaque_callback_data=second[1][:-1] + "0"),
        ),
        ("106509999999999", told(first[1], "read")),
        (two.sender, told(second[1], "teleported")),
    ]
    good = [
        (one.sender, told(first[0], "delivered")),
        (two.sender, told(second[0], "read")),
        (rival.sender, told(third[0], "failed", errors=[{"code": 131026, "title": "gone"}])),
    ]
    world.post(*refused[:4], good[0], *refused[4:7], good[1], good[2], *refused[7:])

    assert world.dispositions() == {"applied": 3, "refused": 10}
    assert rows(world, elsewhere) == untouched
    assert [
        (
            c.counters()["total_delivered"],
            c.counters()["total_read"],
            c.counters()["total_undelivered"],
        )
        for c in (one, two, rival)
    ] == [(1, 0, 0), (1, 1, 0), (0, 0, 1)]
    assert world.value("select count(*) from public.suppressions") == 0
    assert (
        world.value("select count(*) from public.provider_accounts where paused_at is not null")
        == 0
    )

    owner = {c.account: c.organization for c in everyone}
    listed = world.discrepancies()
    assert {found["kind"] for found in listed} == {"refused_report"}
    assert all(found["organization_id"] == owner.get(found["account_id"]) for found in listed)
    names_nobody = "the reference names no entry of this account"
    assert sorted(
        (found["account_id"] or "", found["detail"]["reason"]) for found in listed
    ) == sorted(
        [
            (one.account, names_nobody),
            (one.account, names_nobody),
            (one.account, names_nobody),
            (rival.account, names_nobody),
            (rival.account, "the message id belongs to another attempt than the reference"),
            (elsewhere.account, "signed by an app that is not the account's"),
            (two.account, "this attempt has another message id"),
            (two.account, names_nobody),
            (two.account, "a status that provider_statuses does not list"),
            ("", "no account with this sender"),
        ]
    )

    # As its operator sees it, who also sees what is of no account.
    shown = sendonce(
        "discrepancies", "--organization", rival.organization, "--json", url=world.database.url
    ).json()
    assert {(row["kind"], row["detail"]["reason"]) for row in shown} == {
        ("refused_report", names_nobody),
        ("refused_report", "the message id belongs to another attempt than the reference"),
        ("refused_report", "no account with this sender"),
    }

    # All of it again: nothing moves and nothing is listed twice.
    before = [rows(world, c) for c in everyone]
    world.post(*reversed(refused), *good)
    assert [rows(world, c) for c in everyone] == before
    assert world.discrepancies() == listed
    world.sound()


def test_a_message_is_charged_once_at_its_countrys_rate_in_any_order_of_reports(
    world: World,
) -> None:
    world.simulator.control.set_faults(report_lost=1.0)
    for prefix, rate in PRICES.items():
        world.connection.execute(
            "insert into public.rates (provider, category, prefix, rate, charge_on)"
            " values ('whatsapp', 'UTILITY', %s, %s, 'delivered')",
            [prefix, rate],
        )
    # Dearer in half an hour: nothing of it applies to what was claimed before.
    world.connection.execute(
        "insert into public.rates (provider, category, prefix, rate, charge_on, valid_from)"
        " select provider, category, prefix, 100, 'accepted', sendonce.now() + '30 minutes'"
        " from public.rates"
    )
    # One campaign for each order of the four reports.
    orders = list(permutations(("sent", "delivered", "read", "failed")))
    owner = world.call("create_organization", "Acme")
    campaigns = [world.campaign(0, organization=owner, start=False) for _ in orders]
    for campaign in campaigns:
        added = world.call(
            "add_recipients", campaign.id, Jsonb([{"recipient": who} for who in PEOPLE])
        )
        assert added["added"] == len(PEOPLE)
        world.call("start_campaign", campaign.id)
    world.worker()
    for campaign in campaigns:
        campaign.wait_for(sent=len(PEOPLE))
    world.pass_time("1 hour")
    ids = {
        entry["reference"]: entry["provider_message_id"]
        for entry in world.simulator.control.ledger(outcome="accepted")
    }
    names = {campaign.id: references(world, campaign) for campaign in campaigns}
    for turn in range(4):
        post = [
            (
                campaign.sender,
                status(
                    ids[reference],
                    status=order[turn],
                    biz_opaque_callback_data=reference,
                    **({"errors": [{"code": 131026}]} if order[turn] == "failed" else {}),
                ),
            )
            for campaign, order in zip(campaigns, orders, strict=True)
            for reference in names[campaign.id].values()
        ]
        # Each comes twice, in one POST and in another.
        world.post(*post, *post)
        world.post(*reversed(post))
        for campaign, order in zip(campaigns, orders, strict=True):
            is_delivered = not {"delivered", "read"}.isdisjoint(order[: turn + 1])
            expected = sum(map(Decimal, PEOPLE.values())) if is_delivered else Decimal(0)
            assert Decimal(str(campaign.counters()["actual_cost"])) == expected, order
    for campaign in campaigns:
        assert {(attempt["rate"], attempt["cost"]) for attempt in campaign.attempts()} == {
            (float(rate), float(rate)) for rate in PEOPLE.values()
        }
    world.sound()
