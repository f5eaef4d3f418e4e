"""What the simulated provider does wrong, how often, and to whom.

Every choice about a message comes from one hash of the seed and the message itself, never from
the order in which requests arrive: the same seed fails the same messages at any concurrency.
"""

from __future__ import annotations

import hashlib
import re
import struct
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    field_validator,
    model_validator,
)

Rate = Annotated[float, Field(ge=0.0, le=1.0)]
Seconds = Annotated[float, Field(ge=0.0)]

# The faults of a reply, in the order in which they take their share of [0, 1).
REPLY_FAULTS: dict[str, str] = {
    "cut_before_body": "reset the connection as if the body had not been read; not accepted",
    "cut_after_body": "read the body, then close the connection; not accepted",
    "cut_after_acceptance": "accept, then close the connection without a reply",
    "silence_before_acceptance": "read the body and never answer; not accepted",
    "silence_after_acceptance": "accept and never answer",
    "truncated_reply": "accept, then close the connection in the middle of the reply",
    "server_error": "HTTP 502 without the provider's error; not accepted",
    "server_error_after_acceptance": "accept, then HTTP 502 without the provider's error",
    "provider_server_error": "HTTP 500 with the provider's error 131000; not accepted",
    "provider_server_error_after_acceptance": "accept, then HTTP 500 with the error 131000",
    "garbage": "HTTP 200 with something that is not the reply; not accepted",
    "garbage_after_acceptance": "accept, then HTTP 200 with something that is not the reply",
    "plain_429": "HTTP 429 without the provider's error; not accepted",
}

ACCEPTING_FAULTS = frozenset(
    name for name in REPLY_FAULTS if name.endswith("_after_acceptance") or name == "truncated_reply"
)

OutageMode = Literal["off", "unavailable", "provider_error", "cut", "silence"]

_OUTCOME = re.compile(r"[0-9]{1,9}")


class RecipientRule(BaseModel):
    """What happens to chosen recipients, however often they are tried.

    ``outcome`` is an error code or the name of a reply fault. Exactly one of ``first`` (that many
    distinct recipients, in order of arrival), ``suffix``, ``pattern`` (a regular expression for
    the whole number) and ``recipients`` says who. ``attempts`` limits the rule to the first so
    many requests for each of them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    outcome: str
    first: int | None = Field(default=None, ge=1)
    suffix: str | None = Field(default=None, min_length=1)
    pattern: str | None = Field(default=None, min_length=1)
    recipients: frozenset[str] | None = None
    attempts: int | None = Field(default=None, ge=1)

    _compiled: re.Pattern[str] | None = PrivateAttr(default=None)

    @model_validator(mode="before")
    @classmethod
    def _read_text(cls, value: Any) -> Any:
        return parse_rule(value) if isinstance(value, str) else value

    @field_validator("outcome", mode="before")
    @classmethod
    def _outcome_text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int) else value

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not _OUTCOME.fullmatch(self.outcome) and self.outcome not in REPLY_FAULTS:
            raise ValueError(f"{self.outcome!r} is neither an error code nor a reply fault")
        chosen = [self.first, self.suffix, self.pattern, self.recipients]
        if sum(item is not None for item in chosen) != 1:
            raise ValueError("name exactly one of first, suffix, pattern, recipients")
        if self.pattern is not None:
            try:
                self._compiled = re.compile(self.pattern)
            except re.error as error:
                raise ValueError(f"pattern {self.pattern!r}: {error}") from error
        return self

    @property
    def code(self) -> int | None:
        """The error code, or None when the outcome is a reply fault."""
        return int(self.outcome) if _OUTCOME.fullmatch(self.outcome) else None

    def names(self, number: str) -> bool:
        """Whether the rule names this number (E.164); ``first`` is the caller's to count."""
        if self.suffix is not None:
            return number.endswith(self.suffix)
        if self._compiled is not None:
            return self._compiled.fullmatch(number) is not None
        return self.recipients is not None and number in self.recipients


def parse_rule(text: str) -> dict[str, Any]:
    """Read the short form of a rule.

    ``OUTCOME=WHO[,attempts:N]`` where WHO is a plain number (the first so many recipients) or
    ``first:N``, ``suffix:DIGITS``, ``pattern:REGEX``, ``file:PATH`` (one number a line) or
    ``list:+N;+N``. Raises ValueError with a sentence.
    """
    outcome, separator, who = text.partition("=")
    if not separator or not who:
        raise ValueError(f"{text!r} is not OUTCOME=WHO, for example 135000=suffix:77")
    rule: dict[str, Any] = {"outcome": outcome.strip()}
    limited = re.fullmatch(r"(.*),attempts:([0-9]+)", who)
    if limited:
        who, rule["attempts"] = limited[1], int(limited[2])
    kind, separator, value = who.partition(":")
    if not separator:
        kind, value = "first", who
    if kind == "file":
        try:
            lines = Path(value).read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise ValueError(f"cannot read the recipients in {value}: {error.strerror}") from error
        rule["recipients"] = [line.strip() for line in lines if line.strip()]
    elif kind == "list":
        rule["recipients"] = [item.strip() for item in value.split(";") if item.strip()]
    elif kind == "first" and not value.isdecimal():
        raise ValueError(f"{value!r} is not a number of recipients")
    elif kind in ("first", "suffix", "pattern"):
        rule[kind] = int(value) if kind == "first" else value
    else:
        raise ValueError(f"{kind!r} is not one of first, suffix, pattern, file, list")
    return rule


def _parse_code_rates(value: Any) -> Any:
    """Accept ``135000=0.0027`` texts (one, or a list of them) beside a mapping of code to rate."""
    if isinstance(value, str):
        value = [part for part in value.split(",") if part.strip()]
    if not isinstance(value, list | tuple):
        return value
    rates: dict[str, str] = {}
    for item in value:
        code, separator, rate = str(item).partition("=")
        if not separator:
            raise ValueError(f"{item!r} is not CODE=RATE, for example 135000=0.0027")
        rates[code.strip()] = rate.strip()
    return rates


def _one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, str | dict) else value


CodeRates = Annotated[dict[Annotated[int, Field(ge=0)], Rate], BeforeValidator(_parse_code_rates)]
Rules = Annotated[tuple[RecipientRule, ...], BeforeValidator(_one_or_many)]


class Faults(BaseModel):
    """Everything that can be changed about the provider's behaviour, while it runs too.

    Rates are shares of messages in [0, 1], times are seconds. The defaults are a provider that
    answers at once and reports everything.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    # The reply.
    latency_mean: Seconds = Field(default=0.0, description="seconds before the reply, on average")
    latency_jitter: Seconds = Field(default=0.0, description="seconds the latency varies each way")
    errors: CodeRates = Field(
        default_factory=dict, description="refuse with this error of the provider at this rate"
    )
    fail_recipients: Rules = Field(
        default=(), description="an error code or a reply fault for chosen recipients"
    )
    cut_before_body: Rate = Field(default=0.0, description=REPLY_FAULTS["cut_before_body"])
    cut_after_body: Rate = Field(default=0.0, description=REPLY_FAULTS["cut_after_body"])
    cut_after_acceptance: Rate = Field(
        default=0.0, description=REPLY_FAULTS["cut_after_acceptance"]
    )
    silence_before_acceptance: Rate = Field(
        default=0.0, description=REPLY_FAULTS["silence_before_acceptance"]
    )
    silence_after_acceptance: Rate = Field(
        default=0.0, description=REPLY_FAULTS["silence_after_acceptance"]
    )
    silence_seconds: Seconds = Field(
        default=600.0, description="seconds of silence after which the connection is closed"
    )
    truncated_reply: Rate = Field(default=0.0, description=REPLY_FAULTS["truncated_reply"])
    server_error: Rate = Field(default=0.0, description=REPLY_FAULTS["server_error"])
    server_error_after_acceptance: Rate = Field(
        default=0.0, description=REPLY_FAULTS["server_error_after_acceptance"]
    )
    provider_server_error: Rate = Field(
        default=0.0, description=REPLY_FAULTS["provider_server_error"]
    )
    provider_server_error_after_acceptance: Rate = Field(
        default=0.0, description=REPLY_FAULTS["provider_server_error_after_acceptance"]
    )
    garbage: Rate = Field(default=0.0, description=REPLY_FAULTS["garbage"])
    garbage_after_acceptance: Rate = Field(
        default=0.0, description=REPLY_FAULTS["garbage_after_acceptance"]
    )
    plain_429: Rate = Field(default=0.0, description=REPLY_FAULTS["plain_429"])
    throttle_rate: Annotated[float, Field(ge=0.0)] = Field(
        default=0.0, description="messages/s and phone number above which 130429 comes (0: none)"
    )
    throttle_status: Literal[400, 429] = Field(
        default=400, description="HTTP status of 130429 when throttling"
    )
    pair_interval: Seconds = Field(
        default=0.0, description="seconds per message to one recipient, else 131056 (0: no limit)"
    )
    pair_burst: Annotated[int, Field(ge=1)] = Field(
        default=45, description="messages to one recipient that may come at once"
    )
    held_for_quality: Rate = Field(
        default=0.0, description="accept as held_for_quality_assessment, report later"
    )
    held_seconds: Seconds = Field(default=5.0, description="seconds a held message is held")
    held_dropped: Rate = Field(
        default=0.0, description="share of held messages that end as failed 132015"
    )
    outage: OutageMode = Field(
        default="off",
        description="off, unavailable (503), provider_error (131016), cut or silence",
    )

    # The reports.
    sent_delay: Seconds = Field(default=0.0, description="seconds from the reply to sent")
    delivered_delay: Seconds = Field(default=0.0, description="seconds from sent to delivered")
    read_delay: Seconds = Field(default=0.0, description="seconds from delivered to read")
    delay_jitter: Rate = Field(
        default=0.0, description="share by which each of these delays varies each way"
    )
    delivered_rate: Rate = Field(default=1.0, description="share of accepted messages delivered")
    read_rate: Rate = Field(default=1.0, description="share of delivered messages read")
    report_errors: CodeRates = Field(
        default_factory=dict, description="report failed with this code after acceptance"
    )
    fail_reports: Rules = Field(
        default=(), description="report failed after acceptance for chosen recipients"
    )
    delivered_after_failed: Rate = Field(
        default=0.0, description="share of failed reports that delivered follows all the same"
    )
    read_without_delivered: Rate = Field(
        default=0.0, description="share of messages read without a delivered report"
    )
    report_early: Rate = Field(
        default=0.0, description="POST the first report and wait for its answer before the reply"
    )
    report_duplicated: Rate = Field(
        default=0.0, description="share of messages whose reports come several times"
    )
    report_copies: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=2, description="how often a duplicated report comes in all"
    )
    report_reordered: Rate = Field(
        default=0.0, description="share of messages whose reports come in the opposite order"
    )
    report_late: Rate = Field(default=0.0, description="share of messages with late reports")
    report_late_seconds: Seconds = Field(default=30.0, description="seconds they come later")
    report_lost: Rate = Field(default=0.0, description="share of reports that never come")
    reports_held: bool = Field(default=False, description="hold every report back while true")
    recipient_hidden: Rate = Field(
        default=0.0, description="share of messages reported by user id, without phone number"
    )
    timestamp_milliseconds: Rate = Field(
        default=0.0, description="share of messages whose reports tell milliseconds"
    )
    reference_missing: Rate = Field(
        default=0.0, description="share of messages whose reports lack the client reference"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        total = sum(self.errors.values()) + sum(getattr(self, name) for name in REPLY_FAULTS)
        if total > 1.0 + 1e-9:
            raise ValueError(
                f"the rates of errors and reply faults add up to {total:.4g}, more than 1"
            )
        total = sum(self.report_errors.values())
        if total > 1.0 + 1e-9:
            raise ValueError(f"the rates of report_errors add up to {total:.4g}, more than 1")
        for rule in self.fail_reports:
            if rule.code is None:
                raise ValueError(f"fail_reports takes error codes, not {rule.outcome!r}")
        return self

    def reply_fault(self, draw: float) -> tuple[str, int | None] | None:
        """The fault of a reply for a draw in [0, 1): a name and, for ``error``, the code."""
        for code, rate in self.errors.items():
            if draw < rate:
                return "error", code
            draw -= rate
        for name in REPLY_FAULTS:
            rate = getattr(self, name)
            if draw < rate:
                return name, None
            draw -= rate
        return None

    def report_error(self, draw: float) -> int | None:
        """The code of a failed report for a draw in [0, 1), or None."""
        for code, rate in self.report_errors.items():
            if draw < rate:
                return code
            draw -= rate
        return None


class Draws:
    """The random numbers of one message, each in [0, 1), from one hash of seed and message.

    Each choice has a number of its own, so that turning one fault on does not change who gets
    another.
    """

    # New choices go to the end, else old seeds mean something else.
    _NAMES = (
        "reply_fault",
        "latency",
        "held",
        "held_dropped",
        "report_error",
        "delivered",
        "read",
        "read_without_delivered",
        "delivered_after_failed",
        "early",
        "duplicated",
        "reordered",
        "late",
        "recipient_hidden",
        "timestamp_milliseconds",
        "reference_missing",
        "sent_delay",
        "delivered_delay",
        "read_delay",
        "lost_0",
        "lost_1",
        "lost_2",
    )
    _SLOT: ClassVar[dict[str, int]] = {name: index for index, name in enumerate(_NAMES)}
    _FORMAT = struct.Struct(f"<{len(_NAMES)}I")

    __slots__ = ("_values",)

    def __init__(self, seed: int, message: str) -> None:
        digest = hashlib.shake_128(f"{seed}:{message}".encode()).digest(self._FORMAT.size)
        self._values: tuple[int, ...] = self._FORMAT.unpack(digest)

    def __getitem__(self, name: str) -> float:
        return self._values[self._SLOT[name]] / 4294967296.0

    def hits(self, name: str, rate: float) -> bool:
        """Whether the choice of that name falls within ``rate``."""
        return rate > 0.0 and self[name] < rate

    def around(self, name: str, mean: float, spread: float) -> float:
        """A number within ``spread`` of ``mean``, never below 0."""
        if spread == 0.0:
            return mean
        return max(0.0, mean + spread * (2.0 * self[name] - 1.0))
