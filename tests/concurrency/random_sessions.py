"""Sessions that do at random whatever workers, webhooks, sweepers and people may do.

The provider is a ledger here: it knows which attempts it may have accepted, and so notices when an
entry is dispatched again although nobody asked for that.
"""

import json
import random
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg

from support.database import Connection

# What a caller may be told, because somebody else was faster.
EXPECTED: Final = frozenset({"SO004", "SO005", "SO006", "SO020", "SO021", "SO030"})

_REJECTIONS: Final = "135000 131026 131049 131016 130429 999 131050 131056".split()
_REPORTED_CODES: Final = "131026 131049 130429 131050".split()


def one(connection: Connection, query: str, *arguments: Any) -> Any:
    """Return the first column of the first row, or None."""
    row = connection.execute(query.encode(), arguments).fetchone()
    return None if row is None else row[0]


@dataclass(frozen=True)
class Account:
    """A sender that the sessions use."""

    id: str
    organization: str
    template: str


@dataclass(frozen=True)
class Dispatched:
    """An attempt that may have left."""

    sender: str
    source: str
    entry: int
    attempt: int


@dataclass
class Provider:
    """What may have been accepted, and which entries a person has allowed to go once more."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    accepted: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    allowed: set[int] = field(default_factory=set)
    dispatched: list[Dispatched] = field(default_factory=list)
    sent_twice: list[tuple[int, int]] = field(default_factory=list)

    def take(self, attempt: Dispatched, accepts: bool) -> None:
        """Take a request that a committed dispatch has allowed."""
        with self.lock:
            self.dispatched.append(attempt)
            if self.accepted.get(attempt.entry) and attempt.entry not in self.allowed:
                self.sent_twice.append((attempt.entry, attempt.attempt))
            if accepts:
                self.accepted[attempt.entry].add(attempt.attempt)
                self.allowed.discard(attempt.entry)

    def allow(self, entries: list[int]) -> None:
        """A person decides that these may go once more."""
        with self.lock:
            self.allowed.update(entries)

    def some_accepted(self, chance: random.Random, most: int) -> list[Dispatched]:
        """Return a few of the attempts that were accepted."""
        with self.lock:
            if not self.dispatched:
                return []
            picked = [chance.choice(self.dispatched) for _ in range(chance.randint(1, most))]
            return [a for a in picked if a.attempt in self.accepted.get(a.entry, ())]


@dataclass
class World:
    """What all sessions share."""

    accounts: list[Account]
    provider: Provider = field(default_factory=Provider)
    campaigns: list[str] = field(default_factory=list)
    surprises: list[str] = field(default_factory=list)


def make_world(connection: Connection) -> World:
    """Set up two organizations with three accounts each, of every kind there is, and prices."""
    accounts = []
    for number in range(2):
        organization = one(connection, "select create_organization(%s)", f"Organization {number}")
        template = one(connection, "select upsert_template(%s, 'whatsapp', 'hello')", organization)
        for kind in range(3):
            options: dict[str, Any] = {
                "maximum_rate": 200 if kind == 2 else None,
                "lease": "1 second",
                "unknown_window": "1 second",
                "on_unknown": "hold" if kind == 1 else "fail",
            }
            if kind == 0:
                options |= {"limit_group": "portfolio", "daily_recipients": 60 + 60 * number}
            sender = f"sender-{number}-{kind}"
            account = one(
                connection,
                "select upsert_account(%s, 'whatsapp', %s, %s, %s)",
                organization,
                sender,
                sender,
                json.dumps(options),
            )
            accounts.append(Account(str(account), str(organization), str(template)))
    connection.execute("update organizations set accounts_at_once = 2 where name like '%1'")
    connection.execute(
        "insert into rates (provider, category, prefix, rate, charge_on) values"
        " ('whatsapp', 'MARKETING', '+', 0.05, 'delivered'),"
        " ('whatsapp', 'MARKETING', '+9993', 0.07, 'accepted')"
    )
    return World(accounts)


class Session:
    """One session with a random source of its own."""

    def __init__(self, world: World, connection: Connection, seed: int) -> None:
        self.world = world
        self.connection = connection
        self.chance = random.Random(seed)

    def run(self, steps: int, moves: dict[str, int]) -> None:
        """Do so many moves, drawn by weight; what surprises is noted in the world."""
        names = list(moves)
        for _ in range(steps):
            move = self.chance.choices(names, list(moves.values()))[0]
            try:
                getattr(self, move)()
            except psycopg.Error as error:
                if error.sqlstate not in EXPECTED:
                    self.world.surprises.append(f"{move}: [{error.sqlstate}] {error}")
            except Exception as error:
                self.world.surprises.append(f"{move}: {error!r}")
                raise

    def call(self, query: str, *arguments: Any) -> Any:
        """Call a function in a transaction of its own."""
        return one(self.connection, query, *arguments)

    def recipient(self) -> str:
        """Return one of a few made-up numbers, so that they meet."""
        return f"+999{self.chance.randint(1, 5)}{self.chance.randint(0, 999):06d}"

    # What workers do.

    def send(self) -> None:
        """Claim, dispatch, send and record, and die or dawdle anywhere in between."""
        chance = self.chance
        account = None if chance.random() < 0.5 else chance.choice(self.world.accounts).id
        claim = self.call(
            "select claim_messages(%s, %s, %s)",
            f"worker-{chance.randint(1, 3)}",
            account,
            chance.choice([1, 7, 50]),
        )
        if claim["claim_id"] is None or chance.random() < 0.05:
            return
        entries = {entry["entry_id"]: entry for entry in claim["entries"]}
        asked = chance.sample(list(entries), chance.randint(1, len(entries)))
        said = self.call("select begin_dispatch(%s, %s)", claim["claim_id"], asked)
        if chance.random() < 0.1:
            again = self.call("select begin_dispatch(%s, %s)", claim["claim_id"], asked)
            assert set(said["dispatched"]) <= set(again["dispatched"])
            said = again
        results = []
        for entry in said["dispatched"]:
            result = self.request(claim["account"]["sender"], entries[entry])
            if result is not None:
                results.append(result)
        chance.shuffle(results)
        if chance.random() < 0.05:
            # Longer than the lease lasts.
            time.sleep(chance.random() * 1.5)
        if chance.random() < 0.1:
            self.call("select renew_claims(%s)", [claim["claim_id"]])
        while results:
            size = chance.randint(1, len(results))
            part, results = results[:size], results[size:]
            for _ in range(2 if chance.random() < 0.15 else 1):
                self.call("select record_results(%s, %s)", claim["claim_id"], json.dumps(part))
        if chance.random() < 0.8:
            self.call("select release_claim(%s)", claim["claim_id"])

    def request(self, sender: str, entry: dict[str, Any]) -> dict[str, Any] | None:
        """Send one request to the provider; return its result, None when nobody learns it."""
        chance = self.chance
        attempt = Dispatched(
            sender, entry["reference"].split(":")[1], entry["entry_id"], entry["attempt"]
        )
        result: dict[str, Any] = {"entry_id": attempt.entry, "attempt": attempt.attempt}
        kind = chance.choices(
            ["accepted", "rejected", "not_sent", "ambiguous", "died", "wrong id"],
            [70, 8, 4, 8, 5, 1],
        )[0]
        self.world.provider.take(attempt, accepts=kind not in ("rejected", "not_sent"))
        match kind:
            case "accepted":
                return result | {"outcome": kind, "provider_message_id": _wamid(attempt)}
            case "wrong id":
                # A provider that gives one message id to several messages.
                shared = f"wamid.shared.{chance.randint(1, 3)}"
                return result | {"outcome": "accepted", "provider_message_id": shared}
            case "rejected":
                return result | {"outcome": kind, "code": chance.choice(_REJECTIONS)}
            case "not_sent":
                return result | {"outcome": kind, "code": chance.choice([None, "not_started"])}
            case "ambiguous":
                return result | {"outcome": kind}
        return None

    def report(self) -> None:
        """Report some accepted messages: in any order, again, with and without reference."""
        chance = self.chance
        reports = [
            {
                "app": "default",
                "sender": attempt.sender,
                "provider_message_id": _wamid(attempt),
                "status": chance.choice(["sent", "delivered", "read", "failed"]),
                "timestamp": str(int(time.time()) - chance.randint(0, 5)),
                "reference": f"so1:{attempt.source}:{attempt.entry}:{attempt.attempt}"
                if chance.random() < 0.8
                else None,
                "code": chance.choice(_REPORTED_CODES) if chance.random() < 0.2 else None,
            }
            for attempt in self.world.provider.some_accepted(chance, 20)
        ]
        if reports:
            self.call("select ingest_delivery_reports('whatsapp', %s)", json.dumps(reports))

    def sweep(self) -> None:
        """Do one of the chores that any worker does."""
        chore = self.chance.choice(
            [
                "expire_claims(20)",
                "settle_overdue_unknown(50)",
                "sweep_cancelled(50)",
                "start_due_campaigns()",
                "sweep_reports(100)",
            ]
        )
        self.call(f"select {chore}")

    # What people do.

    def campaign(self) -> None:
        """Make a campaign, fill it, start it, and try to fill it further."""
        account = self.chance.choice(self.world.accounts)
        campaign = self.call(
            "select create_campaign(%s, 'Random', %s, %s, %s)",
            account.organization,
            account.id,
            account.template,
            json.dumps({"priority": self.chance.randint(0, 2)}),
        )
        size = self.chance.choice([0, 1, 2, 5, 20, 100])
        recipients = json.dumps([{"recipient": self.recipient()} for _ in range(size)])
        self.call("select add_recipients(%s, %s)", campaign, recipients)
        self.world.campaigns.append(str(campaign))
        self.call("select start_campaign(%s)", campaign)
        if self.chance.random() < 0.3:
            self.call("select add_recipients(%s, %s)", campaign, recipients)

    def decide(self) -> None:
        """Pause, resume, cancel, retry, resolve, clone, repair."""
        if not self.world.campaigns:
            return
        campaign = self.chance.choice(self.world.campaigns[-30:])
        decision = self.chance.choices(
            ["pause", "resume", "cancel", "retry", "retry unknown", "resolve", "clone", "repair"],
            [15, 35, 5, 10, 5, 10, 2, 5],
        )[0]
        match decision:
            case "pause":
                self.call("select pause_campaign(%s, 'at random')", campaign)
            case "resume":
                self.call("select resume_campaign(%s)", campaign)
            case "cancel":
                self.call("select cancel_campaign(%s)", campaign)
            case "retry":
                limit = self.chance.choice([1, 50])
                self.call("select retry_failed(%s, null, %s)", campaign, limit)
            case "retry unknown":
                rows = self.connection.execute(
                    "select id from send_queue where campaign_id = %s", [campaign]
                ).fetchall()
                self.world.provider.allow([row[0] for row in rows])
                self.call("select retry_failed(%s, array['outcome_unknown'])", campaign)
            case "resolve":
                entry = self.call(
                    "select id from send_queue where status = 'unknown' order by random() limit 1"
                )
                if entry is not None:
                    answer = self.chance.choice(["retry", "fail"])
                    if answer == "retry":
                        self.world.provider.allow([entry])
                    self.call("select resolve_unknown(%s, %s)", entry, answer)
            case "clone":
                which = self.chance.choice(["all", "unsent"])
                self.call("select clone_campaign(%s, %s)", campaign, which)
            case "repair":
                assert not self.call("select repair_campaign(%s, false)", campaign)["differs"]

    def administer(self) -> None:
        """Pause and resume accounts, suppress people, send single messages."""
        account = self.chance.choice(self.world.accounts)
        match self.chance.choice(["pause", "resume", "resume", "suppress", "single"]):
            case "pause":
                self.call("select pause_account(%s, 'at random')", account.id)
            case "resume":
                for every in self.world.accounts:
                    self.call("select resume_account(%s)", every.id)
            case "suppress":
                self.call(
                    "select suppress(%s, %s, 'marketing', 'at random')",
                    account.organization,
                    self.recipient(),
                )
            case "single":
                self.call(
                    "select send_message(%s, %s, %s, %s, '{}', %s)",
                    account.organization,
                    account.id,
                    account.template,
                    self.recipient(),
                    f"key-{self.chance.randint(1, 500)}",
                )


def _wamid(attempt: Dispatched) -> str:
    return f"wamid.{attempt.entry}.{attempt.attempt}"
