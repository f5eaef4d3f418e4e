"""The handshake by which the provider subscribes to reports."""

from urllib.parse import urlencode

import pytest

from webhook.conftest import Running, Start
from webhook.provider import OTHER_APP, PATH, VERIFY_TOKEN, Answer, Webhook


def _ask(webhook: Webhook, path: str = PATH, **query: str) -> Answer:
    names = {name.replace("__", "."): value for name, value in query.items()}
    return webhook.request("GET", f"{path}?{urlencode(names)}")


@pytest.fixture
def webhook(start: Start) -> Webhook:
    """The function without any database: the handshake needs none."""
    return start(None).webhook


@pytest.mark.parametrize("prefix", ["", "/functions/v1"])
def test_the_right_token_gets_the_challenge_back_as_plain_text(
    webhook: Webhook, prefix: str
) -> None:
    answer = _ask(
        webhook,
        prefix + PATH,
        hub__mode="subscribe",
        hub__verify_token=VERIFY_TOKEN,
        hub__challenge="<b>1158201444</b>",
    )
    assert (answer.status, answer.text) == (200, "<b>1158201444</b>")
    assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize(
    "query",
    [
        {"hub__mode": "subscribe", "hub__verify_token": "wrong", "hub__challenge": "1"},
        {"hub__mode": "subscribe", "hub__verify_token": "", "hub__challenge": "1"},
        {"hub__mode": "subscribe", "hub__challenge": "1"},
        {"hub__mode": "unsubscribe", "hub__verify_token": VERIFY_TOKEN, "hub__challenge": "1"},
        {"hub__verify_token": VERIFY_TOKEN, "hub__challenge": "1"},
        {"hub__mode": "subscribe", "hub__verify_token": VERIFY_TOKEN},
        {"hub__mode": "subscribe", "hub__verify_token": VERIFY_TOKEN[:-1], "hub__challenge": "1"},
        {},
    ],
)
def test_anything_else_is_refused(webhook: Webhook, query: dict[str, str]) -> None:
    answer = _ask(webhook, **query)
    assert answer.status == 403
    assert VERIFY_TOKEN not in answer.text


@pytest.mark.parametrize("token", ["", VERIFY_TOKEN])
def test_an_app_without_a_token_is_refused_whatever_is_sent(webhook: Webhook, token: str) -> None:
    path = f"/delivery-webhook/whatsapp/{OTHER_APP}"
    answer = _ask(webhook, path, hub__mode="subscribe", hub__verify_token=token, hub__challenge="1")
    assert answer.status == 403


def test_an_empty_setting_is_no_token(start: Start) -> None:
    running: Running = start(None, WHATSAPP_VERIFY_TOKEN_MAIN="")
    answer = _ask(running.webhook, hub__mode="subscribe", hub__verify_token="", hub__challenge="1")
    assert answer.status == 403
    assert running.events("verify_token_missing")[0]["set"] == "WHATSAPP_VERIFY_TOKEN_MAIN"
