"""One HTTP request without redirects, proxies or patience: secrets go where they were meant to."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any

SECONDS = 10.0
#: Nothing that is read here is long.
_LONGEST_REPLY = 64 * 1024


class UnreachableError(Exception):
    """There was no reply; the message says why and holds no secret."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirects)


def request(
    method: str, url: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> tuple[int, bytes]:
    """Status and body of the reply, whatever the status. Raises UnreachableError."""
    if not url.startswith(("http://", "https://")):
        raise UnreachableError("the URL must start with http:// or https://")
    try:
        asked = urllib.request.Request(  # noqa: S310 -- the scheme was looked at
            url, data=body, headers=dict(headers or {}), method=method
        )
        try:
            with _opener.open(asked, timeout=SECONDS) as reply:
                return int(reply.status), reply.read(_LONGEST_REPLY)
        except urllib.error.HTTPError as reply:
            with reply:
                return reply.code, reply.read(_LONGEST_REPLY)
    except urllib.error.URLError as failure:
        raise UnreachableError(_words(failure.reason)) from None
    except (OSError, HTTPException, ValueError) as failure:
        raise UnreachableError(_words(failure)) from None


def _words(reason: Any) -> str:
    if isinstance(reason, ValueError):
        # It may quote a header's value, and that may be a token.
        return "the request cannot be written: look for blanks or line ends in URL and token"
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror.lower()
    return type(reason).__name__
