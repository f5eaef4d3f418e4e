"""Whether each account has a token, and whether the provider takes it. No message is sent."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from sendonce.cli.database import Connection
from sendonce.doctor import web
from sendonce.doctor.finding import Finding, error, not_checked, ok, warning
from sendonce.doctor.questions import Check, ask
from sendonce.providers.whatsapp import TOKEN_VARIABLE

DEFAULT_URL = "https://graph.facebook.com/v25.0"
URL_VARIABLE = "SENDONCE_WHATSAPP_URL"
#: More accounts than this are not asked about one by one.
_MOST = 50
#: The provider's code for a token that is wrong or has expired, and for an object that this token
#: does not show; the simulator answers the latter to everything but messages.
_TOKEN_REFUSED = 190
_NOT_SHOWN = 100


def checks(environment: Mapping[str, str]) -> list[tuple[str, Check]]:
    """The checks of this group."""

    def tokens(connection: Connection) -> Iterator[Finding]:
        rows = ask(
            connection,
            "select a.name, a.sender from public.provider_accounts a"
            " where a.provider = 'whatsapp' order by a.name, a.id limit %s",
            [_MOST],
        )
        if not rows:
            yield not_checked("token", "there is no WhatsApp account yet")
        for row in rows:
            yield _token(row["name"], row["sender"], environment)

    return [("token", tokens)]


def _token(account: str, sender: str, environment: Mapping[str, str]) -> Finding:
    own = f"{TOKEN_VARIABLE}_{sender}"
    variable = own if environment.get(own) else TOKEN_VARIABLE
    token = environment.get(variable)
    check = f"token of {account}"
    if not token:
        return error(
            check,
            f"neither {own} nor {TOKEN_VARIABLE} is set here: a worker with this environment "
            "cannot send from this account",
            "set one of them, or run doctor where the worker runs",
        )
    url = (environment.get(URL_VARIABLE) or DEFAULT_URL).rstrip("/")
    try:
        status, body = web.request(
            "GET", f"{url}/{sender}", headers={"Authorization": f"Bearer {token}"}
        )
    except web.UnreachableError as failure:
        return warning(
            check,
            f"{variable} is set, but {url} did not answer: {failure}",
            f"check {URL_VARIABLE}, DNS and firewall of this machine",
        )
    code = _error_code(body)
    if status == 200 and code is None:
        return ok(check, f"the provider takes {variable}")
    if status == 401 or code == _TOKEN_REFUSED:
        return error(
            check,
            f"the provider refuses the token in {variable} (HTTP {status}, code {code})",
            "make a new one for a system user, and restart the workers",
        )
    if code == _NOT_SHOWN and url.startswith("https://graph.facebook.com/"):
        return error(
            check,
            f"the token in {variable} does not open phone number id {sender}",
            "check the id, and that the token's user has the account with both permissions",
        )
    said = f"HTTP {status}" + (f", code {code}" if code is not None else "")
    return not_checked(check, f"{variable} is set; it could not be checked at {url} ({said})")


def _error_code(body: bytes) -> int | None:
    try:
        document = json.loads(body)
        code = document["error"]["code"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return code if isinstance(code, int) else None
