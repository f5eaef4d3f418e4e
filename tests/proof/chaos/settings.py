"""What a run is made of: how long, how much, and what the accounts and the provider are like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Literal

#: Organizations, each with a person who works in it.
ORGANIZATIONS: Final = 2
#: Worker processes at a time, and webhooks.
WORKERS: Final = 3
WEBHOOKS: Final = 2

#: Seconds a worker may hold a batch without a sign of life. Short, so that many of them run out.
LEASE: Final = 3.0
#: Seconds for one request; it has to fit into the lease.
REQUEST_TIMEOUT: Final = 1.5
#: Seconds that an unknown outcome waits for the provider's report.
UNKNOWN_WINDOW: Final = 4.0

CURRENCY: Final = "EUR"
CATEGORY: Final = "MARKETING"
TEMPLATE: Final = "chaos"


@dataclass(frozen=True)
class Price:
    """What a message costs by the beginning of the number."""

    prefix: str
    rate: Decimal
    charge_on: Literal["accepted", "delivered"]


PRICES: Final = (
    Price("+9991", Decimal("0.0520"), "delivered"),
    Price("+9992", Decimal("0.0331"), "accepted"),
    Price("+9993", Decimal("0.0715"), "delivered"),
)

#: What the accounts of each organization do with an outcome that nobody learns.
ACCOUNTS: Final[tuple[Literal["fail", "hold"], ...]] = ("fail", "hold")

#: What the provider does wrong all the time, beside the faults that are drawn.
ALWAYS: Final[Mapping[str, Any]] = {
    "latency_mean": 0.06,
    "latency_jitter": 0.05,
    "cut_after_acceptance": 0.006,
    "cut_after_body": 0.003,
    "truncated_reply": 0.002,
    "server_error": 0.002,
    "server_error_after_acceptance": 0.002,
    "garbage_after_acceptance": 0.001,
    "silence_after_acceptance": 0.001,
    "silence_before_acceptance": 0.001,
    # One code of every class but those that stop a whole account or template; they are drawn.
    "errors": {
        131016: 0.004,
        131000: 0.002,
        130429: 0.002,
        131056: 0.002,
        131049: 0.003,
        131050: 0.002,
        131026: 0.004,
        131047: 0.001,
        135000: 0.004,
        999999: 0.001,
    },
    "sent_delay": 0.3,
    "delivered_delay": 0.4,
    "read_delay": 0.8,
    "delay_jitter": 0.6,
    "delivered_rate": 0.95,
    "read_rate": 0.6,
    "report_errors": {131026: 0.008, 131050: 0.002},
    "delivered_after_failed": 0.2,
    "read_without_delivered": 0.03,
    "report_early": 0.02,
    "report_duplicated": 0.1,
    "report_copies": 3,
    "report_reordered": 0.1,
    "report_late": 0.02,
    "report_late_seconds": 6.0,
    "report_lost": 0.02,
    "timestamp_milliseconds": 0.05,
    "reference_missing": 0.05,
    "recipient_hidden": 0.05,
}


@dataclass(frozen=True)
class ChaosSettings:
    """What the command line chose."""

    seed: int
    #: Seconds of faults; bringing everything to rest and the audit come on top.
    seconds: float
    #: Contacts in all, or None: new campaigns for as long as the faults last.
    contacts: int | None = None
    #: Contacts of one campaign, at most.
    campaign_size: int = 600
    #: Messages a second for each account.
    rate: float = 45.0
    #: Seconds between two faults, on average.
    gap: float = 1.0
    as_json: bool = False
    keep: bool = False
