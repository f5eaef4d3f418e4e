"""Every way a request to the provider can end, and what is then known about the message."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sendonce.providers.base import Outcome, OutcomeKind
from sendonce.providers.whatsapp import (
    LARGEST_REPLY,
    WhatsAppAdapter,
    message_body,
    outcome_of_reply,
)
from sendonce.transports.base import Account, Entry, Template
from sendonce.worker.clock import lease_clock
from worker.raw_server import ACCEPTED, ERROR, Connection, Conversation, raw_server

ACCOUNT = Account(id="00000000-0000-0000-0000-000000000001", provider="whatsapp", sender="1065")
TEMPLATE = Template(
    name="greeting", language="en", category="MARKETING", variables=("name", "code"), body=None
)
ENTRY = Entry(
    entry_id=7,
    attempt=1,
    recipient="+99912345678",
    reference="so1:00000000-0000-0000-0000-000000000002:7:1",
    template_id="t",
    variables={"code": "X1", "name": "Zoë"},
    units=1,
)
TOKEN = {"SENDONCE_WHATSAPP_TOKEN": "made-up-token"}
ALWAYS = float("inf")


@asynccontextmanager
async def adapter_for(
    url: str,
    *,
    request_timeout: float = 30.0,
    connections: int = 10,
    environment: Mapping[str, str] = TOKEN,
) -> AsyncIterator[WhatsAppAdapter]:
    adapter = WhatsAppAdapter(
        url=url,
        request_timeout=request_timeout,
        connections=connections,
        clock=lease_clock,
        environment=environment,
    )
    try:
        yield adapter
    finally:
        await adapter.close()


async def send_to(url: str, **settings: Any) -> Outcome:
    async with adapter_for(url, **settings) as adapter:
        return await adapter.send(ACCOUNT, TEMPLATE, ENTRY, ALWAYS)


async def outcome_of(conversation: Conversation, **settings: Any) -> Outcome:
    async with raw_server(conversation) as server:
        return await send_to(server.url, **settings)


def replying(status: int, body: bytes, *headers: str) -> Conversation:
    async def conversation(connection: Connection) -> None:
        await connection.read_request()
        await connection.reply(status, body, *headers)

    return conversation


# The request


async def test_the_request_is_the_documented_one_with_the_reference() -> None:
    seen: list[tuple[bytes, bytes]] = []

    async def conversation(connection: Connection) -> None:
        seen.append(await connection.read_request())
        await connection.reply(200, ACCEPTED)

    outcome = await outcome_of(conversation)

    [(head, body)] = seen
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /v25.0/1065/messages HTTP/1.1"
    assert "Authorization: Bearer made-up-token" in lines
    assert "Content-Type: application/json" in lines
    assert json.loads(body) == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "+99912345678",
        "type": "template",
        "biz_opaque_callback_data": ENTRY.reference,
        "template": {
            "name": "greeting",
            "language": {"code": "en"},
            "components": [
                {
                    "type": "body",
                    "parameters": [{"type": "text", "text": "Zoë"}, {"type": "text", "text": "X1"}],
                }
            ],
        },
    }
    assert outcome == Outcome(
        OutcomeKind.ACCEPTED,
        provider_message_id="wamid.HBgLMTIzNDU2Nzg5MAA=",
        http_status=200,
        message_status="accepted",
    )


def test_a_template_without_variables_has_no_components() -> None:
    template = Template(name="plain", language="pt_BR", category=None, variables=(), body="Hello")
    body = json.loads(message_body(template, ENTRY))
    assert body["template"] == {"name": "plain", "language": {"code": "pt_BR"}}


def test_a_missing_variable_is_left_out_so_that_the_provider_refuses() -> None:
    entry = Entry(7, 1, "+99912345678", "so1:x:7:1", "t", {"name": "Zoë"}, 1)
    [component] = json.loads(message_body(TEMPLATE, entry))["template"]["components"]
    assert component["parameters"] == [{"type": "text", "text": "Zoë"}]


async def test_the_token_of_the_phone_number_id_comes_before_the_general_one() -> None:
    heads: list[bytes] = []

    async def conversation(connection: Connection) -> None:
        heads.append((await connection.read_request())[0])
        await connection.reply(200, ACCEPTED)

    await outcome_of(
        conversation, environment=TOKEN | {"SENDONCE_WHATSAPP_TOKEN_1065": "the-own-one"}
    )
    assert b"Bearer the-own-one\r\n" in heads[0]


# Not one byte was written: not_sent


async def test_a_refused_connection_is_not_sent() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        # Bound and not listening: nobody else gets the port, and it refuses.
        outcome = await send_to(f"http://127.0.0.1:{port}/v25.0")
    assert outcome.kind is OutcomeKind.NOT_SENT
    assert outcome.http_status is None


async def test_a_name_that_does_not_resolve_is_not_sent() -> None:
    outcome = await send_to("http://provider.invalid/v25.0")
    assert outcome.kind is OutcomeKind.NOT_SENT


async def test_a_failed_tls_handshake_is_not_sent() -> None:
    async def conversation(connection: Connection) -> None:
        await connection.write(b"HTTP/1.1 400 this is not TLS\r\n\r\n")

    async with raw_server(conversation) as server:
        outcome = await send_to(server.url.replace("http:", "https:"))
    assert outcome.kind is OutcomeKind.NOT_SENT


async def test_a_connection_that_does_not_come_about_in_time_is_not_sent() -> None:
    async def silent(connection: Connection) -> None:
        await connection.wait_for_end()

    async with raw_server(silent) as server:
        outcome = await send_to(server.url.replace("http:", "https:"), request_timeout=0.5)
    assert outcome.kind is OutcomeKind.NOT_SENT


async def test_a_request_that_found_no_free_connection_in_time_is_not_sent() -> None:
    arrived = asyncio.Event()
    go_on = asyncio.Event()

    async def slow(connection: Connection) -> None:
        await connection.read_request()
        arrived.set()
        await go_on.wait()
        await connection.reply(200, ACCEPTED)

    async with (
        raw_server(slow) as server,
        adapter_for(server.url, request_timeout=6.0, connections=1) as adapter,
    ):
        first = asyncio.create_task(adapter.send(ACCOUNT, TEMPLATE, ENTRY, ALWAYS))
        await arrived.wait()
        second = await adapter.send(ACCOUNT, TEMPLATE, ENTRY, ALWAYS)
        assert second.kind is OutcomeKind.NOT_SENT
        # Waiting for a connection ends well before the time-out of a whole request.
        go_on.set()
        assert (await first).kind is OutcomeKind.ACCEPTED
        assert server.connections == 1


async def test_a_kept_connection_that_closes_before_the_first_byte_is_not_sent() -> None:
    received: asyncio.Queue[int] = asyncio.Queue()

    async def conversation(connection: Connection) -> None:
        received.put_nowait(await connection.wait_for_end())

    async with raw_server(conversation) as server, adapter_for(server.url) as adapter:

        async def close_connections(
            session: aiohttp.ClientSession, context: SimpleNamespace, parameters: Any
        ) -> None:
            connector = session.connector
            assert connector is not None
            for protocol in list(connector._acquired):
                assert protocol.transport is not None
                protocol.transport.close()

        # After the announcement of the headers and before the first write: the narrowest gap.
        cut = aiohttp.TraceConfig()
        cut.on_request_headers_sent.append(close_connections)
        cut.freeze()
        adapter._session.trace_configs.append(cut)
        outcome = await adapter.send(ACCOUNT, TEMPLATE, ENTRY, ALWAYS)
        assert await received.get() == 0
    assert outcome.kind is OutcomeKind.NOT_SENT


async def test_nothing_is_written_once_the_time_for_the_request_is_over() -> None:
    received: asyncio.Queue[int] = asyncio.Queue()

    async def conversation(connection: Connection) -> None:
        received.put_nowait(await connection.wait_for_end())

    async with raw_server(conversation) as server, adapter_for(server.url) as adapter:
        # As after a sleep of the machine between the start of the request and its first byte.
        outcome = await adapter.send(ACCOUNT, TEMPLATE, ENTRY, lease_clock() - 0.001)
        assert await received.get() == 0
    assert outcome.kind is OutcomeKind.NOT_SENT


async def test_without_a_token_nothing_is_sent_and_the_variable_is_named() -> None:
    async def conversation(connection: Connection) -> None:
        await connection.wait_for_end()

    async with raw_server(conversation) as server:
        outcome = await send_to(server.url, environment={})
        assert server.connections == 0
    assert outcome.kind is OutcomeKind.NOT_SENT
    assert "SENDONCE_WHATSAPP_TOKEN_1065" in (outcome.message or "")


# Something may have arrived and no definite answer came back: ambiguous


async def test_a_reset_before_the_body_was_read_is_ambiguous() -> None:
    async def conversation(connection: Connection) -> None:
        await connection.read_head()
        connection.reset()

    assert (await outcome_of(conversation)).kind is OutcomeKind.AMBIGUOUS


async def test_a_reset_after_the_body_was_read_is_ambiguous() -> None:
    async def conversation(connection: Connection) -> None:
        await connection.read_request()
        connection.reset()

    assert (await outcome_of(conversation)).kind is OutcomeKind.AMBIGUOUS


async def test_a_connection_closed_without_a_reply_is_ambiguous() -> None:
    async def conversation(connection: Connection) -> None:
        await connection.read_request()

    assert (await outcome_of(conversation)).kind is OutcomeKind.AMBIGUOUS


@pytest.mark.parametrize(
    "half",
    [
        b"HTTP/1.1 20",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + ACCEPTED,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{'mes",
        b"\x00\x01\x02 not HTTP at all\r\n\r\n",
    ],
)
async def test_a_broken_reply_is_ambiguous(half: bytes) -> None:
    async def conversation(connection: Connection) -> None:
        await connection.read_request()
        await connection.write(half)

    assert (await outcome_of(conversation)).kind is OutcomeKind.AMBIGUOUS


async def test_silence_after_the_request_is_ambiguous() -> None:
    async def conversation(connection: Connection) -> None:
        await connection.read_request()
        await connection.wait_for_end()

    outcome = await outcome_of(conversation, request_timeout=2.0)
    assert outcome.kind is OutcomeKind.AMBIGUOUS
    assert outcome.message == "time-out"


async def test_a_connection_closed_without_a_reply_is_ambiguous_and_says_so() -> None:
    async def conversation(connection: Connection) -> None:
        await connection.read_request()

    outcome = await outcome_of(conversation)
    assert outcome.kind is OutcomeKind.AMBIGUOUS
    assert outcome.message == "the connection was closed without a reply"


async def test_silence_within_the_reply_is_ambiguous() -> None:
    async def conversation(connection: Connection) -> None:
        await connection.read_request()
        await connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{")
        await connection.wait_for_end()

    outcome = await outcome_of(conversation, request_timeout=2.0)
    assert outcome.kind is OutcomeKind.AMBIGUOUS
    assert outcome.http_status == 200


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b""),
        (502, b"<html>Bad gateway</html>"),
        (503, b'{"message":"no healthy upstream"}'),
        # A gateway's look-alike: neither type nor trace id.
        (502, b'{"error":{"code":502,"message":"Bad gateway"}}'),
        (500, b'{"error":{"message":"x","type":"OAuthException","code":"1"}}'),
        (500, b'{"error":{"message":"x","type":"OAuthException","code":true}}'),
        (500, b'{"error":"internal"}'),
        (404, b"not found"),
        (400, b"{}"),
        (200, b""),
        (200, b"garbage"),
        (200, b"[]"),
        (200, b"[" * 100_000),
        (200, b"{}"),
        (200, b'{"messages":[]}'),
        (200, b'{"messages":{"id":"wamid.x"}}'),
        (200, b'{"messages":[{"message_status":"accepted"}]}'),
        (200, b'{"messages":[{"id":""}]}'),
        (200, b'{"messages":[{"id":17}]}'),
        (200, b'{"messages":[{"id":"wamid.\\u0000"}]}'),
        (200, b'{"id":"wamid.x"}'),
        (204, b""),
    ],
)
async def test_a_reply_outside_the_documented_forms_is_ambiguous(status: int, body: bytes) -> None:
    outcome = await outcome_of(replying(status, body))
    assert outcome.kind is OutcomeKind.AMBIGUOUS
    assert outcome.http_status == status


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed_and_is_ambiguous(status: int) -> None:
    async def elsewhere(connection: Connection) -> None:
        await connection.read_request()
        await connection.reply(200, ACCEPTED)

    async with raw_server(elsewhere) as other:
        outcome = await outcome_of(replying(status, b"", f"Location: {other.url}/1065/messages"))
        assert other.connections == 0
    assert outcome.kind is OutcomeKind.AMBIGUOUS


async def test_an_endless_reply_is_given_up_as_ambiguous() -> None:
    async def conversation(connection: Connection) -> None:
        await connection.read_request()
        await connection.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            await connection.write(b"x" * LARGEST_REPLY)

    outcome = await outcome_of(conversation, request_timeout=60.0)
    assert outcome.kind is OutcomeKind.AMBIGUOUS
    assert "too large" in (outcome.message or "")


async def test_a_kept_connection_closed_over_the_second_request_is_ambiguous_and_not_retried() -> (
    None
):
    requests = 0

    async def conversation(connection: Connection) -> None:
        nonlocal requests
        await connection.read_request()
        requests += 1
        await connection.reply(200, ACCEPTED)
        await connection.read_request()
        requests += 1

    async with raw_server(conversation) as server, adapter_for(server.url) as adapter:
        first = await adapter.send(ACCOUNT, TEMPLATE, ENTRY, ALWAYS)
        second = await adapter.send(ACCOUNT, TEMPLATE, ENTRY, ALWAYS)
        assert server.connections == 1
    assert first.kind is OutcomeKind.ACCEPTED
    assert second.kind is OutcomeKind.AMBIGUOUS
    assert requests == 2


# The provider's own words: rejected, or accepted


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 429, 500, 503])
async def test_the_documented_error_is_rejected_whatever_the_status(status: int) -> None:
    assert await outcome_of(replying(status, ERROR)) == Outcome(
        OutcomeKind.REJECTED,
        http_status=status,
        code="131026",
        message="(#131026) Message undeliverable: Unable to deliver",
    )


@pytest.mark.parametrize("odd", ["nul \\u0000 inside", "half a pair \\ud83d"])
async def test_what_the_database_cannot_store_is_taken_out_of_the_providers_words(odd: str) -> None:
    body = f'{{"error":{{"message":"{odd}","type":"OAuthException","code":1}}}}'.encode()
    outcome = await outcome_of(replying(400, body))
    assert outcome.kind is OutcomeKind.REJECTED
    assert outcome.message is not None
    assert "\0" not in outcome.message
    assert outcome.message.encode()


@pytest.mark.parametrize("body", [b"", b"slow down", b"{}", ERROR])
async def test_http_429_is_rejected_with_its_wait(body: bytes) -> None:
    outcome = await outcome_of(replying(429, body, "Retry-After: 17"))
    assert outcome.kind is OutcomeKind.REJECTED
    assert outcome.http_status == 429
    assert outcome.retry_after == 17.0


async def test_http_429_is_rejected_even_if_the_rest_of_the_reply_is_lost() -> None:
    async def conversation(connection: Connection) -> None:
        await connection.read_request()
        await connection.write(b"HTTP/1.1 429 X\r\nContent-Length: 500\r\nRetry-After: 3\r\n\r\n{")

    outcome = await outcome_of(conversation)
    assert outcome.kind is OutcomeKind.REJECTED
    assert outcome.retry_after == 3.0


async def test_a_wait_may_be_given_as_a_date() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    outcome = await outcome_of(replying(429, b"", f"Retry-After: {date}"))
    assert outcome.retry_after is not None
    assert 3000 < outcome.retry_after <= 3600


@pytest.mark.parametrize("value", ["soon", "nan", "-", "1;2"])
async def test_an_unreadable_wait_is_none(value: str) -> None:
    outcome = await outcome_of(replying(429, b"", f"Retry-After: {value}"))
    assert outcome.kind is OutcomeKind.REJECTED
    assert outcome.retry_after is None


@pytest.mark.parametrize("status", [200, 202, 400, 429, 500])
async def test_a_message_id_is_evidence_of_acceptance_whatever_the_status(status: int) -> None:
    outcome = await outcome_of(replying(status, ACCEPTED))
    assert outcome.kind is OutcomeKind.ACCEPTED
    assert outcome.provider_message_id == "wamid.HBgLMTIzNDU2Nzg5MAA="


async def test_no_outcome_holds_the_token() -> None:
    async def conversation(connection: Connection) -> None:
        await connection.read_request()
        connection.reset()

    outcomes = [
        await send_to("http://provider.invalid/v25.0"),
        await outcome_of(conversation),
        await outcome_of(replying(500, b"made-up")),
    ]
    assert "made-up-token" not in repr(outcomes)


_names = st.sampled_from(["messages", "id", "error", "code", "message", "type", "error_data"])
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | _names, inner),
    max_leaves=10,
)


@settings(deadline=None)
@given(st.integers(200, 599), _json)
def test_any_json_gives_an_outcome_that_the_database_can_store(status: int, document: Any) -> None:
    outcome = outcome_of_reply(status, json.dumps(document).encode(), None)
    for text in (outcome.provider_message_id, outcome.code, outcome.message):
        assert text is None or ("\0" not in text and text.encode())


@settings(deadline=None)
@given(st.integers(200, 599), st.binary())
def test_any_bytes_give_an_outcome(status: int, reply: bytes) -> None:
    kind = outcome_of_reply(status, reply, None).kind
    assert kind is (OutcomeKind.REJECTED if status == 429 else OutcomeKind.AMBIGUOUS)
