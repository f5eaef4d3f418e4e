"""Identifiers: phone numbers as the provider reads them, message ids, and client references."""

from __future__ import annotations

import base64
import os
import re
from dataclasses import dataclass

_ALLOWED_IN_NUMBER = re.compile(r"\+?[0-9 ()\-]+")
_REFERENCE = re.compile(r"so1:(?P<campaign>[0-9a-fA-F-]{36}):(?P<entry>[0-9]+):(?P<attempt>[0-9]+)")

# Brazilian area codes from 31 up registered their numbers before the ninth digit came.
_BRAZIL_NINTH_DIGIT = re.compile(r"55(?P<area>[3-9][0-9])9(?P<local>[0-9]{8})")
_MEXICO = re.compile(r"52(?P<number>[0-9]{10})")


@dataclass(frozen=True, slots=True)
class Recipient:
    """A recipient as the provider understood it.

    ``number`` is E.164 with the plus sign, ``wa_id`` the id it answers with (digits; other than
    the number in Brazil and Mexico), ``prepended`` whether the sender's country code was added
    because the plus sign was missing.
    """

    number: str
    wa_id: str
    prepended: bool


def parse_recipient(text: str, country_code: str) -> Recipient | None:
    """Read ``to`` as the provider does; None when it is no phone number.

    Without a plus sign the sender's country code is put in front (Meta's documentation of the
    send endpoint): a number that already has its country code then reaches a stranger.
    """
    if not _ALLOWED_IN_NUMBER.fullmatch(text):
        return None
    digits = re.sub(r"[^0-9]", "", text)
    prepended = not text.startswith("+")
    if prepended:
        digits = country_code + digits
    # E.164: at most 15 digits, no leading zero. The shortest real ones have 7.
    if not 7 <= len(digits) <= 15 or digits.startswith("0"):
        return None
    return Recipient("+" + digits, _wa_id(digits), prepended)


def _wa_id(digits: str) -> str:
    brazil = _BRAZIL_NINTH_DIGIT.fullmatch(digits)
    if brazil:
        return f"55{brazil['area']}{brazil['local']}"
    mexico = _MEXICO.fullmatch(digits)
    if mexico:
        return f"521{mexico['number']}"
    return digits


def mask(number: str) -> str:
    """A phone number fit for a log: ``+55119*****01``."""
    if len(number) < 10:
        return "*" * len(number)
    return number[:6] + "*" * (len(number) - 8) + number[-2:]


@dataclass(frozen=True, slots=True)
class Reference:
    """The parts of a client reference ``so1:<campaign or account uuid>:<entry id>:<attempt>``."""

    campaign: str
    entry: int
    attempt: int


def parse_reference(text: str | None) -> Reference | None:
    """The parts of a reference, or None where there is none or it is of another kind."""
    match = _REFERENCE.fullmatch(text) if text else None
    if match is None:
        return None
    return Reference(match["campaign"].lower(), int(match["entry"]), int(match["attempt"]))


class MessageIds:
    """Makes WAMIDs in the provider's form: base64 of a small binary record.

    An id is never given twice, not even by the next process with the same seed: a database that
    has seen both must not find two messages under one id. Hence the random part.
    """

    def __init__(self) -> None:
        self._process = os.urandom(5).hex().upper()
        self._count = 0

    def next(self, wa_id: str) -> str:
        """A new WAMID for a message to ``wa_id`` (digits)."""
        self._count += 1
        unique = f"{self._process}{self._count:08X}"
        record = (
            bytes((0x1C, 0x18, len(wa_id)))
            + wa_id.encode("ascii")
            + b"\x15\x02\x00\x11\x18\x12"
            + unique.encode("ascii")
            + b"\x00"
        )
        return "wamid." + base64.b64encode(record).decode("ascii")
