"""An outage at real time, at an account's own settings, with reports and a worker that dies.

`make soak` runs this, and `make test` does not. It takes the outage's minutes, the last rest and
the ten minutes that an unknown outcome waits for its report.
"""

from __future__ import annotations

import os
import signal
import time
from typing import Final

from bad_days.support import Stage, accepted, people, webhook
from sendonce.simulator.process import SimulatorProcess
from support.database import Database
from worker.support import PATIENCE, WorkerProcess, Workers, wait_until

MINUTES: Final = float(os.environ.get("SENDONCE_SOAK_MINUTES", "5"))
CONTACTS: Final = 1500
RATE: Final = 20
CONCURRENCY: Final = 16
WORKERS: Final = 2
#: What goes wrong, one after the other.
MODES: Final = ("silence", "unavailable", "cut", "provider_error")


def test_a_campaign_survives_an_outage_of_minutes_at_real_time(
    database: Database, stage: Stage, simulator: SimulatorProcess, workers: Workers
) -> None:
    """Four kinds of outage without a pause between them, and a worker killed in the middle."""
    simulator.control.set_faults(profile="healthy")
    account = stage.account(maximum_rate=RATE)
    campaign = stage.campaign(people(CONTACTS), account=account, template=stage.template())
    names = iter(range(1000))

    def start_worker() -> WorkerProcess:
        return workers.start(
            SENDONCE_WORKER_NAME=f"worker-{next(names)}",
            SENDONCE_CONCURRENCY=str(CONCURRENCY),
        )

    with webhook(database, simulator):
        first = start_worker()
        for _ in range(1, WORKERS):
            start_worker()
        wait_until(lambda: campaign.count("sent") >= CONTACTS / 5, "a part has gone out")

        for mode in MODES:
            simulator.control.start_outage(mode)
            end = time.monotonic() + MINUTES * 60 / len(MODES)
            while time.monotonic() < end:
                time.sleep(1)
            progress = campaign.progress
            print(mode, progress["account_rest_reason"], "until", progress["account_resting_until"])
            assert stage.account_row(account)["rest_reason"] is not None
            if mode == MODES[1]:
                first.send(signal.SIGKILL)
                start_worker()
        simulator.control.end_outage()

        # At the latest when the rest is over and what was unknown has had its time.
        end = time.monotonic() + 30 * 60
        while not campaign.is_completed:
            assert time.monotonic() < end + PATIENCE, campaign.progress
            time.sleep(1)
        assert simulator.control.flush_reports(60)

    rests = stage.events("account.rests")
    entries = campaign.entries()
    unknown = {who for who, row in entries.items() if row["status"] != "sent"}
    print(f"{len(rests)} rests, {len(unknown)} of {CONTACTS} unknown")
    assert {entries[who]["error_class"] for who in unknown} <= {"outcome_unknown"}
    assert len(unknown) <= 2 * WORKERS * CONCURRENCY + len(rests)
    others = set(people(CONTACTS)) - unknown
    assert accepted(simulator, campaign.id) == dict.fromkeys(others, 1)

    campaign.retry_failed(["outcome_unknown"])
    wait_until(lambda: campaign.is_completed, "what was unknown goes out")
    assert simulator.control.flush_reports(60)
    assert accepted(simulator, campaign.id) == dict.fromkeys(people(CONTACTS), 1)
    assert campaign.progress["total_failed"] == 0
    assert campaign.progress["total_delivered"] > 0
    stage.assert_sound()
