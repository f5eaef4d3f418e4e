"""One small demo for all tests that look at a finished one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from demo.demo_process import DemoProcess, running_demo
from sendonce.local.demo.campaign import Campaign
from sendonce.local.demo.contacts import Contacts, make_contacts
from sendonce.local.demo.evidence import Evidence, read_evidence
from sendonce.local.demo.settings import FAILING_CODE, FAULTS, UNKNOWN_WINDOW, DemoSettings
from sendonce.simulator.client import SimulatorControl

SETTINGS = DemoSettings(contacts=400, rate=200)


@dataclass(frozen=True)
class FinishedDemo:
    """A demo that has printed its audit and still runs."""

    process: DemoProcess
    document: dict[str, Any]
    campaign: Campaign
    control: SimulatorControl
    contacts: Contacts

    def evidence(self) -> Evidence:
        """What both sides say now."""
        return read_evidence(
            self.campaign,
            self.control,
            self.contacts,
            FAILING_CODE,
            (),
            seed=SETTINGS.seed,
            faults=FAULTS,
            unknown_window=UNKNOWN_WINDOW,
        )


@pytest.fixture(scope="session")
def finished_demo() -> Iterator[FinishedDemo]:
    """400 contacts, two kills; entered as its owner."""
    flags = ("--contacts", str(SETTINGS.contacts), "--rate", f"{SETTINGS.rate:g}")
    with running_demo(*flags, "--keep", "--json") as process:
        process.wait_until(lambda: "Everything is still running" in process.stderr, "the audit")
        process.wait_until(lambda: "logs" in process.stderr.split("still running")[1], "addresses")
        said = process.stderr
        database = re.search(r"'(postgresql://[^']+)'", said)
        campaign_id = re.search(r"campaign_progress\('([0-9a-f-]{36})'\)", said)
        provider = re.search(r"(http://127\.0\.0\.1:\d+)/_simulator/statistics", said)
        assert database
        assert campaign_id
        assert provider
        with psycopg.connect(database[1], autocommit=True) as connection:
            campaign = Campaign(connection, SETTINGS)
            campaign.campaign_id = campaign_id[1]
            row = connection.execute("select id from public.organizations").fetchone()
            assert row is not None
            campaign.organization_id = str(row[0])
            yield FinishedDemo(
                process,
                json.loads(process.stdout),
                campaign,
                SimulatorControl(provider[1]),
                make_contacts(SETTINGS),
            )
        assert process.interrupt() == 0
        assert process.left_over() == []


@pytest.fixture(scope="session")
def evidence(finished_demo: FinishedDemo) -> Evidence:
    """What both sides of the finished demo say; nothing is wrong in it."""
    return finished_demo.evidence()
