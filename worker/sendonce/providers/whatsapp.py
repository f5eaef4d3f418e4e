"""The WhatsApp Cloud API: one template message, one POST, one outcome.

https://developers.facebook.com/docs/whatsapp/cloud-api/reference/messages

There is no idempotency key, so the one thing that matters here is to know whether a request that
failed may have reached the provider. It cannot have where not one byte was written: the name did
not resolve, the connection or its TLS handshake failed, or a kept connection turned out to be
closed before the first write. From the first byte on, only the provider's own words count.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import SimpleNamespace
from typing import Any

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import BytesPayload

from sendonce.providers.base import Clock, Outcome, OutcomeKind
from sendonce.transports.base import Account, Entry, Template
from sendonce.worker import stop_points

TOKEN_VARIABLE = "SENDONCE_WHATSAPP_TOKEN"  # noqa: S105 -- the variable's name

#: The largest reply that is read, in bytes; the documented ones are far below 4 KiB.
LARGEST_REPLY = 256 * 1024
#: Part of the time-out that connecting may use, so that a slow connection fails while it is still
#: certain that nothing was sent, and leaves time for the reply.
CONNECT_SHARE = 0.4
#: Characters of the provider's explanation that are kept.
LONGEST_MESSAGE = 500
#: The longest wait asked for by Retry-After that is passed on, in seconds: a day.
LONGEST_RETRY_AFTER = 86_400.0
LONGEST_MESSAGE_ID = 512

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class WhatsAppAdapter:
    """Sends through one aiohttp session. Create it inside the running event loop.

    ``url`` is the API's base with its version, ``request_timeout`` seconds from the start of a
    request to the last byte of its reply, ``connections`` the most requests at a time.
    """

    def __init__(
        self,
        *,
        url: str,
        request_timeout: float,
        connections: int,
        clock: Clock,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._url = url.rstrip("/")
        self._environment = environment
        self._clock = clock
        self._requests: dict[str, tuple[str, dict[str, str]]] = {}
        tracing = aiohttp.TraceConfig()
        tracing.on_request_headers_sent.append(_headers_leave)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections),
            timeout=aiohttp.ClientTimeout(
                total=request_timeout, connect=request_timeout * CONNECT_SHARE
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            trace_configs=[tracing],
        )

    async def send(
        self, account: Account, template: Template, entry: Entry, not_after: float
    ) -> Outcome:
        """Make one request; see providers.base.Adapter."""
        request = self._request(account)
        if request is None:
            return Outcome(
                OutcomeKind.NOT_SENT, message=f"no token: {self.missing_credentials(account)}"
            )
        url, headers = request
        body = _OnceOnlyBody(message_body(template, entry), not_after, self._clock)
        status: int | None = None
        retry_after: float | None = None
        try:
            async with self._session.post(
                url, data=body, headers=headers, allow_redirects=False, trace_request_ctx=body
            ) as response:
                status = response.status
                retry_after = seconds_of_retry_after(response.headers)
                reply = await _read(response)
        except Exception as error:  # every failure is an outcome; which one depends on the bytes
            if body.nothing_was_written:
                return Outcome(OutcomeKind.NOT_SENT, message=body.refusal or explain(error))
            if status == 429:
                return Outcome(
                    OutcomeKind.REJECTED,
                    http_status=status,
                    message="HTTP 429",
                    retry_after=retry_after,
                )
            return Outcome(OutcomeKind.AMBIGUOUS, http_status=status, message=explain(error))
        return outcome_of_reply(status, reply, retry_after)

    def missing_credentials(self, account: Account) -> str | None:
        """The variables that could hold this account's token, where none does."""
        own = f"{TOKEN_VARIABLE}_{account.sender}"
        if self._environment.get(own) or self._environment.get(TOKEN_VARIABLE):
            return None
        return f"{own} or {TOKEN_VARIABLE} is not set"

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    def _request(self, account: Account) -> tuple[str, dict[str, str]] | None:
        """URL and headers of an account, made once."""
        request = self._requests.get(account.sender)
        if request is None and self.missing_credentials(account) is None:
            token = (
                self._environment.get(f"{TOKEN_VARIABLE}_{account.sender}")
                or self._environment[TOKEN_VARIABLE]
            )
            request = (
                f"{self._url}/{account.sender}/messages",
                {"Authorization": f"Bearer {token}"},
            )
            self._requests[account.sender] = request
        return request


def message_body(template: Template, entry: Entry) -> bytes:
    """The JSON of one template message, with the reference that comes back in every report.

    A variable without value is left out: the provider then refuses the message, because the
    number of parameters does not fit its template, instead of sending one with a hole in it.
    """
    content: dict[str, Any] = {
        "name": template.name,
        "language": {"code": template.language},
    }
    parameters = [
        {"type": "text", "text": _text(entry.variables[name])}
        for name in template.variables
        if entry.variables.get(name) is not None
    ]
    if parameters:
        content["components"] = [{"type": "body", "parameters": parameters}]
    return _encode(
        {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": entry.recipient,
            "type": "template",
            "biz_opaque_callback_data": entry.reference,
            "template": content,
        }
    ).encode()


def outcome_of_reply(status: int, reply: bytes, retry_after: float | None) -> Outcome:
    """What a complete reply says. Only the documented forms count, in any HTTP status."""
    try:
        document = json.loads(reply)
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, dict):
        accepted = _first_message(document)
        if accepted is not None:
            # Evidence of acceptance is worth more than whatever else the reply holds.
            return Outcome(
                OutcomeKind.ACCEPTED,
                provider_message_id=accepted["id"],
                http_status=status,
                message_status=_clean(accepted.get("message_status")),
            )
        error = _documented_error(document)
        if error is not None:
            return Outcome(
                OutcomeKind.REJECTED,
                http_status=status,
                code=str(error["code"]),
                message=_error_message(error),
                retry_after=retry_after,
            )
    if status == 429:
        return Outcome(
            OutcomeKind.REJECTED, http_status=status, message="HTTP 429", retry_after=retry_after
        )
    return Outcome(
        OutcomeKind.AMBIGUOUS,
        http_status=status,
        message=f"HTTP {status} without a message id or the provider's error",
    )


def seconds_of_retry_after(headers: Mapping[str, str]) -> float | None:
    """The Retry-After header in seconds, given as a number or as a date; None if unreadable."""
    value = headers.get("Retry-After", "").strip()
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            moment = parsedate_to_datetime(value)
        except ValueError:
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = (moment - datetime.now(UTC)).total_seconds()
    if not math.isfinite(seconds):
        return None
    return round(min(max(seconds, 0.0), LONGEST_RETRY_AFTER), 3)


def explain(error: BaseException) -> str:
    """A failure in one line that holds neither token nor body."""
    if isinstance(error, asyncio.TimeoutError):
        return "time-out"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the connection was closed without a reply"
    text = " ".join(str(error).split())
    name = type(error).__name__
    return f"{name}: {text}"[:LONGEST_MESSAGE] if text else name


class _OnceOnlyBody(BytesPayload):
    """A request body that knows whether any byte of its request was written.

    aiohttp announces the headers just before it hands them on, or keeps them to send them together
    with the body. So nothing was written when the announcement never came, or when the writer had
    put out nothing at the moment this body refused to be written.
    """

    def __init__(self, value: bytes, not_after: float, clock: Clock) -> None:
        super().__init__(value, content_type="application/json")
        self._not_after = not_after
        self._clock = clock
        self.headers_announced = False
        self.refusal: str | None = None

    @property
    def nothing_was_written(self) -> bool:
        return not self.headers_announced or self.refusal is not None

    async def write_with_length(
        self, writer: AbstractStreamWriter, content_length: int | None
    ) -> None:
        if writer.output_size == 0:
            transport = writer.transport
            if transport is None or transport.is_closing():
                self.refusal = "the connection was closed before anything was written"
            elif self._clock() > self._not_after:
                # The machine slept between the start of the request and this moment.
                self.refusal = "the time for this request was over before anything was written"
            if self.refusal is not None:
                raise aiohttp.ClientConnectionResetError(self.refusal)
        if stop_points.ARMED:
            await stop_points.half_written(writer, self._value)
        await super().write_with_length(writer, content_length)


async def _headers_leave(
    session: aiohttp.ClientSession,
    context: SimpleNamespace,
    parameters: aiohttp.TraceRequestHeadersSentParams,
) -> None:
    context.trace_request_ctx.headers_announced = True


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The whole reply. Raises ValueError when it is larger than any documented one."""
    chunks = []
    size = 0
    while chunk := await response.content.readany():
        size += len(chunk)
        if size > LARGEST_REPLY:
            raise ValueError("the reply is too large")
        chunks.append(chunk)
    return b"".join(chunks)


def _first_message(document: Mapping[str, Any]) -> dict[str, Any] | None:
    """The accepted message of a documented reply: ``{"messages": [{"id": "wamid…"}]}``."""
    messages = document.get("messages")
    if not isinstance(messages, list) or not messages or not isinstance(messages[0], dict):
        return None
    message: dict[str, Any] = messages[0]
    identifier = message.get("id")
    if not isinstance(identifier, str) or not 0 < len(identifier) <= LONGEST_MESSAGE_ID:
        return None
    if not identifier.isascii() or not identifier.isprintable() or " " in identifier:
        return None
    return message


def _documented_error(document: Mapping[str, Any]) -> dict[str, Any] | None:
    """The Graph API's error object.

    Gateways in between answer with look-alikes such as ``{"error": {"code": 502}}``, which say
    nothing about the message: the documented form has message, type or trace id, and code.
    """
    error = document.get("error")
    if not isinstance(error, dict) or type(error.get("code")) is not int:
        return None
    if not isinstance(error.get("message"), str):
        return None
    if not isinstance(error.get("type"), str) and not isinstance(error.get("fbtrace_id"), str):
        return None
    return error


def _error_message(error: Mapping[str, Any]) -> str | None:
    details = error.get("error_data")
    detail = details.get("details") if isinstance(details, dict) else None
    words = [text for text in (_clean(error.get("message")), _clean(detail)) if text]
    return ": ".join(words)[:LONGEST_MESSAGE] or None


def _clean(value: object) -> str | None:
    """Text that PostgreSQL can store: no NUL, no half of a surrogate pair, not endless."""
    if not isinstance(value, str):
        return None
    text = value.replace("\0", " ").encode("utf-8", "replace").decode()
    return text[:LONGEST_MESSAGE] or None


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
