"""The control API of a running simulator, as Python calls.

Blocking and with the standard library only; asynchronous tests call it in a thread, which is
also what keeps their own servers able to answer meanwhile.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from typing import Any, cast
from urllib.parse import urlencode


class ControlError(RuntimeError):
    """The simulator refused a control request; the text is its reason."""


class SimulatorControl:
    """Steers the simulator at ``base_url`` (``http://host:port``)."""

    def __init__(self, base_url: str, *, timeout: float = 60.0) -> None:
        """``timeout``: seconds to wait for each answer."""
        self.base_url = base_url.rstrip("/")
        self._timeout = timeout

    @property
    def graph_url(self) -> str:
        """What a sender takes for ``https://graph.facebook.com/v25.0``."""
        return f"{self.base_url}/v25.0"

    def _open(self, method: str, path: str, query: dict[str, Any], body: Any) -> Any:
        given = {name: value for name, value in query.items() if value is not None}
        url = f"{self.base_url}/_simulator{path}" + (f"?{urlencode(given)}" if given else "")
        request = urllib.request.Request(  # noqa: S310 - the scheme is ours
            url,
            method=method,
            data=json.dumps(body).encode() if body is not None else None,
            headers={"Content-Type": "application/json"},
        )
        try:
            return urllib.request.urlopen(request, timeout=self._timeout)  # noqa: S310
        except urllib.error.HTTPError as error:
            with error:
                text = error.read().decode(errors="replace")
            try:
                reason = str(json.loads(text)["error"])
            except (ValueError, KeyError, TypeError):
                reason = text
            raise ControlError(reason) from None

    def _call(self, method: str, path: str, body: Any = None, **query: Any) -> dict[str, Any]:
        with self._open(method, path, query, body) as response:
            return cast(dict[str, Any], json.load(response))

    def health(self) -> dict[str, Any]:
        """How it is set up; answers only when it runs."""
        return self._call("GET", "/health")

    def statistics(self, campaign: str | None = None) -> dict[str, Any]:
        """The ledger in numbers, of one campaign or all."""
        return self._call("GET", "/statistics", campaign=campaign)

    def ledger(
        self,
        campaign: str | None = None,
        *,
        recipient: str | None = None,
        outcome: str | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Every entry, read line by line: any number of them."""
        query = {
            "format": "ndjson",
            "campaign": campaign,
            "recipient": recipient,
            "outcome": outcome,
        }
        with self._open("GET", "/ledger", query, None) as response:
            for line in response:
                yield json.loads(line)

    def ledger_page(self, *, after: int = 0, limit: int = 1000, **query: Any) -> dict[str, Any]:
        """One page: ``entries`` and ``next_after`` (None on the last page)."""
        return self._call("GET", "/ledger", after=after, limit=limit, **query)

    def reset(self, *, campaign: str | None = None, scope: str | None = None) -> dict[str, Any]:
        """Forget everything, one campaign, or (scope ``reports``) delivery tracking only."""
        return self._call("POST", "/reset", campaign=campaign, scope=scope)

    def faults(self) -> dict[str, Any]:
        """What it does wrong at present."""
        return self._call("GET", "/faults")

    def set_faults(self, **changes: Any) -> dict[str, Any]:
        """Change some faults and keep the others; ``profile=`` starts from a profile."""
        return self._call("POST", "/faults", changes)

    def restore_faults(self) -> dict[str, Any]:
        """Back to the faults it was started with."""
        return self._call("DELETE", "/faults")

    def next_faults(self, *outcomes: str | int) -> int:
        """Let the next requests meet these error codes or reply faults, one each."""
        body = {"outcomes": [str(outcome) for outcome in outcomes]}
        return int(self._call("POST", "/faults/next", body)["waiting"])

    def start_outage(self, mode: str = "unavailable") -> None:
        """From now on nothing gets through: unavailable, provider_error, cut or silence."""
        self._call("POST", "/outage", {"mode": mode})

    def end_outage(self) -> None:
        """Everything gets through again."""
        self._call("DELETE", "/outage")

    def cancel_reports(self, campaign: str | None = None) -> int:
        """Take back what is still to be reported; how many reports."""
        answer = self._call("POST", "/reports/cancel", campaign=campaign)
        return int(answer["reports_cancelled"])

    def flush_reports(self, seconds: int = 30) -> bool:
        """Report everything now and wait; whether the webhook has taken all of it."""
        return bool(self._call("POST", "/reports/flush", seconds=seconds)["finished"])

    def replay_reports(
        self,
        *,
        provider_message_id: str | None = None,
        reference: str | None = None,
        recipient: str | None = None,
        campaign: str | None = None,
        statuses: Sequence[str | dict[str, Any]] = (),
    ) -> dict[str, Any]:
        """Send reports again, or others (``statuses``) about the same messages."""
        body = {
            "provider_message_id": provider_message_id,
            "reference": reference,
            "recipient": recipient,
            "campaign": campaign,
            "statuses": list(statuses),
        }
        return self._call("POST", "/reports/replay", body)

    def use_webhook(self, url: str) -> dict[str, Any]:
        """Report to this URL from now on."""
        return self._call("POST", "/webhook", {"url": url})
