"""What the worker asks of the database: one method per SQL function, and the shapes they return.

The functions and their meaning are defined in ``sql/schema``; this file only gives them types.
All times are seconds. Every method may raise the errors at the end of this file and no others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Account:
    """One sender identity at one provider."""

    id: str
    provider: str
    #: The provider's name for the sender: a WhatsApp phone number id.
    sender: str


@dataclass(frozen=True, slots=True)
class Template:
    """A message template as the provider knows it, with the order of its body's variables."""

    name: str
    language: str
    category: str | None
    variables: tuple[str, ...]
    body: str | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One contact of a claim: everything needed to send its message once."""

    entry_id: int
    attempt: int
    #: E.164.
    recipient: str
    #: Sent along with the message; the provider gives it back in every report.
    reference: str
    template_id: str
    variables: Mapping[str, Any]
    units: int


@dataclass(frozen=True, slots=True)
class Claim:
    """One batch in this worker's hands."""

    claim_id: int
    #: Seconds left when the database answered: count them from *before* the call.
    lease_seconds: float
    #: Messages per second that the account may start; None is unlimited.
    rate: float | None
    account: Account
    templates: Mapping[str, Template]
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class NothingToClaim:
    """No entry may go out now."""

    #: Seconds after which asking again makes sense.
    wait_seconds: float


@dataclass(frozen=True, slots=True)
class RefusedEntry:
    """An entry that the database did not let go out, or a result that it did not take."""

    entry_id: int
    status: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Dispatch:
    """The answer of begin_dispatch: only what is in ``dispatched`` may be sent."""

    lease_seconds: float
    dispatched: tuple[int, ...]
    #: Moved elsewhere: they are not in the claim any more.
    refused: tuple[RefusedEntry, ...]
    #: Still in the claim, over the account's rate: ask again after ``later_seconds``.
    later: tuple[int, ...] = ()
    later_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of one attempt, as record_results takes it."""

    entry_id: int
    attempt: int
    #: accepted, rejected, not_sent or ambiguous.
    outcome: str
    provider_message_id: str | None = None
    http_status: int | None = None
    code: str | None = None
    message: str | None = None
    #: Seconds the provider asked to wait.
    retry_after: float | None = None
    message_status: str | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """The answer of record_results."""

    recorded: int
    already: int
    refused: tuple[RefusedEntry, ...]
    #: False once every dispatched entry of the claim has an outcome and nothing is left in it.
    claim_open: bool
    #: Whatever else the database counted, such as sent, failed, skipped, unknown.
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Released:
    """The answer of release_claim."""

    released: int
    claim_open: bool


@dataclass(frozen=True, slots=True)
class Swept:
    """The answer of a sweep: what it moved, and whether more is left."""

    counts: Mapping[str, int]
    more: bool


class Transport(Protocol):
    """The worker surface of the database."""

    async def claim_messages(
        self, worker: str, account_id: str | None, limit: int
    ) -> Claim | NothingToClaim:
        """Take the next batch, of any account where ``account_id`` is None."""
        ...

    async def begin_dispatch(self, claim_id: int, entry_ids: Sequence[int]) -> Dispatch:
        """Ask, just before sending, which of these may go; committed when this returns.

        Repeated by the holder it returns what is dispatched already. Raises ClaimGoneError.
        """
        ...

    async def record_results(self, claim_id: int, results: Sequence[Result]) -> Recorded:
        """Hand over outcomes. Repeating it is harmless; a claim that is gone is no obstacle."""
        ...

    async def renew_claims(self, claim_ids: Sequence[int]) -> Mapping[int, float]:
        """Prolong leases. Returns seconds left by claim; those missing are lost."""
        ...

    async def release_claim(self, claim_id: int) -> Released:
        """Give back what was never dispatched. Raises ClaimGoneError."""
        ...

    async def expire_claims(self, limit: int) -> Swept:
        """End claims whose lease is over."""
        ...

    async def settle_overdue_unknown(self, limit: int) -> Swept:
        """Settle unknown entries whose window is over."""
        ...

    async def sweep_cancelled(self, limit: int) -> Swept:
        """Move the ready entries of cancelled campaigns."""
        ...

    async def start_due_campaigns(self, limit: int) -> Swept:
        """Start scheduled campaigns whose time has come."""
        ...

    async def sweep_reports(self, limit: int) -> Swept:
        """Apply or drop waiting delivery reports."""
        ...

    async def worker_heartbeat(self, worker: str, info: Mapping[str, Any]) -> int:
        """Say that this worker lives. Returns the schema version."""
        ...

    async def schema_version(self) -> int:
        """The version of the installed schema."""
        ...

    async def unusable_functions(self) -> Sequence[str]:
        """What this role cannot call of the worker surface, one readable reason each."""
        ...

    async def close(self) -> None:
        """Close all connections. The transport may not be used afterwards."""
        ...


class TransportError(Exception):
    """The call has no usable answer. It may or may not have been executed."""


class DatabaseAwayError(TransportError):
    """No connection, or the connection was lost during the call."""


class DatabaseBusyError(TransportError):
    """The database gave this call up (deadlock, time limit): the same call may be made again."""


class DatabaseUnfitError(TransportError):
    """A function or a grant is missing, or the login is refused: a person has to change it."""


class CallRefusedError(TransportError):
    """The database answered with an error of its own.

    ``sqlstate`` is one of the SO… states of docs/ERRORS.md, or PostgreSQL's.
    """

    def __init__(self, sqlstate: str, message: str) -> None:
        super().__init__(f"{message} ({sqlstate})")
        self.sqlstate = sqlstate


class ClaimGoneError(CallRefusedError):
    """SO020 or SO021: the claim does not exist any more, or its lease is over. Drop it."""
