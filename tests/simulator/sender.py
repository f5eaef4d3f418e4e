"""A plain client of the send endpoint: one connection a request, nothing retried."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sendonce.simulator import SimulatorProcess

CAMPAIGN = "0c5f4dc0-7f62-4c86-9a2e-5a3d2d3a4b01"
OTHER_CAMPAIGN = "7d2b6a9e-0b57-4f0a-8d0e-1f6f0f9c2e02"
NUMBER_ID = "106540352242922"


@dataclass(frozen=True)
class Reply:
    """A whole reply."""

    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def json(self) -> dict[str, Any]:
        """The parsed body."""
        parsed: dict[str, Any] = json.loads(self.raw)
        return parsed

    @property
    def message_id(self) -> str:
        """The WAMID of an accepted message."""
        message_id: str = self.json["messages"][0]["id"]
        return message_id

    @property
    def code(self) -> int:
        """The provider's error code."""
        code: int = self.json["error"]["code"]
        return code


def recipient(index: int) -> str:
    """A made-up phone number in a country that does not exist."""
    return f"+9997{index:08d}"


def reference(entry: int, *, campaign: str = CAMPAIGN, attempt: int = 1) -> str:
    """The client reference of an entry."""
    return f"so1:{campaign}:{entry}:{attempt}"


def template_message(to: str, reference: str | None = None, /, **changes: Any) -> dict[str, Any]:
    """The body of a template message; a change to None leaves that part out."""
    body: dict[str, Any] = {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": to,
        "type": "template",
        "template": {
            "name": "harvest_festival",
            "language": {"code": "en"},
            "components": [
                {"type": "body", "parameters": [{"type": "text", "text": "Ana"}]},
            ],
        },
        "biz_opaque_callback_data": reference,
    }
    body |= changes
    return {name: value for name, value in body.items() if value is not None}


def request(
    simulator: SimulatorProcess,
    body: Any,
    *,
    method: str = "POST",
    path: str = f"/v25.0/{NUMBER_ID}/messages",
    token: str | None = None,
    headers: dict[str, str] | None = None,
    timeout: float = 20.0,
) -> Reply:
    """One request; ``body`` is bytes or becomes JSON. Raises what the connection raises."""
    parts = urlsplit(simulator.base_url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=timeout)
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    try:
        connection.request(
            method,
            path,
            raw,
            headers
            if headers is not None
            else {
                "Authorization": f"Bearer {token or simulator.token}",
                "Content-Type": "application/json",
            },
        )
        response = connection.getresponse()
        return Reply(response.status, dict(response.headers), response.read())
    finally:
        connection.close()


def send(
    simulator: SimulatorProcess,
    to: str,
    reference: str | None = None,
    *,
    number_id: str = NUMBER_ID,
    timeout: float = 20.0,
    **changes: Any,
) -> Reply:
    """Send one template message."""
    return request(
        simulator,
        template_message(to, reference, **changes),
        path=f"/v25.0/{number_id}/messages",
        timeout=timeout,
    )


def send_many(
    simulator: SimulatorProcess,
    entries: Sequence[int],
    *,
    campaign: str = CAMPAIGN,
    at_once: int = 1,
) -> None:
    """Send one message for each entry number, whatever comes back."""

    def one(entry: int) -> None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            send(simulator, recipient(entry), reference(entry, campaign=campaign))

    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(one, entries))
