"""A client library that others wrote takes the simulator for the real thing."""

from __future__ import annotations

from typing import Any

import pytest

from sendonce.simulator import SimulatorProcess
from sendonce.simulator.provider_errors import ERRORS
from simulator.receiver import Receiver
from simulator.sender import NUMBER_ID, recipient

pywa = pytest.importorskip("pywa", reason="pywa is not installed")
errors = pytest.importorskip("pywa.errors")
types = pytest.importorskip("pywa.types")
templates = pytest.importorskip("pywa.types.templates")
utils = pytest.importorskip("pywa.utils")


@pytest.fixture
def whatsapp(simulator: SimulatorProcess) -> Any:
    """pywa's client, with the simulator where it expects the Graph API."""
    client = pywa.WhatsApp(phone_id=NUMBER_ID, token=simulator.token)
    client.api._session.base_url = simulator.graph_url
    return client


def _send_template(whatsapp: Any, to: str, tracker: str | None = None) -> Any:
    return whatsapp.send_template(
        to=to,
        name="harvest_festival",
        language=templates.TemplateLanguage.ENGLISH,
        params=[templates.BodyText.params("Ana")],
        tracker=tracker,
    )


def test_pywa_sends_a_template_and_reads_the_reply(
    simulator: SimulatorProcess, whatsapp: Any
) -> None:
    sent = _send_template(whatsapp, recipient(1), "so1:x")

    [entry] = simulator.control.ledger()
    assert sent.id == entry["provider_message_id"]
    assert (sent.input, sent.chat.id) == (recipient(1), recipient(1)[1:])
    assert entry["template"] == "harvest_festival"
    assert entry["reference"] == "so1:x"


def test_pywa_sends_text_and_marks_as_read(simulator: SimulatorProcess, whatsapp: Any) -> None:
    assert whatsapp.send_message(to=recipient(1), text="Hello").id.startswith("wamid.")
    assert whatsapp.mark_message_as_read(message_id="wamid.x").success


def test_pywa_raises_its_own_error_for_every_code_it_knows(
    simulator: SimulatorProcess, whatsapp: Any
) -> None:
    known = errors._all_exceptions()
    for code in sorted(set(ERRORS) & set(known)):
        simulator.control.next_faults(code)
        with pytest.raises(known[code]) as raised:
            _send_template(whatsapp, recipient(1))
        assert raised.value.code == code
        assert raised.value.details == ERRORS[code].details
        assert raised.value.status_code == ERRORS[code].http_status


def test_pywa_raises_its_own_error_for_a_wrong_token(
    simulator: SimulatorProcess, whatsapp: Any
) -> None:
    whatsapp.token = "wrong"
    with pytest.raises(errors.ExpiredAccessToken):
        _send_template(whatsapp, recipient(1))


def test_pywa_validates_the_signature_and_reads_every_status(
    simulator: SimulatorProcess, receiver: Receiver, whatsapp: Any
) -> None:
    sent = _send_template(whatsapp, recipient(1), "so1:x")
    assert simulator.control.flush_reports()
    simulator.control.replay_reports(
        reference="so1:x", statuses=[{"status": "failed", "code": 131026}]
    )
    assert simulator.control.flush_reports()

    read = []
    for post in receiver.posts:
        signature = post.headers[utils.HUB_SIG]
        assert utils.webhook_updates_validator(simulator.app_secret, post.raw, signature)
        assert not utils.webhook_updates_validator("another secret", post.raw, signature)
        read += [
            types.MessageStatus.from_update(whatsapp, post.envelope, status_idx=index)
            for index in range(len(post.statuses))
        ]
    assert [status.status for status in read] == [
        types.MessageStatusType.SENT,
        types.MessageStatusType.DELIVERED,
        types.MessageStatusType.READ,
        types.MessageStatusType.FAILED,
    ]
    assert {status.id for status in read} == {sent.id}
    assert {status.tracker for status in read} == {"so1:x"}
    assert read[0].pricing.billable
    assert read[0].from_user.wa_id == recipient(1)[1:]
    assert read[3].error.code == 131026
