"""What an adapter is, and the four things that can become of a request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from sendonce.transports.base import Account, Entry, Template


class OutcomeKind(StrEnum):
    """How much is known about one request. What follows from it is decided in SQL."""

    #: The provider gave a message id.
    ACCEPTED = "accepted"
    #: The provider said no, in its own documented form or with HTTP 429.
    REJECTED = "rejected"
    #: It failed before a byte of the request was written.
    NOT_SENT = "not_sent"
    #: Everything else: the message may or may not go out.
    AMBIGUOUS = "ambiguous"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one request."""

    kind: OutcomeKind
    provider_message_id: str | None = None
    http_status: int | None = None
    #: The provider's error code, as text.
    code: str | None = None
    message: str | None = None
    #: Seconds the provider asked to wait.
    retry_after: float | None = None
    #: The provider's word for what it will do with an accepted message.
    message_status: str | None = None


class Adapter(Protocol):
    """Speaks to one kind of provider. It retries nothing and follows no redirect."""

    async def send(
        self, account: Account, template: Template, entry: Entry, not_after: float
    ) -> Outcome:
        """Make one request, at most once, within the adapter's time-out.

        No byte is written after ``not_after``, a time of the clock given to the adapter. Never
        raises but on cancellation: every failure is an outcome.
        """
        ...

    def missing_credentials(self, account: Account) -> str | None:
        """The name of the environment variable that this account lacks, if any."""
        ...

    async def close(self) -> None:
        """Close connections."""
        ...


#: A clock that runs on while the machine sleeps, in seconds.
Clock = Callable[[], float]
