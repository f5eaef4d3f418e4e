"""A database in memory, only for what a real one cannot be made to do at a chosen instant.

Leases that end between two instructions, answers that get lost after the commit, a machine that
sleeps in the middle of a call. Everything else is tested with PostgreSQL.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from sendonce.providers.base import Outcome, OutcomeKind
from sendonce.transports.base import (
    Account,
    Claim,
    Dispatch,
    Entry,
    NothingToClaim,
    Recorded,
    Released,
    Result,
    Swept,
    Template,
)

ACCOUNT = Account(id="account", provider="whatsapp", sender="1065")
TEMPLATE = Template(name="t", language="en", category=None, variables=(), body=None)


def make_claim(
    entries: int, *, claim_id: int = 1, lease: float = 60.0, rate: float | None = None
) -> Claim:
    """A claim with entries 1 to n."""
    return Claim(
        claim_id=claim_id,
        lease_seconds=lease,
        rate=rate,
        account=ACCOUNT,
        templates={"t": TEMPLATE},
        entries=tuple(
            Entry(
                entry_id=number,
                attempt=1,
                recipient=f"+9990000{number:04d}",
                reference=f"so1:account:{number}:1",
                template_id="t",
                variables={},
                units=1,
            )
            for number in range(1, entries + 1)
        ),
    )


class MemoryTransport:
    """Hands out the given claims; tests replace single methods to go wrong."""

    def __init__(self, *claims: Claim) -> None:
        self._claims = list(claims)
        self._open = {entry.entry_id for claim in claims for entry in claim.entries}
        self.lease = 60.0
        self.asked: list[tuple[int, ...]] = []
        self.results: dict[int, Result] = {}
        self.released: list[int] = []
        self.renewed = asyncio.Event()
        self.recorded = asyncio.Event()

    async def claim_messages(
        self, worker: str, account_id: str | None, limit: int
    ) -> Claim | NothingToClaim:
        return self._claims.pop(0) if self._claims else NothingToClaim(wait_seconds=0.05)

    async def begin_dispatch(self, claim_id: int, entry_ids: Sequence[int]) -> Dispatch:
        self.asked.append(tuple(entry_ids))
        return Dispatch(lease_seconds=self.lease, dispatched=tuple(entry_ids), refused=())

    async def record_results(self, claim_id: int, results: Sequence[Result]) -> Recorded:
        for result in results:
            self.results[result.entry_id] = result
        self.recorded.set()
        self._open.difference_update(result.entry_id for result in results)
        return Recorded(recorded=len(results), already=0, refused=(), claim_open=bool(self._open))

    async def renew_claims(self, claim_ids: Sequence[int]) -> Mapping[int, float]:
        self.renewed.set()
        return dict.fromkeys(claim_ids, self.lease)

    async def release_claim(self, claim_id: int) -> Released:
        self.released.append(claim_id)
        return Released(released=0, claim_open=False)

    async def expire_claims(self, limit: int) -> Swept:
        return Swept(counts={}, more=False)

    settle_overdue_unknown = expire_claims
    sweep_cancelled = expire_claims
    start_due_campaigns = expire_claims
    sweep_reports = expire_claims

    async def worker_heartbeat(self, worker: str, info: Mapping[str, Any]) -> int:
        return 1

    async def schema_version(self) -> int:
        return 1

    async def unusable_functions(self) -> Sequence[str]:
        return []

    async def close(self) -> None:
        pass


class MemoryAdapter:
    """Accepts everything after an optional wait, and remembers whom it wrote to."""

    def __init__(self, during: Callable[[Entry], Awaitable[None]] | None = None) -> None:
        self._during = during
        self.sent: list[int] = []

    async def send(
        self, account: Account, template: Template, entry: Entry, not_after: float
    ) -> Outcome:
        self.sent.append(entry.entry_id)
        if self._during is not None:
            await self._during(entry)
        return Outcome(OutcomeKind.ACCEPTED, provider_message_id=f"wamid.{entry.entry_id}")

    def missing_credentials(self, account: Account) -> str | None:
        return None

    async def close(self) -> None:
        pass
