"""Whether the webhook is reachable, checks signatures and answers the provider's handshake.

What is posted is a body without reports, so nothing reaches the database.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlencode

from sendonce.doctor import web
from sendonce.doctor.finding import Finding, error, not_checked, ok, warning

BODY = b'{"object":"whatsapp_business_account","entry":[]}'
_OF_AN_APP = re.compile(r"/whatsapp/(?P<app>[^/?#]+)/?$")


def findings(
    url: str | None, apps: Sequence[str], environment: Mapping[str, str]
) -> Iterator[Finding]:
    """Look at the webhook of each app; ``url`` may end with /whatsapp/<app> to name one itself."""
    if url is None:
        yield not_checked("webhook", "nobody said where it is", "pass --webhook-url")
        return
    url = url.rstrip("/")
    named = _OF_AN_APP.search(url)
    if named is not None and named["app"] != "{app}":
        yield from _app(url, named["app"], environment)
        return
    if not apps:
        yield not_checked("webhook", "no app is known", "let the URL end with /whatsapp/<app>")
    base = url[: named.start()] if named else url
    for app in apps:
        yield from _app(f"{base}/whatsapp/{app}", app, environment)


def variable(kind: str, app: str) -> str:
    """The name of an app's secret in the environment, as the webhook itself spells it."""
    return f"WHATSAPP_{kind}_{re.sub('[^A-Z0-9]', '_', app.upper())}"


def _app(url: str, app: str, environment: Mapping[str, str]) -> Iterator[Finding]:
    check = f"webhook of {app}"
    try:
        status, _ = web.request("POST", url, body=BODY, headers=_JSON)
    except web.UnreachableError as failure:
        yield error(check, f"{url} cannot be reached: {failure}", "check the URL; deploy it")
        return
    if status == 401:
        yield ok(check, "reachable, and refuses what is not signed")
    elif status == 200:
        yield error(
            check,
            "takes reports that nobody signed",
            "deploy supabase/functions/delivery-webhook: this is something else",
        )
        return
    elif status == 404:
        yield error(
            check,
            "answers 404: it is not there, or has neither secret nor verify token of this app",
            f"deploy it, set {variable('APP_SECRET', app)} there, and check the path",
        )
        return
    else:
        yield error(
            check, f"answers HTTP {status} to what is not signed", "expected 401: see its log"
        )
    yield _signed(check, url, app, environment)
    yield _handshake(check, url, app, environment)


_JSON = {"Content-Type": "application/json"}


def _signed(check: str, url: str, app: str, environment: Mapping[str, str]) -> Finding:
    name = variable("APP_SECRET", app)
    secret = (environment.get(name) or "").strip()
    if not secret:
        return not_checked(
            check, f"signatures: {name} is not set here", "set it here, too, to have it checked"
        )
    signature = hmac.new(secret.encode(), BODY, hashlib.sha256).hexdigest()
    try:
        status, _ = web.request(
            "POST", url, body=BODY, headers={**_JSON, "X-Hub-Signature-256": f"sha256={signature}"}
        )
    except web.UnreachableError as failure:
        return error(check, f"a signed body got no answer: {failure}", "see its log")
    if status == 200:
        return ok(check, "takes a signed body (without reports: the database was not asked)")
    if status == 401:
        return error(
            check,
            f"refuses what is signed with {name} of this environment",
            "the two secrets differ: set the app secret of the provider's console in both places",
        )
    return error(check, f"answers HTTP {status} to a signed body", "expected 200: see its log")


def _handshake(check: str, url: str, app: str, environment: Mapping[str, str]) -> Finding:
    name = variable("VERIFY_TOKEN", app)
    token = (environment.get(name) or "").strip()
    if not token:
        return not_checked(
            check, f"handshake: {name} is not set here", "set it here, too, to have it checked"
        )
    challenge = secrets.token_hex(8)
    query = urlencode(
        {"hub.mode": "subscribe", "hub.verify_token": token, "hub.challenge": challenge}
    )
    try:
        status, body = web.request("GET", f"{url}?{query}")
    except web.UnreachableError as failure:
        return error(check, f"the handshake got no answer: {failure}", "see its log")
    if status == 200 and body.decode(errors="replace").strip() == challenge:
        return ok(check, "answers the provider's handshake")
    return warning(
        check,
        f"does not answer the handshake with {name} of this environment (HTTP {status})",
        "set the same verify token in both places; it matters only when subscribing",
    )
