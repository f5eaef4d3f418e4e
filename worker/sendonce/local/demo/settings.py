"""What the demo does, and how often what goes wrong. All of it is printed before it starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from sendonce.errors import CommandError

#: Seconds a worker may hold a batch without renewing it.
LEASE: Final = 5.0
#: Seconds an unknown outcome waits for the provider's report.
UNKNOWN_WINDOW: Final = 10.0
#: Seconds for one request; it has to fit into the lease.
REQUEST_TIMEOUT: Final = 3.0

#: The worker is killed when this share of the contacts is settled.
KILL_AT: Final = (0.30, 0.60)
WORKER_NAME: Final = "demo-worker"

#: So many contacts are refused by the provider, with this code, however often they are tried.
FAILING: Final = 28
FAILING_CODE: Final = 135000
#: One contact in so many has opted out before the campaign.
CONTACTS_PER_OPT_OUT: Final = 1000

CURRENCY: Final = "EUR"
#: Price of a delivered message by the beginning of the number, as rows of the table `rates`.
PRICES: Final[Mapping[str, Decimal]] = {
    "+9991": Decimal("0.0520"),
    "+9992": Decimal("0.0331"),
    "+9993": Decimal("0.0715"),
}

#: The provider's faults, by the names that `sendonce simulator` gives them.
FAULTS: Final[Mapping[str, Any]] = {
    "latency_mean": 0.06,
    "latency_jitter": 0.04,
    # The message goes out and its sender is not told.
    "cut_after_acceptance": 0.008,
    "truncated_reply": 0.002,
    "server_error_after_acceptance": 0.002,
    "silence_after_acceptance": 0.0003,
    # The message does not go out and its sender is not told either.
    "cut_after_body": 0.0006,
    # The provider says: not now.
    "errors": {131016: 0.003},
    "sent_delay": 1.0,
    "delivered_delay": 0.7,
    "read_delay": 2.0,
    "delay_jitter": 0.6,
    "delivered_rate": 0.97,
    "read_rate": 0.6,
    # Accepted, and then not delivered after all.
    "report_errors": {131026: 0.008},
    "delivered_after_failed": 0.1,
    "read_without_delivered": 0.03,
    "report_early": 0.05,
    "report_duplicated": 0.2,
    "report_copies": 3,
    "report_reordered": 0.1,
    "report_late": 0.02,
    "report_late_seconds": 12.0,
    "report_lost": 0.01,
}

MOST_CONTACTS: Final = 1_000_000


@dataclass(frozen=True)
class DemoSettings:
    """What the command line chose. Raises CommandError for what cannot be done."""

    contacts: int = 10_549
    seed: int = 7
    #: Messages per second that the account may start.
    rate: float = 300.0
    kills: bool = True
    keep: bool = False
    as_json: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.contacts <= MOST_CONTACTS:
            raise CommandError(
                f"--contacts: choose between 1 and {MOST_CONTACTS:,} (it is {self.contacts})"
            )
        if not 1 <= self.rate <= 10_000:
            raise CommandError(
                f"--rate: choose between 1 and 10,000 messages per second (it is {self.rate:g})"
            )
        if not 0 <= self.seed < 2**31:
            raise CommandError(f"--seed: choose between 0 and 2,147,483,647 (it is {self.seed})")

    @property
    def failing(self) -> int:
        """Contacts that the provider refuses: 28, or a tenth where there are few."""
        return min(FAILING, self.contacts // 10)

    @property
    def opted_out(self) -> int:
        """Contacts that must not be written to."""
        return self.contacts // CONTACTS_PER_OPT_OUT + (self.contacts >= 10)

    @property
    def kill_at(self) -> tuple[float, ...]:
        """The shares of settled contacts at which the worker is killed."""
        return KILL_AT if self.kills else ()
