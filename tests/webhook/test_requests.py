"""What becomes of requests that are no reports: paths, methods, bodies out of bounds."""

import socket

import pytest

from webhook.conftest import HandedOver, Running, Start
from webhook.provider import (
    OTHER_APP,
    OTHER_SECRET,
    PATH,
    Webhook,
    change,
    encoded,
    envelope,
    signature,
    status,
)

LIMIT = 4 * 1024 * 1024


def _padded(size: int) -> bytes:
    body = encoded(envelope(change([status("wamid.1")])))
    return body + b" " * (size - len(body))


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
def test_other_methods_are_not_allowed(running: Running, method: str) -> None:
    answer = running.webhook.request(method)
    assert answer.status == 405
    assert answer.headers["allow"] == "GET, POST"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/whatsapp/main",
        "/delivery-webhookx/whatsapp/main",
        "/delivery-webhook/whatsapp",
        "/delivery-webhook/whatsapp/",
        "/delivery-webhook/telegram/main",
        "/delivery-webhook/whatsapp/main/more",
        "/delivery-webhook/whatsapp/ma%69n",
        "/delivery-webhook/whatsapp/" + "a" * 65,
        "/delivery-webhook/whatsapp/..%2fmain",
    ],
)
def test_other_paths_are_not_found(running: Running, handed_over: HandedOver, path: str) -> None:
    assert running.webhook.post(_padded(1000), path=path).status == 404
    assert handed_over() == []


def test_an_app_has_no_other_spellings(running: Running, handed_over: HandedOver) -> None:
    path = f"/delivery-webhook/whatsapp/{OTHER_APP.replace('-', '!')}"
    assert running.webhook.post(_padded(1000), path=path, secret=OTHER_SECRET).status == 404
    assert handed_over() == []


def test_a_slash_at_the_end_does_no_harm(webhook: Webhook) -> None:
    assert webhook.post(_padded(1000), path=PATH + "/").status == 200


@pytest.mark.parametrize("path", ["/delivery-webhook", "/functions/v1/delivery-webhook/health"])
def test_the_health_check_needs_no_database(start: Start, path: str) -> None:
    webhook = start(None).webhook
    answer = webhook.request("GET", path)
    assert (answer.status, answer.json()) == (200, {"status": "ok"})
    assert webhook.request("POST", path).status == 405


def test_a_body_at_the_limit_is_taken(webhook: Webhook, handed_over: HandedOver) -> None:
    assert webhook.post(_padded(LIMIT)).status == 200
    assert len(handed_over()) == 1


def test_a_body_beyond_the_limit_is_refused(webhook: Webhook, handed_over: HandedOver) -> None:
    assert webhook.post(_padded(LIMIT + 1)).status == 413
    assert handed_over() == []


@pytest.mark.parametrize(("size", "expected"), [(LIMIT, 200), (LIMIT + 1, 413)])
def test_a_body_without_announced_length_has_the_same_limit(
    webhook: Webhook, handed_over: HandedOver, size: int, expected: int
) -> None:
    body = _padded(size)
    chunks = [body[start : start + 65_536] for start in range(0, len(body), 65_536)]
    headers = {"X-Hub-Signature-256": signature(body)}
    assert webhook.request("POST", body=chunks, headers=headers).status == expected
    assert len(handed_over()) == (1 if expected == 200 else 0)


def test_a_sender_that_breaks_off_harms_nobody(running: Running, handed_over: HandedOver) -> None:
    body = _padded(1000)
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
        f"X-Hub-Signature-256: {signature(body)}\r\n\r\n"
    ).encode()
    with socket.create_connection((running.webhook.host, running.webhook.port)) as broken:
        broken.sendall(head + body[:500])
    assert running.webhook.post(body).status == 200
    assert len(handed_over()) == 1
