"""The provider's side of the webhook: bodies as WhatsApp writes them, signed as WhatsApp signs."""

import hashlib
import hmac
import http.client
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

APP = "main"
SECRET = "secret-of-main"
VERIFY_TOKEN = "token-of-main"
OTHER_APP = "second-app"
OTHER_SECRET = "secret-of-the-second-app"
SENDER = "106540352242922"

PATH = f"/delivery-webhook/whatsapp/{APP}"

Json = Any


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    text: str

    def json(self) -> Json:
        """Return the body, which must be JSON."""
        return json.loads(self.text)


def status(message_id: str, **changes: Json) -> dict[str, Json]:
    """Return one status of one message; `changes` override or add fields."""
    return {
        "id": message_id,
        "status": "sent",
        "timestamp": "1764000000",
        "recipient_id": "5511900000001",
        "biz_opaque_callback_data": f"so1:campaign:{message_id}:1",
        "pricing": {
            "billable": True,
            "pricing_model": "PMP",
            "type": "regular",
            "category": "marketing",
        },
        **changes,
    }


def change(statuses: Json, *, sender: str = SENDER) -> dict[str, Json]:
    """Return one change with statuses."""
    return {
        "field": "messages",
        "value": {
            "messaging_product": "whatsapp",
            "metadata": {"display_phone_number": "15005550000", "phone_number_id": sender},
            "statuses": statuses,
        },
    }


def other_change(field: str, **value: Json) -> dict[str, Json]:
    """Return one change that is about something else than statuses."""
    return {"field": field, "value": {"messaging_product": "whatsapp", **value}}


def envelope(*changes: Json) -> dict[str, Json]:
    """Return a body with one entry."""
    return {
        "object": "whatsapp_business_account",
        "entry": [{"id": "102290129340398", "changes": list(changes)}],
    }


def encoded(document: Json) -> bytes:
    """Return JSON the way the provider writes it: non-ASCII and slashes escaped."""
    return json.dumps(document, separators=(",", ":")).replace("/", "\\/").encode()


def signature(body: bytes, secret: str = SECRET) -> str:
    """Return the value of X-Hub-Signature-256."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


@dataclass(frozen=True)
class Webhook:
    """The function under test, as the provider sees it."""

    host: str
    port: int

    def request(
        self,
        method: str,
        path: str = PATH,
        *,
        body: bytes | Sequence[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request. A list of bytes goes out chunked, without its length."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        try:
            chunks = body if body is None or isinstance(body, bytes) else iter(body)
            connection.request(method, path, body=chunks, headers=dict(headers or {}))
            response = connection.getresponse()
            text = response.read().decode()
            received = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, received, text)
        finally:
            connection.close()

    def post(
        self, body: bytes, *, path: str = PATH, secret: str = SECRET, signed: str | None = None
    ) -> Answer:
        """Send a body signed with `secret`, or with `signed` as the header's value."""
        value = signature(body, secret) if signed is None else signed
        headers = {"Content-Type": "application/json", "X-Hub-Signature-256": value}
        return self.request("POST", path, body=body, headers=headers)

    def report(self, *statuses: Json) -> Answer:
        """Send statuses in one change of one entry, signed."""
        return self.post(encoded(envelope(change(list(statuses)))))
