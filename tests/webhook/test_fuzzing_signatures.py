"""Whatever stands where the signature belongs: only the right one opens."""

import hashlib
import hmac
import http.client
from collections.abc import Callable
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from webhook.fuzzing import somewhere, tries
from webhook.intake import Intake
from webhook.provider import (
    OTHER_APP,
    OTHER_SECRET,
    PATH,
    SECRET,
    VERIFY_TOKEN,
    Webhook,
    signature,
)

_HEADER: Final = "X-Hub-Signature-256"
_OTHER_PATH: Final = f"/delivery-webhook/whatsapp/{OTHER_APP}"


def _post_with(webhook: Webhook, body: bytes, values: list[str], *, header: str = _HEADER) -> int:
    """Send the header once for each value, which `http.client` does step by step only."""
    connection = http.client.HTTPConnection(webhook.host, webhook.port, timeout=60)
    try:
        connection.putrequest("POST", PATH)
        connection.putheader("Content-Length", str(len(body)))
        for value in values:
            connection.putheader(header, value.encode("latin-1"))
        connection.endheaders(body)
        return connection.getresponse().status
    finally:
        connection.close()


@tries(30)
@given(
    value=st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"))
    | st.from_regex(r"sha256=[0-9a-fA-F]{0,70}", fullmatch=True)
    | st.from_regex(r"(sha1|SHA256|sha-256|hmac)?[=: ]?[0-9a-f]{40,64}", fullmatch=True)
)
@example(value="sha256=" + "0" * 64)
@example(value="sha256=" + "0" * 63)
@example(value="sha256=")
def test_a_made_up_signature_opens_nothing(intake: Intake, value: str) -> None:
    body = intake.good_post(intake.entry())
    status = _post_with(intake.webhook, body, [value])
    assert status == 401
    assert intake.look() == set()


@tries(30)
@given(data=st.data())
def test_a_signature_with_anything_changed_opens_nothing(
    intake: Intake, data: st.DataObject
) -> None:
    body = intake.good_post(intake.entry())
    right = signature(body)
    at = somewhere(data, len(right))
    put = data.draw(st.sampled_from(["", "0", "f", "0f", "g", " ", "=", "\xff"]))
    wrong = right[:at] + put + right[at + 1 :]
    if wrong.strip() == right:
        wrong = right[:-1]
    assert _post_with(intake.webhook, body, [wrong]) == 401
    assert intake.look() == set()


@tries(30)
@given(data=st.data())
def test_a_body_with_anything_changed_has_another_signature(
    intake: Intake, data: st.DataObject
) -> None:
    body = intake.good_post(intake.entry())
    at = somewhere(data, len(body))
    wrong = body[:at] + data.draw(st.binary(max_size=2)) + body[at + 1 :]
    if wrong == body:
        wrong += b" "
    intake.expect_nothing(intake.webhook.post(wrong, signed=signature(body)), 401)


_ANOTHER_SECRET: Final[dict[str, Callable[[bytes], str]]] = {
    "of another app": lambda body: signature(body, OTHER_SECRET),
    "with nothing": lambda body: signature(body, ""),
    "with the verify token": lambda body: signature(body, VERIFY_TOKEN),
    "with half the secret": lambda body: signature(body, SECRET[:-1]),
    "of an empty body": lambda _: signature(b""),
    "of the body twice": lambda body: signature(body + body),
    "sha1": lambda body: "sha1=" + hmac.new(SECRET.encode(), body, hashlib.sha1).hexdigest(),
    "sha512": lambda body: "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha512).hexdigest(),
    "no hmac": lambda body: "sha256=" + hashlib.sha256(SECRET.encode() + body).hexdigest(),
}


@pytest.mark.parametrize("kind", _ANOTHER_SECRET)
def test_a_signature_made_another_way_opens_nothing(intake: Intake, kind: str) -> None:
    body = intake.good_post(intake.entry())
    signed = _ANOTHER_SECRET[kind](body)
    intake.expect_nothing(intake.webhook.post(body, signed=signed), 401)
    intake.expect_nothing(intake.webhook.post(body, signed=signed.upper()), 401)


def test_the_signature_of_one_app_opens_no_other(intake: Intake) -> None:
    entry = intake.entry_of(intake.of_other_app)
    body = intake.good_post(entry)
    intake.expect_nothing(intake.webhook.post(body, secret=OTHER_SECRET), 401)
    intake.expect_nothing(intake.webhook.post(body, path=_OTHER_PATH), 401)
    answer = intake.webhook.post(body, path=_OTHER_PATH, secret=OTHER_SECRET)
    intake.expect_delivered(answer, [entry])


def test_a_second_signature_beside_the_right_one_opens_nothing(intake: Intake) -> None:
    body = intake.good_post(intake.entry())
    right, wrong = signature(body), signature(body, OTHER_SECRET)
    for values in ([right, wrong], [wrong, right], [right, right], [right, ""], ["", right]):
        assert _post_with(intake.webhook, body, values) == 401
    assert _post_with(intake.webhook, body, [right], header="X-Hub-Signature") == 401
    assert _post_with(intake.webhook, body, []) == 401
    assert intake.look() == set()


@tries(20)
@given(data=st.data())
def test_the_digits_may_be_large_and_the_headers_name_written_anyhow(
    intake: Intake, data: st.DataObject
) -> None:
    entry = intake.entry()
    body = intake.good_post(entry)
    digits = signature(body).removeprefix("sha256=")
    large = "".join(d.upper() if data.draw(st.booleans()) else d for d in digits)
    header = data.draw(st.sampled_from([_HEADER, _HEADER.lower(), _HEADER.upper()]))
    assert _post_with(intake.webhook, body, [f"sha256={large}"], header=header) == 200
    assert intake.delivery(entry) == "delivered"


def test_a_body_beyond_all_limits_is_not_taken_without_a_signature(intake: Intake) -> None:
    for values in ([], ["sha256=" + "0" * 64]):
        assert _post_with(intake.webhook, b" " * 20_000_000, values) in (401, 413)
    assert intake.look() == set()
