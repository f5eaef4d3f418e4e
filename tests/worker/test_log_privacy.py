"""What the worker logs may be read by anybody: no phone number, no token, no password."""

from __future__ import annotations

import re
import subprocess
import sys
from urllib.parse import urlsplit

import pytest

from sendonce.simulator.process import TOKEN, SimulatorProcess
from sendonce.worker.logs import Masking, mask_phone, mask_phones
from support.database import Connection, Database
from worker.support import Workers, recipient, start_campaign, wait_until


def test_the_log_of_a_campaign_with_failures_holds_no_number_and_no_secret(
    connection: Connection, database: Database, simulator: SimulatorProcess, workers: Workers
) -> None:
    simulator.control.set_faults(errors={"131026": 0.3}, cut_after_body=0.02)
    campaign = start_campaign(
        connection, 60, account_options={"unknown_window": "1 second", "on_unknown": "fail"}
    )
    worker = workers.start("--log-level", "debug")
    wait_until(lambda: campaign.status() == "completed", "completion")
    assert worker.stop() == 0

    log = worker.log()
    assert worker.events("batch.recorded")
    digits = [recipient(number).lstrip("+") for number in range(60)]
    assert [number for number in digits if number in log] == []
    assert TOKEN not in log
    password = urlsplit(database.worker_url).password
    assert password
    assert password not in log


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("+5511900000001", "+55119******01"),
        ("to +15005550001, again", "to +15005****01, again"),
        ("wa_id 5511900000001.", "wa_id 55119******01."),
        # No phone numbers: a UUID, a claim, a time.
        ("7b6a1c5e-1111-2222-3333-123456789012", "7b6a1c5e-1111-2222-3333-123456789012"),
        ("claim 123456", "claim 123456"),
    ],
)
def test_phone_numbers_are_masked_and_other_numbers_are_not(text: str, masked: str) -> None:
    assert mask_phones(text) == masked


def test_the_shortest_number_still_hides_three_digits() -> None:
    assert re.fullmatch(r"\+\d+\*{3,}\d\d", mask_phone("+1234567"))


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_tracebacks_and_other_libraries_are_masked_too(log_format: str) -> None:
    program = f"""
import logging, structlog
from sendonce.worker.logs import set_up_logs
set_up_logs(log_format={log_format!r}, level="info", secrets=["made-up-token"])
def fail(token, recipient):
    raise ValueError(recipient + token)
try:
    fail("made-up-token", "+5511900000001")
except ValueError:
    structlog.get_logger().exception("request.crashed")
logging.getLogger("somebody.else").warning("%s to %s", "made-up-token", "+5511900000001")
"""
    answer = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True
    )
    assert "ValueError" in answer.stderr
    assert "+55119******01" in answer.stderr
    assert "*** to +55119******01" in answer.stderr
    # Neither in the message nor among the local variables; the program's own text names both.
    shown = [line for line in answer.stderr.splitlines() if "fail(" not in line]
    assert "made-up-token" not in "".join(shown)
    assert "5511900000001" not in "".join(shown)


def test_secrets_are_masked_wherever_they_stand() -> None:
    masking = Masking(["made-up-token"])
    event = masking(None, "info", {"a": "x made-up-token y", "b": {"c": ["made-up-token"]}})
    assert "made-up-token" not in repr(event)
