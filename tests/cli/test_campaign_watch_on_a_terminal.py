"""``sendonce campaign watch`` on a real terminal: what is to be seen, and what is left behind."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator

import pytest

from acceptance.abc_support import Stage, accepted, call, make_simulator
from cli.terminal import Terminal
from sendonce.simulator.process import SimulatorProcess
from support.database import Connection, Database
from worker.support import start_campaign, wait_until, workers_for

#: How the lines of the view begin, from the first on.
LINES = ("sent", "failed", "skipped", "cancelled", "open", "rate", "left", "cost")
REASON = "the picture is last year's, so ask"


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorProcess]:
    with make_simulator() as simulator:
        yield simulator


@pytest.fixture
def stage(connection: Connection) -> Stage:
    return Stage(connection)


def numbers_shown(screen: str) -> dict[str, object]:
    """The view read back by somebody who knows nothing of how it was made."""

    def shown(pattern: str) -> list[str]:
        found = re.search(pattern, screen, re.MULTILINE)
        assert found, (pattern, screen)
        return [group.replace(",", "") for group in found.groups()]

    name, status, campaign_id = shown(r"^(\S+)  (\S+)  (\S+)$")
    progress, settled, contacts = shown(r"  ([\d.]+) %  ([\d,]+) of ([\d,]+) contacts$")
    sent, delivered, read, undelivered = shown(
        r"^sent +([\d,]+)  \(delivered ([\d,]+), read ([\d,]+), undelivered ([\d,]+)\)$"
    )
    unsettled, unknown = shown(r"^open +([\d,]+)  \(outcome unknown ([\d,]+)\)$")
    cost, currency, estimated, _ = shown(
        r"^cost +([\d.,]+) (\w+) so far, estimated ([\d.,]+) (\w+)$"
    )
    return {
        "campaign_id": campaign_id,
        "name": name,
        "status": status,
        "progress": float(progress),
        "settled": int(settled),
        "total_contacts": int(contacts),
        "total_sent": int(sent),
        "total_delivered": int(delivered),
        "total_read": int(read),
        "total_undelivered": int(undelivered),
        "total_failed": int(shown(r"^failed +([\d,]+)$")[0]),
        "total_skipped": int(shown(r"^skipped +([\d,]+)$")[0]),
        "total_cancelled": int(shown(r"^cancelled +([\d,]+)$")[0]),
        "unsettled": int(unsettled),
        "total_unknown": int(unknown),
        "actual_cost": float(cost),
        "estimated_cost": float(estimated),
        "currency": currency,
    }


def failed_by_code(screen: str) -> dict[str, int]:
    """The table of what went wrong."""
    lines = re.findall(r"^ failed +([\d,]+) +\S+ +(\d+) ", screen, re.MULTILINE)
    return {code: int(contacts) for contacts, code in lines}


def test_the_view_follows_a_real_campaign_to_its_end(
    database: Database, connection: Connection, simulator: SimulatorProcess
) -> None:
    connection.execute(
        "insert into public.rates (provider, category, rate, charge_on)"
        " values ('whatsapp', 'UTILITY', 0.25, 'accepted')"
    )
    # Enough for fifteen seconds: on a busy machine the view takes its time to begin.
    campaign = start_campaign(connection, 600, account_options={"maximum_rate": 40})
    simulator.control.set_faults(errors={"131026": 0.1, "135000": 0.1})
    with (
        workers_for(database, simulator.graph_url) as workers,
        Terminal("campaign", "watch", campaign.campaign_id, url=database.url) as terminal,
    ):
        terminal.wait_for("no worker is alive: start `sendonce worker`")
        workers.start()
        moving = terminal.wait_for(lambda screen: re.search(r"^left +about \d", screen, re.M))
        assert re.search(r"^rate +[1-9][\d.]*/s ", moving, re.M)
        assert "held up" not in moving
        assert terminal.screen.alternate
        assert not terminal.screen.cursor_shown

        call(connection, "pause_campaign", campaign.campaign_id, "a look at it")
        wait_until(lambda: campaign.claims() == 0, "nothing in hand")
        progress = call(connection, "campaign_progress", campaign.campaign_id)
        assert 0 < progress["settled"] < 600
        still = terminal.wait_for(
            lambda screen: (
                f"{progress['settled']} of 600" in screen
                and sum(failed_by_code(screen).values()) == progress["total_failed"]
            )
        )
        assert "held up    paused: a look at it" in still
        assert re.search(r"^left +-$", still, re.M)
        shown = numbers_shown(still)
        assert shown == {name: progress[name] for name in shown}
        assert shown["actual_cost"] == progress["total_sent"] * 0.25

        connection.execute(
            "update public.provider_accounts set maximum_rate = null, current_rate = null"
        )
        call(connection, "resume_campaign", campaign.campaign_id)
        assert terminal.wait() == 0
        progress = call(connection, "campaign_progress", campaign.campaign_id)
        ended = terminal.screen.text()
        shown = numbers_shown(ended)
        assert shown == {name: progress[name] for name in shown}
        assert shown["status"] == "completed"
        by_code = dict(
            connection.execute(
                "select error_code, count(*) from public.send_queue where status = 'failed'"
                " group by 1"
            ).fetchall()
        )
        assert failed_by_code(ended) == by_code
        assert len(by_code) == 2
        assert not terminal.screen.alternate
        assert terminal.screen.cursor_shown
        assert campaign.violations() == []


def in_trouble(stage: Stage) -> str:
    """A paused campaign with a long reason and two things that went wrong."""
    campaign = stage.campaign(6, name="Winter")
    claimed = campaign.claim(4)
    campaign.dispatch(claimed)
    entries = claimed["entries"]
    campaign.record(
        claimed,
        [
            *accepted(entries[:2]),
            *(
                {"entry_id": entry["entry_id"], "attempt": entry["attempt"],
                 "outcome": "rejected", "code": code}
                for entry, code in zip(entries[2:], ("135000", "131026"), strict=True)
            ),
        ],
    )  # fmt: skip
    call(stage.connection, "pause_campaign", campaign.id, REASON)
    return campaign.id


def is_whole(screen: str, *, errors: int = 2, status: str = "paused") -> bool:
    """Whether the view stands there once, each line at its place, with so many errors below."""
    lines = screen.splitlines()
    if len(lines) <= 10:
        return False
    places = [
        place for place, line in enumerate(lines) if line.startswith(tuple(f"{w} " for w in LINES))
    ]
    return (
        lines[:1] == [line for line in lines if line.startswith(f"Winter  {status}  ")]
        and lines[1].endswith("  66.66 %  4 of 6 contacts")
        and places == list(range(2, 2 + len(LINES)))
        and (status != "paused" or lines[10] == f"held up    paused: {REASON}")
        and [line[:20] for line in lines if line.startswith(" failed ")]
        == [" failed          1   "[:20]] * errors
    )


def test_a_window_of_another_size_shows_the_whole_view_until_a_cancel_ends_it_with_one(
    database: Database, stage: Stage
) -> None:
    campaign = in_trouble(stage)
    with Terminal("campaign", "watch", campaign, url=database.url) as terminal:
        terminal.wait_for(is_whole)
        # Of fifteen lines one is left for what went wrong.
        for columns, lines, errors in ((80, 24, 2), (60, 15, 1), (120, 40, 2)):
            terminal.resize(columns, lines)
            # As wide as the window: drawn again, not what the window has left of the old view.
            rule = f"\n {'─' * (columns - 2)}\n"
            terminal.wait_for(
                lambda screen, rule=rule, errors=errors: (  # type: ignore[misc]
                    is_whole(screen, errors=errors) and rule in screen
                )
            )
        call(stage.connection, "cancel_campaign", campaign)
        assert terminal.wait() == 1
        # On the screen of before stands the last view, once, and nothing of the others.
        assert terminal.screen.history == []
        assert is_whole(terminal.screen.text(), status="cancelled")


@pytest.mark.parametrize(
    ("how", "code"), [("Ctrl-C", 130), ("SIGTERM", 143)], ids=["ctrl-c", "sigterm"]
)
def test_an_interrupted_view_leaves_the_terminal_as_it_was(
    database: Database, stage: Stage, how: str, code: int
) -> None:
    campaign = in_trouble(stage)
    with Terminal("campaign", "watch", campaign, url=database.url) as terminal:
        before = terminal.settings
        terminal.wait_for(is_whole)
        if how == "Ctrl-C":
            terminal.press(b"\x03")
        else:
            terminal.send(signal.SIGTERM)
        assert terminal.wait() == code
        assert terminal.settings_now() == before
        assert terminal.screen.cursor_shown
        assert not terminal.screen.alternate
        left = terminal.screen.text()
        assert left.count("Winter") == 1
        assert ("the campaign is left as it is" in left) == (how == "Ctrl-C")
        assert "Traceback" not in left
    status = stage.connection.execute("select status::text from public.campaigns").fetchone()
    assert status == ("paused",)


def test_a_terminal_that_can_do_nothing_gets_lines(database: Database, stage: Stage) -> None:
    campaign = in_trouble(stage)
    with Terminal("campaign", "watch", campaign, url=database.url, kind="dumb") as terminal:
        line = terminal.wait_for("4 of 6")
        assert re.match(r"\d\d:\d\d:\d\d  paused  66.66 %  4 of 6  sent 2  failed 2  ", line)
        terminal.press(b"\x03")
        assert terminal.wait() == 130
