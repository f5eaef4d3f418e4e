"""``/_simulator/``: what tests, the demo and people do with a running simulator."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlencode, urlsplit

import aiohttp
import structlog
from aiohttp import web

from sendonce.simulator.ledger import Entry, breathing
from sendonce.simulator.profiles import SettingsError
from sendonce.simulator.provider import Provider

log = structlog.get_logger("sendonce.simulator")

PREFIX = "/_simulator"
_PAGE = 1000
_MAX_PAGE = 10_000
_STATUSES = ("sent", "delivered", "read", "failed", "played", "deleted", "warning")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ControlRequestError(ValueError):
    """A control request that cannot be carried out; the text says why."""


class Control:
    """The handlers under ``/_simulator/``; errors are ``{"error": sentence}`` with HTTP 400."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._routes: dict[tuple[str, str], Handler] = {
            ("GET", "/health"): self.health,
            ("GET", "/statistics"): self.statistics,
            ("GET", "/ledger"): self.ledger,
            ("POST", "/reset"): self.reset,
            ("GET", "/faults"): self.faults,
            ("POST", "/faults"): self.change_faults,
            ("DELETE", "/faults"): self.restore_faults,
            ("POST", "/faults/next"): self.next_faults,
            ("POST", "/outage"): self.outage_on,
            ("DELETE", "/outage"): self.outage_off,
            ("POST", "/reports/cancel"): self.cancel_reports,
            ("POST", "/reports/flush"): self.flush_reports,
            ("POST", "/reports/replay"): self.replay_reports,
            ("POST", "/webhook"): self.webhook,
        }

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Find the handler, and turn its complaints into answers."""
        path = request.path.removeprefix(PREFIX)
        handler = self._routes.get((request.method, path))
        if handler is None:
            known = sorted(f"{method} {PREFIX}{name}" for method, name in self._routes)
            return _json({"error": "no such control", "controls": known}, 404)
        try:
            return await handler(request)
        except (ControlRequestError, SettingsError) as error:
            return _json({"error": str(error)}, 400)

    async def health(self, request: web.Request) -> web.StreamResponse:
        """Whether it runs, and how it is set up."""
        provider = self._provider
        return _json(
            {
                "status": "ok",
                "profile": provider.profile,
                "seed": provider.settings.seed,
                "outage": provider.faults.outage,
                "app": provider.settings.app,
                "webhook_url": provider.reporter.webhook_url,
            }
        )

    async def statistics(self, request: web.Request) -> web.StreamResponse:
        """The ledger in numbers."""
        provider = self._provider
        numbers = await provider.ledger.statistics(_campaign(request))
        numbers["open_requests"] = provider.open_requests
        numbers["accepted_per_second"] = {
            "last_second": provider.ledger.rate(1),
            "last_10_seconds": provider.ledger.rate(10),
        }
        numbers["webhook"] = {
            "posts_acknowledged": provider.reporter.posts["acknowledged"],
            "posts_failed": provider.reporter.posts["failed"],
            "answers": dict(sorted(provider.reporter.answers.items())),
            "reports_in_flight": provider.reporter.in_flight,
        }
        return _json(numbers)

    async def ledger(self, request: web.Request) -> web.StreamResponse:
        """The ledger: a page of it as JSON, or all of it as JSON lines."""
        found = self._provider.ledger.find(
            campaign=_campaign(request),
            recipient=request.query.get("recipient"),
            outcome=request.query.get("outcome"),
            after=_number(request, "after", 0, None),
        )
        wants_lines = "ndjson" in request.headers.get("Accept", "")
        if wants_lines or request.query.get("format") == "ndjson":
            response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
            await response.prepare(request)
            chunk: list[str] = []
            async for entry in breathing(found):
                chunk.append(json.dumps(entry.to_json(), separators=(",", ":")) + "\n")
                if len(chunk) == _PAGE:
                    await response.write("".join(chunk).encode())
                    chunk.clear()
            await response.write_eof("".join(chunk).encode())
            return response
        limit = _number(request, "limit", _PAGE, _MAX_PAGE)
        page: list[Entry] = []
        for entry in found:
            page.append(entry)
            if len(page) > limit:
                break
        more = len(page) > limit
        page = page[:limit]
        return _json(
            {
                "entries": [entry.to_json() for entry in page],
                "next_after": page[-1].number if more else None,
            }
        )

    async def reset(self, request: web.Request) -> web.StreamResponse:
        """Forget everything, the delivery tracking, or one campaign."""
        scope = request.query.get("scope", "everything")
        campaign = _campaign(request)
        if scope not in ("everything", "reports"):
            raise ControlRequestError(f"scope: {scope!r} is neither everything nor reports")
        provider = self._provider
        cancelled = await provider.reporter.cancel(campaign)
        if scope == "reports":
            forgotten = provider.ledger.forget_reports(campaign)
            answer = {"reports_cancelled": cancelled, "reports_forgotten": forgotten}
        else:
            dropped = provider.ledger.forget(campaign)
            answer = {"reports_cancelled": cancelled, "entries_forgotten": dropped}
            if campaign is None:
                provider.forget_history()
        if campaign is None:
            provider.reporter.posts.clear()
            provider.reporter.answers.clear()
        provider.ledger.write_event("reset", scope=scope, campaign=campaign, **answer)
        log.info("reset", scope=scope, campaign=campaign, **answer)
        return _json(answer)

    async def faults(self, request: web.Request) -> web.StreamResponse:
        """What it does wrong at present."""
        return _json(self._faults())

    async def change_faults(self, request: web.Request) -> web.StreamResponse:
        """Change some faults; ``{"profile": NAME}`` starts from a profile."""
        changes = await _body(request)
        self._provider.change_faults(changes)
        log.info("faults_changed", names=sorted(changes))
        return _json(self._faults())

    async def restore_faults(self, request: web.Request) -> web.StreamResponse:
        """Back to the faults it was started with."""
        self._provider.restore_faults()
        return _json(self._faults())

    def _faults(self) -> dict[str, Any]:
        return self._provider.faults.model_dump(mode="json")

    async def next_faults(self, request: web.Request) -> web.StreamResponse:
        """Let the next requests meet given outcomes: ``{"outcomes": ["131016", "garbage"]}``."""
        outcomes = (await _body(request)).get("outcomes")
        if not isinstance(outcomes, list) or not outcomes:
            raise ControlRequestError("outcomes: give a list of error codes and reply faults")
        try:
            waiting = self._provider.add_next_faults([str(outcome) for outcome in outcomes])
        except ValueError:
            raise ControlRequestError(
                f"outcomes: {outcomes} has something that is neither error code nor reply fault"
            ) from None
        return _json({"waiting": waiting})

    async def outage_on(self, request: web.Request) -> web.StreamResponse:
        """Start an outage: ``{"mode": …}``, unavailable when no mode is given."""
        mode = (await _body(request)).get("mode", "unavailable")
        self._provider.change_faults({"outage": mode})
        log.info("outage", mode=mode)
        return _json({"outage": mode})

    async def outage_off(self, request: web.Request) -> web.StreamResponse:
        """End the outage."""
        self._provider.change_faults({"outage": "off"})
        log.info("outage", mode="off")
        return _json({"outage": "off"})

    async def cancel_reports(self, request: web.Request) -> web.StreamResponse:
        """Take back what is still to be reported, of one campaign or all."""
        cancelled = await self._provider.reporter.cancel(_campaign(request))
        return _json({"reports_cancelled": cancelled})

    async def flush_reports(self, request: web.Request) -> web.StreamResponse:
        """Report everything now, and wait until the webhook has it."""
        seconds = float(_number(request, "seconds", 30, 600))
        finished = await self._provider.reporter.flush(seconds)
        return _json({"finished": finished, "pending": self._provider.reporter.pending})

    async def replay_reports(self, request: web.Request) -> web.StreamResponse:
        """Send the reports of some messages again, or others about them."""
        body = await _body(request)
        provider = self._provider
        if not provider.reporter.enabled:
            raise ControlRequestError("there is no webhook to report to")
        entries = self._chosen(body)
        statuses = [_status(item) for item in body.get("statuses", [])]
        reports = provider.replay(entries, statuses)
        return _json({"messages": len(entries), "reports": reports})

    def _chosen(self, body: dict[str, Any]) -> list[Entry]:
        ledger = self._provider.ledger
        wamid = body.get("provider_message_id")
        if wamid is not None:
            entry = ledger.by_message_id(wamid)
            if entry is None:
                raise ControlRequestError(f"provider_message_id: {wamid} is not in the ledger")
            return [entry]
        wanted = {
            name: body.get(name)
            for name in ("reference", "recipient", "campaign")
            if body.get(name)
        }
        if not wanted:
            raise ControlRequestError(
                "name a provider_message_id, reference, recipient or campaign"
            )
        return [
            entry
            for entry in ledger.find(outcome="accepted")
            if all(getattr(entry, name) == value for name, value in wanted.items())
        ]

    async def webhook(self, request: web.Request) -> web.StreamResponse:
        """Report to another URL, and do the subscription handshake when a verify token is set."""
        body = await _body(request)
        provider = self._provider
        url = body.get("url", provider.reporter.webhook_url)
        if not isinstance(url, str) or urlsplit(url).scheme not in ("http", "https"):
            raise ControlRequestError("url: give an http(s) URL")
        if provider.settings.app_secret is None:
            raise ControlRequestError(
                "reports are signed, so start with SENDONCE_SIMULATOR_APP_SECRET set"
            )
        provider.reporter.use_webhook(url)
        answer: dict[str, Any] = {"webhook_url": provider.reporter.webhook_url}
        if provider.settings.verify_token is not None:
            answer["handshake"] = await self._handshake(str(provider.reporter.webhook_url))
        return _json(answer)

    async def _handshake(self, url: str) -> str:
        token = self._provider.settings.verify_token
        challenge = "1158201444"
        query = urlencode(
            {
                "hub.mode": "subscribe",
                "hub.challenge": challenge,
                "hub.verify_token": token.get_secret_value() if token is not None else "",
            }
        )
        timeout = aiohttp.ClientTimeout(total=self._provider.settings.webhook_timeout)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(f"{url}?{query}", allow_redirects=False) as response,
            ):
                text = await response.text()
                if response.status != 200:
                    return f"refused with HTTP {response.status}"
                return "verified" if text == challenge else "the challenge did not come back"
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return f"no answer: {type(error).__name__}"


def _json(body: dict[str, Any], status: int = 200) -> web.Response:
    return web.json_response(body, status=status)


def _campaign(request: web.Request) -> str | None:
    campaign = request.query.get("campaign")
    return campaign.lower() if campaign else None


def _number(request: web.Request, name: str, default: int, highest: int | None) -> int:
    text = request.query.get(name)
    if text is None:
        return default
    if not text.isdecimal() or (highest is not None and not 1 <= int(text) <= highest):
        limit = f" from 1 to {highest}" if highest is not None else ""
        raise ControlRequestError(f"{name}: {text!r} is not a whole number{limit}")
    return int(text)


async def _body(request: web.Request) -> dict[str, Any]:
    raw = await request.read()
    if not raw:
        return {}
    try:
        body = json.loads(raw)
    except ValueError:
        raise ControlRequestError("the body is not JSON") from None
    if not isinstance(body, dict):
        raise ControlRequestError("the body is not a JSON object")
    return body


def _status(item: object) -> tuple[str, int | None]:
    """``"read"``, or ``{"status": "failed", "code": 131026}``."""
    status, code = (
        (item.get("status"), item.get("code")) if isinstance(item, dict) else (item, None)
    )
    if status not in _STATUSES:
        raise ControlRequestError(f"statuses: {status!r} is not one of {', '.join(_STATUSES)}")
    if code is not None and not isinstance(code, int):
        raise ControlRequestError(f"statuses: code {code!r} is not a number")
    if status == "failed" and code is None:
        code = 131026
    return str(status), code
