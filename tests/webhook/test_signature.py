"""Only what the provider signed, byte by byte, reaches the database."""

import json

import pytest

from support.database import Database
from webhook.conftest import HandedOver, Running, Start
from webhook.provider import (
    APP,
    OTHER_APP,
    OTHER_SECRET,
    SECRET,
    change,
    encoded,
    envelope,
    signature,
    status,
)

BODY = encoded(envelope(change([status("wamid.1", biz_opaque_callback_data="ação/1")])))


def _other(hex_digit: str) -> str:
    return "0" if hex_digit != "0" else "1"


@pytest.mark.parametrize(
    "header",
    [
        signature(BODY, "another secret"),
        signature(BODY, ""),
        signature(BODY)[:-1] + _other(signature(BODY)[-1]),
        signature(BODY)[:7] + _other(signature(BODY)[7]) + signature(BODY)[8:],
        signature(BODY)[:-1],
        signature(BODY) + "0",
        signature(BODY).removeprefix("sha256="),
        "sha1=" + signature(BODY).removeprefix("sha256="),
        "sha256=" + "g" * 64,
        "sha256=",
        "",
        f"{signature(BODY)}, {signature(BODY)}",
    ],
)
def test_a_wrong_signature_is_refused_before_anything_is_stored(
    running: Running, handed_over: HandedOver, header: str
) -> None:
    assert running.webhook.post(BODY, signed=header).status == 401
    assert handed_over() == []


def test_a_missing_signature_is_refused(running: Running, handed_over: HandedOver) -> None:
    assert running.webhook.request("POST", body=BODY).status == 401
    assert handed_over() == []


def test_the_signature_of_another_app_is_refused(running: Running, handed_over: HandedOver) -> None:
    assert running.webhook.post(BODY, secret=OTHER_SECRET).status == 401
    other_path = f"/delivery-webhook/whatsapp/{OTHER_APP}"
    assert running.webhook.post(BODY, path=other_path, secret=SECRET).status == 401
    assert handed_over() == []


def test_the_signature_is_over_the_bytes_and_not_over_what_they_mean(
    running: Running, handed_over: HandedOver
) -> None:
    encoded_again = json.dumps(json.loads(BODY)).encode()
    assert encoded_again != BODY
    assert running.webhook.post(encoded_again, signed=signature(BODY)).status == 401
    assert handed_over() == []
    assert running.webhook.post(BODY).status == 200
    assert [reports[0]["reference"] for reports in handed_over()] == ["ação/1"]


def test_each_app_is_taken_with_its_own_secret_and_handed_over_with_its_name(
    running: Running, handed_over: HandedOver
) -> None:
    assert running.webhook.post(BODY).status == 200
    other_path = f"/functions/v1/delivery-webhook/whatsapp/{OTHER_APP}"
    assert running.webhook.post(BODY, path=other_path, secret=OTHER_SECRET).status == 200
    assert [reports[0]["app"] for reports in handed_over()] == [APP, OTHER_APP]


def test_the_hexadecimal_digits_may_be_upper_case(running: Running) -> None:
    upper = "sha256=" + signature(BODY).removeprefix("sha256=").upper()
    assert running.webhook.post(BODY, signed=upper).status == 200


def test_an_app_that_nobody_set_up_is_not_found(running: Running, handed_over: HandedOver) -> None:
    answer = running.webhook.post(BODY, path="/delivery-webhook/whatsapp/nobody")
    assert answer.status == 404
    assert running.events("app_secret_missing")[-1]["set"] == "WHATSAPP_APP_SECRET_NOBODY"
    assert handed_over() == []


def test_an_app_with_an_empty_secret_takes_nothing(
    shared_database: Database, start: Start, handed_over: HandedOver
) -> None:
    running = start(shared_database.url, WHATSAPP_APP_SECRET_MAIN="")
    assert running.webhook.post(BODY, secret="").status == 401
    assert handed_over() == []


def test_neither_answers_nor_log_tell_secrets_or_phone_numbers(running: Running) -> None:
    webhook = running.webhook
    texts = [
        webhook.post(BODY).text,
        webhook.post(BODY, signed=signature(BODY, "wrong")).text,
        webhook.post(b"+5511900000001").text,
        webhook.post(BODY, path="/delivery-webhook/whatsapp/5511900000001").text,
        webhook.report({"id": "+5511900000001", "recipient_id": "5511900000001"}).text,
    ]
    told = "".join([*texts, running.output])
    assert SECRET not in told
    assert "5511900000001" not in told
