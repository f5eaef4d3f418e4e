"""Log set-up: one event a line, named as a fact, without phone numbers or secrets.

Events carry no recipient in the first place. The masks below are for what comes from elsewhere:
the provider's and the database's own words.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterable
from typing import Any

import structlog

# An international number, or a bare run of as many digits that stands by itself (a WhatsApp id).
# What is part of a longer word, such as a UUID, is left alone.
_PHONE = re.compile(r"\+\d{6,15}(?!\d)|(?<![\w.+-])\d{10,15}(?![\w-])")


def mask_phone(number: str) -> str:
    """Keep what tells country and area, hide the person: +55119*****01."""
    kept = 6 if number.startswith("+") else 5
    hidden = max(len(number) - kept - 2, 3)
    return number[:kept] + "*" * hidden + number[-2:]


def mask_phones(text: str) -> str:
    """Mask every phone number in a text."""
    return _PHONE.sub(lambda found: mask_phone(found.group()), text)


# Names of our own choosing that may look like numbers: a sender's id is an account, not a person.
_NAMES = frozenset({"worker", "sender", "account_id"})


class Masking:
    """A structlog processor that takes secrets and phone numbers out of every text."""

    def __init__(self, secrets: Iterable[str]) -> None:
        # A short "secret" would mangle ordinary words, and is none.
        self._secrets = [secret for secret in secrets if len(secret) >= 6]

    def __call__(
        self, logger: Any, method: str, event: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        for key, value in event.items():
            event[key] = self._clean(value, is_name=key in _NAMES)
        return event

    def _clean(self, value: Any, *, is_name: bool = False) -> Any:
        if isinstance(value, str):
            for secret in self._secrets:
                value = value.replace(secret, "***")
            return value if is_name else mask_phones(value)
        if isinstance(value, dict):
            return {key: self._clean(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self._clean(inner) for inner in value]
        return value


def set_up_logs(*, log_format: str, level: str, secrets: Iterable[str]) -> None:
    """Send structlog's events to standard error, and other libraries' warnings with them."""
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        # Not the pretty tracebacks: they show local variables, recipients and tokens among them.
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    shared: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        Masking(secrets),
    ]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processor=renderer)
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    # The connection pool warns of every try and every connection; the worker says the same once,
    # when the database goes away and when it is back.
    logging.getLogger("psycopg").setLevel(logging.ERROR)
