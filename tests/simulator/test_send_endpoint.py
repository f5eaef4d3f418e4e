"""The send endpoint answers like the Cloud API."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from sendonce.simulator import SimulatorProcess
from sendonce.simulator.process import TOKEN
from simulator.sender import (
    NUMBER_ID,
    recipient,
    reference,
    request,
    send,
    template_message,
)


def test_an_accepted_message_is_answered_in_the_documented_form(
    simulator: SimulatorProcess,
) -> None:
    reply = send(simulator, "+15005550006", reference(1))

    assert reply.status == 200
    assert reply.headers["Content-Type"] == "application/json; charset=UTF-8"
    assert reply.headers["facebook-api-version"] == "v25.0"
    assert set(reply.json) == {"messaging_product", "contacts", "messages"}
    assert reply.json["messaging_product"] == "whatsapp"
    assert reply.json["contacts"] == [{"input": "+15005550006", "wa_id": "15005550006"}]
    assert set(reply.json["messages"][0]) == {"id", "message_status"}
    assert reply.json["messages"][0]["message_status"] == "accepted"


def test_a_message_id_is_a_wamid_that_carries_the_recipient(simulator: SimulatorProcess) -> None:
    message_id = send(simulator, "+15005550006").message_id

    assert message_id.startswith("wamid.HBgL")
    assert b"15005550006" in base64.b64decode(message_id.removeprefix("wamid."))


def test_no_two_messages_share_an_id_across_processes_with_one_seed(
    simulator: SimulatorProcess,
) -> None:
    with SimulatorProcess() as other:
        ids = [send(one, recipient(1), reference(1)).message_id for one in (simulator, other) * 3]

    assert len(set(ids)) == 6


@pytest.mark.parametrize(
    ("to", "wa_id"),
    [
        ("+1 (500) 555-0006", "15005550006"),
        ("+5511900000001", "5511900000001"),
        ("+5541900000001", "554100000001"),
        ("+525512345678", "5215512345678"),
    ],
    ids=["punctuation", "São Paulo keeps the ninth digit", "Paraná loses it", "Mexico gets a 1"],
)
def test_the_id_of_a_recipient_may_differ_from_its_number(
    simulator: SimulatorProcess, to: str, wa_id: str
) -> None:
    assert send(simulator, to).json["contacts"] == [{"input": to, "wa_id": wa_id}]


def test_without_a_plus_sign_the_country_code_of_the_sender_is_prepended(
    simulator: SimulatorProcess,
) -> None:
    send(simulator, "15005550006")

    [entry] = simulator.control.ledger()
    assert entry["recipient"] == "+99915005550006"
    assert entry["country_code_prepended"] is True
    assert simulator.control.statistics()["country_code_prepended"] == 1


def test_a_recipient_without_plus_sign_can_be_refused_instead() -> None:
    with SimulatorProcess(strict_recipient=True) as simulator:
        assert send(simulator, "15005550006").code == 131009
        assert send(simulator, "+15005550006").status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": "Bearer "},
        {},
    ],
    ids=["wrong", "no bearer", "empty", "missing"],
)
def test_a_request_without_the_right_token_is_refused_with_190(
    simulator: SimulatorProcess, headers: dict[str, str]
) -> None:
    reply = request(simulator, template_message(recipient(1)), headers=headers)

    assert (reply.status, reply.code) == (401, 190)
    assert reply.json["error"]["type"] == "OAuthException"
    assert reply.headers["WWW-Authenticate"].startswith('OAuth "Facebook Platform"')
    assert simulator.control.statistics()["accepted"] == 0


def test_an_error_has_the_documented_form(simulator: SimulatorProcess) -> None:
    reply = send(simulator, "not a number")

    assert set(reply.json) == {"error"}
    error = reply.json["error"]
    assert set(error) == {"message", "type", "code", "error_data", "fbtrace_id"}
    assert error["message"] == "(#131009) Parameter value is not valid"
    assert error["error_data"]["messaging_product"] == "whatsapp"
    assert error["error_data"]["details"]


def _template(**changes: Any) -> dict[str, Any]:
    template: dict[str, Any] = {"name": "harvest_festival", "language": {"code": "en"}}
    template |= changes
    return {name: value for name, value in template.items() if value is not None}


def _body(*parameters: Any) -> dict[str, Any]:
    return _template(components=[{"type": "body", "parameters": list(parameters)}])


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"messaging_product": None}, 100),
        ({"messaging_product": "sms"}, 100),
        ({"recipient_type": "crowd"}, 100),
        ({"to": None}, 100),
        ({"to": ""}, 100),
        ({"to": "+0123456789"}, 131009),
        ({"to": "+123456"}, 131009),
        ({"to": "+1234567890123456"}, 131009),
        ({"to": "+1500555000a"}, 131009),
        ({"to": 15005550006}, 131009),
        ({"type": "telegram"}, 100),
        ({"type": "text"}, 100),
        ({"type": "text", "text": {"body": ""}}, 100),
        ({"type": "text", "text": {"body": "x" * 4097}}, 100),
        ({"template": None}, 100),
        ({"template": "harvest_festival"}, 100),
        ({"template": _template(name=None)}, 100),
        ({"template": _template(language=None)}, 100),
        ({"template": _template(language="en")}, 100),
        ({"template": _template(components={})}, 100),
        ({"template": _template(components=[{"parameters": []}])}, 131008),
        ({"template": _template(components=[{"type": "footer"}])}, 131009),
        ({"template": _template(components=[{"type": "button", "index": 0}])}, 131008),
        ({"template": _body({"text": "Ana"})}, 131008),
        ({"template": _body({"type": "text"})}, 131008),
        ({"template": _body({"type": "text", "text": ""})}, 131008),
        ({"template": _body({"type": "text", "text": "two\nlines"})}, 100),
        ({"template": _body({"type": "image", "image": {}})}, 131008),
        ({"biz_opaque_callback_data": "x" * 513}, 100),
        ({"biz_opaque_callback_data": 7}, 100),
    ],
)
def test_a_body_that_breaks_a_rule_is_refused(
    simulator: SimulatorProcess, changes: dict[str, Any], code: int
) -> None:
    reply = request(simulator, template_message("+15005550006", **changes))

    assert (reply.status, reply.code) == (400, code)
    statistics = simulator.control.statistics()
    assert statistics["accepted"] == 0
    assert set(statistics["codes"]) >= {str(code)}


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"to=+15005550006", b"\xff"])
def test_what_is_no_json_object_is_refused_as_a_request_without_parameters(
    simulator: SimulatorProcess, raw: bytes
) -> None:
    reply = request(simulator, raw)

    assert (reply.status, reply.code) == (400, 100)
    assert reply.json["error"]["message"] == "(#100) The parameter messaging_product is required."


@pytest.mark.parametrize(
    "changes",
    [
        {"biz_opaque_callback_data": "x" * 512},
        {"type": "text", "text": {"body": "Hello"}, "template": None},
        {
            "template": _template(
                components=[
                    {
                        "type": "header",
                        "parameters": [{"type": "image", "image": {"link": "https://a.example/b"}}],
                    },
                    {
                        "type": "body",
                        "parameters": [
                            {"type": "text", "parameter_name": "name", "text": "Ana"},
                            {
                                "type": "currency",
                                "currency": {
                                    "fallback_value": "R$ 1",
                                    "code": "BRL",
                                    "amount_1000": 1000,
                                },
                            },
                        ],
                    },
                    {
                        "type": "button",
                        "sub_type": "url",
                        "index": "0",
                        "parameters": [{"type": "text", "text": "x"}],
                    },
                ]
            )
        },
    ],
    ids=["longest reference", "text", "every component"],
)
def test_what_the_provider_takes_is_taken(
    simulator: SimulatorProcess, changes: dict[str, Any]
) -> None:
    assert send(simulator, "+15005550006", **changes).status == 200


def test_templates_can_be_known_by_name_language_and_parameters() -> None:
    with SimulatorProcess(template=["harvest_festival:en:1", "closing_time:pt_BR:0"]) as simulator:
        assert send(simulator, recipient(1)).status == 200

        missing = send(simulator, recipient(1), template=_template(name="spring"))
        assert (missing.status, missing.code) == (404, 132001)
        language = send(simulator, recipient(1), template=_template(language={"code": "pt_BR"}))
        assert (language.status, language.code) == (404, 132001)
        parameters = send(simulator, recipient(1), template=_template())
        assert (parameters.status, parameters.code) == (400, 132000)
        assert "(0)" in parameters.json["error"]["error_data"]["details"]


def test_phone_numbers_can_be_known_by_id() -> None:
    with SimulatorProcess(phone_number_id=[NUMBER_ID, "5"]) as simulator:
        assert send(simulator, recipient(1)).status == 200
        assert send(simulator, recipient(1), number_id="5").status == 200

        reply = send(simulator, recipient(1), number_id="6")
        assert (reply.status, reply.code) == (400, 100)
        assert reply.json["error"]["error_subcode"] == 33
        assert reply.json["error"]["type"] == "GraphMethodException"


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", f"/v25.0/{NUMBER_ID}/messages", 100),
        ("POST", "/v25.0/no-number/messages", 100),
        ("POST", f"/v25.0/{NUMBER_ID}", 100),
        ("POST", f"/{NUMBER_ID}/messages", 2500),
        ("POST", "/", 2500),
    ],
)
def test_other_addresses_are_refused(
    simulator: SimulatorProcess, method: str, path: str, code: int
) -> None:
    reply = request(simulator, template_message(recipient(1)), method=method, path=path)

    assert (reply.status, reply.code) == (400, code)


def test_marking_a_message_as_read_sends_nothing(simulator: SimulatorProcess) -> None:
    reply = request(
        simulator, {"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.x"}
    )

    assert (reply.status, reply.json) == (200, {"success": True})
    assert simulator.control.statistics()["requests"] == 0


def test_the_ledger_says_for_whom_with_which_reference_and_id(
    simulator: SimulatorProcess,
) -> None:
    reply = send(simulator, recipient(7), reference(7, attempt=2))

    [entry] = simulator.control.ledger()
    assert entry["outcome"] == "accepted"
    assert entry["recipient"] == recipient(7)
    assert entry["reference"] == reference(7, attempt=2)
    assert entry["attempt"] == 2
    assert entry["provider_message_id"] == reply.message_id
    assert entry["phone_number_id"] == NUMBER_ID
    assert (entry["template"], entry["language"]) == ("harvest_festival", "en")
    assert entry["reply_written"] is True


def test_refused_requests_are_in_the_ledger_too(simulator: SimulatorProcess) -> None:
    request(simulator, b"{")
    request(simulator, template_message(recipient(1)), token="wrong")

    entries = list(simulator.control.ledger())
    assert [(e["outcome"], e["http_status"], e["code"]) for e in entries] == [
        ("refused", 400, 100),
        ("refused", 401, 190),
    ]
    assert all(entry["reply_written"] for entry in entries)
