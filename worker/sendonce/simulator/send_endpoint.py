"""``POST /v{n}/{phone_number_id}/messages``: the network side, faults included."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import struct
import time
from typing import Any

from aiohttp import web

from sendonce.simulator.provider import Answer, Provider
from sendonce.simulator.provider_errors import error_body, lookup, trace_id

_PATH = re.compile(r"/(?P<version>v[0-9]+\.[0-9]+)/(?P<object>[^/]+)(?P<rest>/messages)?")

# Replies that are no reply: what a proxy in trouble says, and a body cut off in a data centre.
_BAD_GATEWAY = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n</html>\r\n"
_UNAVAILABLE = b"<html><body><h1>503 Service Unavailable</h1></body></html>\n"
_GARBAGE = b'{"messaging_product":"whatsapp","contacts":[{"inp\x00\xff<!DOCTYPE html>'
_TOO_MANY = b"Too Many Requests\n"

# How often a silent handler looks whether its client has gone.
_LOOK_SECONDS = 0.1


class SendEndpoint:
    """Answers everything outside ``/_simulator/``."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One request, as the Graph API would take it."""
        self._provider.open_requests += 1
        try:
            return await self._handle(request)
        except ConnectionError:
            # The client has gone; what was decided about its message stands.
            return _cut(request, reset=False)
        finally:
            self._provider.open_requests -= 1

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        path = _PATH.fullmatch(request.path)
        if path is None:
            body = error_body(
                2500,
                message=f"Unknown path components: {request.path}",
                with_details=False,
            )
            return await self._reply(request, 400, body, "v25.0")
        version, number = path["version"], path["object"]
        if path["rest"] is None or request.method != "POST":
            return await self._reply(request, 400, _unsupported(request.method, number), version)

        faults = self._provider.faults
        # At rate 1 no message has to be known, so the body really stays unread.
        if faults.outage == "cut" or faults.cut_before_body >= 1.0:
            fault = "outage" if faults.outage == "cut" else "cut_before_body"
            self._provider.note_swallowed(number, fault, None)
            return _cut(request, reset=True)

        raw = await request.read()
        if faults.outage != "off":
            return await self._outage(request, number, version)
        refusal = self._provider.authenticate(request.headers.get("Authorization"))
        if refusal is not None:
            entry = self._provider.note_refused(number, 401, 190)
            response = await self._reply(request, 401, refusal, version)
            entry.reply_written = True
            return response
        if not self._provider.knows_number(number):
            entry = self._provider.note_refused(number, 400, 100)
            response = await self._reply(request, 400, _unsupported("POST", number), version)
            entry.reply_written = True
            return response
        return await self._answer(request, self._provider.send(number, raw), version)

    async def _outage(self, request: web.Request, number: str, version: str) -> web.StreamResponse:
        mode = self._provider.faults.outage
        if mode == "silence":
            self._provider.note_swallowed(number, "outage", None)
            return await self._stay_silent(request)
        if mode == "provider_error":
            known = lookup(131016)
            entry = self._provider.note_swallowed(number, "outage", known.http_status)
            entry.code = known.code
            response = await self._reply(request, known.http_status, error_body(131016), version)
        else:
            entry = self._provider.note_swallowed(number, "outage", 503)
            response = await _send(request, _raw(503, _UNAVAILABLE, "text/html"))
        entry.reply_written = True
        return response

    async def _answer(
        self, request: web.Request, answer: Answer, version: str
    ) -> web.StreamResponse:
        started = time.monotonic()
        if answer.early is not None:
            await self._provider.reporter.post_now(answer.early)
        rest = answer.latency - (time.monotonic() - started)
        if rest > 0 and answer.fault != "cut_before_body":
            await asyncio.sleep(rest)

        fault = answer.fault or ""
        if fault == "cut_before_body":
            return _cut(request, reset=True)
        if fault.startswith("cut_after"):
            return _cut(request, reset=False)
        if fault.startswith("silence"):
            return await self._stay_silent(request)
        if fault == "truncated_reply":
            return await self._truncate(request, answer, version)

        if fault.startswith("server_error"):
            response = await _send(request, _raw(502, _BAD_GATEWAY, "text/html"))
        elif fault.startswith("garbage"):
            response = await _send(request, _raw(200, _GARBAGE, "application/json"))
        elif fault == "plain_429":
            response = await _send(request, _raw(429, _TOO_MANY, "text/plain"))
        else:
            response = await self._reply(request, answer.http_status, answer.body, version)
        if answer.entry is not None:
            answer.entry.reply_written = True
        return response

    async def _reply(
        self, request: web.Request, status: int, body: dict[str, Any], version: str
    ) -> web.Response:
        headers = {
            "facebook-api-version": version,
            "x-fb-trace-id": trace_id(),
            "x-fb-rev": "1030000000",
            "Cache-Control": "no-store",
            "Pragma": "no-cache",
        }
        if "error" in body:
            headers["WWW-Authenticate"] = (
                'OAuth "Facebook Platform" "invalid_request"'
                f' "{_quotable(body["error"]["message"])}"'
            )
        return await _send(
            request,
            web.Response(
                status=status,
                body=json.dumps(body, separators=(",", ":")).encode(),
                content_type="application/json",
                charset="UTF-8",
                headers=headers,
            ),
        )

    async def _truncate(
        self, request: web.Request, answer: Answer, version: str
    ) -> web.StreamResponse:
        """The head of the reply and half of its body, then the end of the connection."""
        body = json.dumps(answer.body, separators=(",", ":")).encode()
        head = (
            f"HTTP/1.1 {answer.http_status} OK\r\n"
            "Content-Type: application/json; charset=UTF-8\r\n"
            f"facebook-api-version: {version}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        if request.transport is not None:
            request.transport.write(head.encode("ascii") + body[: len(body) // 2])
        return _cut(request, reset=False)

    async def _stay_silent(self, request: web.Request) -> web.StreamResponse:
        """Say nothing until the client goes or the set time is over."""
        end = time.monotonic() + self._provider.faults.silence_seconds
        while request.transport is not None and not request.transport.is_closing():
            if time.monotonic() >= end:
                break
            await asyncio.sleep(_LOOK_SECONDS)
        return _cut(request, reset=False)


def _unsupported(method: str, number: str) -> dict[str, Any]:
    return error_body(
        100,
        message=f"Unsupported {method.lower()} request. Object with ID '{number}' does not exist,"
        " cannot be loaded due to missing permissions, or does not support this operation.",
        kind="GraphMethodException",
        subcode=33,
        with_details=False,
    )


def _quotable(text: str) -> str:
    """Text fit for a quoted string in a header."""
    return re.sub(r"[^ !#-\[\]-~]", "'", text)


def _raw(status: int, body: bytes, content_type: str) -> web.Response:
    return web.Response(status=status, body=body, content_type=content_type)


async def _send(request: web.Request, response: web.Response) -> web.Response:
    """Write the whole response here, so that the caller knows that it left."""
    await response.prepare(request)
    await response.write_eof()
    return response


def _cut(request: web.Request, *, reset: bool) -> web.StreamResponse:
    """End the connection without a reply: by RST or, politely, by FIN."""
    transport = request.transport
    if transport is not None:
        if reset:
            connection = transport.get_extra_info("socket")
            if connection is not None:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()
        else:
            transport.close()
    # aiohttp wants a response; its connection is gone, so nobody will see it.
    return web.Response()
