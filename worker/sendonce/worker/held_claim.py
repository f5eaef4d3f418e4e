"""One claim in this process's hands."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence

from sendonce.transports.base import Account, Claim, Entry, Template
from sendonce.worker.clock import Lease, lease_clock


class HeldClaim:
    """What is left to start, what is running and what is not recorded yet, of one claim."""

    def __init__(self, claim: Claim, asked_at: float) -> None:
        self.claim_id = claim.claim_id
        self.account: Account = claim.account
        self.rate = claim.rate
        self.lease = Lease(asked_at, claim.lease_seconds)
        self.size = len(claim.entries)
        self._templates = claim.templates
        self._received_at = lease_clock()
        #: Entries for which dispatch has not been asked.
        self.pending: deque[Entry] = deque(claim.entries)
        #: Entries taken from pending whose outcome is not known yet: about to start, or running.
        self.unfinished = 0
        #: Entries taken from pending whose outcome the database has not confirmed yet.
        self.unrecorded = 0
        #: Whether the database still has the claim open, as far as its last answer said.
        self.is_open = True
        #: The database does not know this claim any more: nothing of it may start.
        self.lost = False
        #: What became of its entries.
        self.tally: Counter[str] = Counter()

    def template_of(self, entry: Entry) -> Template:
        """The template an entry is sent with."""
        return self._templates[entry.template_id]

    @property
    def is_done(self) -> bool:
        """Whether nothing of this claim concerns this process any more."""
        return not self.pending and self.unrecorded == 0

    @property
    def has_work(self) -> bool:
        """Whether something is still to be started or to come back."""
        return bool(self.pending) or self.unfinished > 0

    def take(self, count: int) -> list[Entry]:
        """Take the next entries, to have them dispatched."""
        entries = [self.pending.popleft() for _ in range(min(count, len(self.pending)))]
        self.unfinished += len(entries)
        self.unrecorded += len(entries)
        return entries

    def put_back(self, entries: Sequence[Entry]) -> None:
        """Take entries back to the head of the queue: they may go a little later."""
        self.put_aside(len(entries))
        if not self.lost:
            self.pending.extendleft(reversed(entries))

    def put_aside(self, count: int) -> None:
        """Note that so many entries taken were not dispatched: they are the database's again."""
        self.unfinished -= count
        self.unrecorded -= count

    @property
    def held_seconds(self) -> float:
        """Seconds since it was received."""
        return round(lease_clock() - self._received_at, 3)

    def forget_pending(self) -> int:
        """Start nothing more; results of running requests are still recorded."""
        forgotten = len(self.pending)
        self.pending.clear()
        return forgotten
