"""People at work while everything fails: they import, start, pause, cancel, copy, retry, decide.

One person for each organization, in a thread of its own, over a connection that breaks like all
others. What a person was told is kept: the audit holds the system to it.
"""

from __future__ import annotations

import contextlib
import json
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import psycopg

from proof.chaos.settings import (
    ACCOUNTS,
    CATEGORY,
    CURRENCY,
    LEASE,
    ORGANIZATIONS,
    PRICES,
    TEMPLATE,
    UNKNOWN_WINDOW,
    ChaosSettings,
)
from proof.chaos.stack import APP, SENDERS, Stack
from proof.chaos.timeline import Timeline

#: What a person may be told because somebody or something was faster.
_FASTER: Final = frozenset({"SO004", "SO006"})
#: Recipients in one call of add_recipients.
_CHUNK: Final = 150
#: How many different people an organization has, for each contact of its largest campaign.
_PEOPLE: Final = 3


class UnansweredError(Exception):
    """The connection broke: whether the call was carried out is not known."""


class TooLateError(Exception):
    """The database said that it is too late, or not the time, for this."""


@dataclass(frozen=True)
class Order:
    """What a person was told is so, from one moment to another (seconds since 1970)."""

    #: paused, cancelled (campaigns), account paused, suppressed.
    kind: str
    #: The campaign, the account, or organization and recipient.
    subject: str
    begins: float
    ends: float = float("inf")


@dataclass
class Memory:
    """What a person knows; written by one thread, read when it has ended."""

    #: Recipients whose import was confirmed, by campaign.
    imported: dict[str, set[str]] = field(default_factory=dict)
    #: Single messages that were confirmed: entry ids by idempotency key.
    singles: dict[str, int] = field(default_factory=dict)
    orders: list[Order] = field(default_factory=list)
    #: What the database's own check found wrong while everything ran.
    violations: list[str] = field(default_factory=list)
    #: Errors that nothing explains.
    surprises: list[str] = field(default_factory=list)


class Person:
    """Works in one organization until told to stop."""

    def __init__(
        self, number: int, stack: Stack, timeline: Timeline, settings: ChaosSettings
    ) -> None:
        self._number = number
        self._stack = stack
        self._timeline = timeline
        self._settings = settings
        self._dice = random.Random(f"person {number}:{settings.seed}")
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"person {number}", daemon=True)
        self._connection: psycopg.Connection[Any] | None = None
        self._through = False
        self._failure: BaseException | None = None
        self._names = 0
        self._left = None if settings.contacts is None else settings.contacts // ORGANIZATIONS
        #: When what is on was put on, by kind and subject.
        self._on: dict[tuple[str, str], float] = {}
        #: Campaigns whose unsent were copied: they are not tried again.
        self._copied: set[str] = set()
        self.memory = Memory()
        self.organization = ""
        self.accounts: list[str] = []
        self.template = ""
        self._moves: Mapping[Callable[[], None], int] = {
            self._new_campaign: 12,
            self._pause_campaign: 3,
            self._resume_campaign: 8,
            self._cancel_campaign: 1,
            self._copy_campaign: 2,
            self._retry_failed: 5,
            self._suppress: 5,
            self._give_up_unknown: 3,
            self._pause_account: 1,
            self._resume_accounts: 20,
            self._allow_template: 8,
            self._send_single: 6,
            self._look: 4,
            self._verify: 2,
        }

    # Calls

    def _call(self, function: str, *arguments: Any) -> Any:
        """Call a function. Raises UnansweredError and TooLateError."""
        marks = ", ".join(["%s"] * len(arguments))
        return self._ask(f"select public.{function}({marks})", *arguments)[0][0]

    def _ask(self, query: str, *arguments: Any) -> list[tuple[Any, ...]]:
        try:
            if self._connection is None or self._connection.closed:
                self._connection = self._connect()
            return self._connection.execute(query.encode(), arguments).fetchall()
        except psycopg.Error as error:
            state = error.sqlstate
            if state in _FASTER:
                raise TooLateError(str(error)) from error
            if state is not None and not state.startswith(("08", "57P", "25006")):
                self.memory.surprises.append(f"[{state}] {error} in {query} {arguments!r:.200}")
                self._timeline.write("surprise", state=state, error=str(error), query=query)
            if self._connection is not None:
                self._connection.close()
            self._connection = None
            raise UnansweredError(str(error)) from error

    def _connect(self) -> psycopg.Connection[Any]:
        url = self._stack.database.owner_url
        if self._through:
            url = self._stack.through("database", url)
        return psycopg.connect(
            url,
            autocommit=True,
            connect_timeout=3,
            application_name="sendonce-person",
        )

    def _until_answered(self, function: str, *arguments: Any) -> Any:
        """Call what may be repeated until there is an answer."""
        while True:
            try:
                return self._call(function, *arguments)
            except UnansweredError:
                if self._stopping.wait(0.2):
                    raise

    # Life

    def set_up(self) -> None:
        """Organization, accounts, template and prices, while all is well."""
        self.organization = str(self._call("create_organization", f"Chaos {self._number}"))
        first = self._number * len(ACCOUNTS)
        for sender, on_unknown in zip(
            SENDERS[first : first + len(ACCOUNTS)], ACCOUNTS, strict=True
        ):
            options = {
                "app": APP,
                "currency": CURRENCY,
                "maximum_rate": self._settings.rate,
                "lease": f"{LEASE} seconds",
                "longest_claim": "30 seconds",
                "unknown_window": f"{UNKNOWN_WINDOW} seconds",
                "on_unknown": on_unknown,
            }
            account = self._call(
                "upsert_account",
                self.organization,
                "whatsapp",
                sender,
                f"Number {sender}",
                json.dumps(options),
            )
            self.accounts.append(str(account))
        self._allow_template()
        for price in PRICES:
            self._ask(
                "insert into public.rates"
                " (organization_id, provider, category, prefix, currency, rate, charge_on)"
                " values (%s, 'whatsapp', %s, %s, %s, %s, %s) returning 1",
                self.organization,
                CATEGORY,
                price.prefix,
                CURRENCY,
                price.rate,
                price.charge_on,
            )

    def start(self) -> None:
        """Go to work, from now on by the network that fails."""
        if self._connection is not None:
            self._connection.close()
        self._through = True
        self._thread.start()

    def stop(self) -> None:
        """Stop working. Raises what ended the work before."""
        self._stopping.set()
        self._thread.join(120)
        self._through = False
        if self._connection is not None:
            self._connection.close()
        if self._failure is not None:
            raise RuntimeError(f"person {self._number}: {self._failure!r}") from self._failure

    def let_everything_go_on(self) -> None:
        """Start what was left, resume what is paused: the work of the evening."""
        self._resume_accounts()
        for account in self.accounts:
            self.set_rate(account)
        self._allow_template()
        rows = self._ask(
            "select id::text, status::text from public.campaigns where organization_id = %s"
            " and status in ('draft', 'paused') order by created_at, id",
            self.organization,
        )
        for campaign, status in rows:
            self._end_order("paused", campaign)
            with contextlib.suppress(TooLateError):
                function = "start_campaign" if status == "draft" else "resume_campaign"
                self._call(function, campaign)

    def decide(self, entry: int, decision: str) -> None:
        """Settle an entry that is held as unknown."""
        with contextlib.suppress(TooLateError):
            self._call("resolve_unknown", entry, decision)
            self._note("decided", entry=entry, decision=decision)

    def finish(self) -> Memory:
        """What the person knows at the end."""
        if self._connection is not None:
            self._connection.close()
        for (kind, subject), begins in self._on.items():
            self.memory.orders.append(Order(kind, subject, begins))
        self._on.clear()
        return self.memory

    def _work(self) -> None:
        moves, weights = list(self._moves), list(self._moves.values())
        try:
            # Enough to do from the beginning.
            for _ in range(2):
                self._do(self._new_campaign)
            while not self._stopping.wait(self._dice.uniform(0.05, 0.6)):
                self._do(self._dice.choices(moves, weights)[0])
        except BaseException as error:
            self._failure = error
            self._timeline.write("person failed", person=self._number, error=repr(error))

    def _do(self, move: Callable[[], None]) -> None:
        name = move.__name__.removeprefix("_").replace("_", " ")
        try:
            move()
        except UnansweredError:
            self._timeline.write("person not answered", person=self._number, move=name)
        except TooLateError:
            self._timeline.write("person too late", person=self._number, move=name)

    def _note(self, move: str, **facts: Any) -> None:
        self._timeline.write(f"person: {move}", person=self._number, **facts)

    def _pick(self, rows: list[tuple[Any, ...]]) -> tuple[Any, ...] | None:
        # Drawn in any case, so that what comes later does not depend on what is there now.
        share = self._dice.random()
        return rows[int(share * len(rows))] if rows else None

    def _campaign(self, *statuses: str) -> str | None:
        row = self._pick(
            self._ask(
                "select id::text from public.campaigns where organization_id = %s"
                " and status::text = any (%s) order by created_at, id",
                self.organization,
                list(statuses),
            )
        )
        return None if row is None else str(row[0])

    # Campaigns

    def _new_campaign(self) -> None:
        dice = self._dice
        account = dice.choice(self.accounts)
        size = dice.randint(self._settings.campaign_size // 3, self._settings.campaign_size)
        people = self._numbers(size)
        later, leave, again = dice.random() < 0.2, dice.random() < 0.1, dice.random() < 0.3
        if self._left is not None:
            people = people[: self._left]
        waiting = self._ask(
            "select coalesce(sum(total_contacts - total_sent - total_failed - total_skipped"
            " - total_cancelled), 0) from public.campaigns where organization_id = %s",
            self.organization,
        )[0][0]
        # Some seconds' work for all accounts is enough.
        if not people or waiting > 12 * self._settings.rate * len(self.accounts):
            return
        self._names += 1
        name = f"Campaign {self._names}"
        campaign = self._create(name, account)
        if self._left is not None:
            self._left -= len(people)
        for first in range(0, len(people), _CHUNK):
            chunk = people[first : first + _CHUNK]
            given = [{"recipient": who, "variables": {"name": "Ana"}} for who in chunk]
            self._until_answered("add_recipients", campaign, json.dumps(given))
            self.memory.imported.setdefault(campaign, set()).update(chunk)
            if again:
                self._until_answered("add_recipients", campaign, json.dumps(given))
        self._note("imported", campaign=campaign, contacts=len(people), account=account)
        if leave:
            return
        if later:
            self._until_answered("start_campaign", campaign, _in_seconds(1.5))
        else:
            self._until_answered("start_campaign", campaign)
        self._note("started", campaign=campaign, later=later)

    def _numbers(self, count: int) -> list[str]:
        # Few enough that campaigns share people.
        most = self._settings.campaign_size * _PEOPLE
        picked = self._dice.sample(range(most), min(count, most))
        return [f"{PRICES[who % 3].prefix}{self._number}{who:07d}" for who in picked]

    def _create(self, name: str, account: str) -> str:
        while True:
            try:
                return str(
                    self._call("create_campaign", self.organization, name, account, self.template)
                )
            except UnansweredError:
                if self._stopping.wait(0.2):
                    raise
                found = self._find(name)
                if found is not None:
                    return found

    def _find(self, name: str) -> str | None:
        try:
            rows = self._ask(
                "select id::text from public.campaigns where organization_id = %s and name = %s",
                self.organization,
                name,
            )
        except UnansweredError:
            return None
        return str(rows[0][0]) if rows else None

    def _pause_campaign(self) -> None:
        campaign = self._campaign("running")
        if campaign is not None:
            self._call("pause_campaign", campaign, "a person paused it")
            self._on["paused", campaign] = time.time()
            self._note("paused a campaign", campaign=campaign)

    def _resume_campaign(self) -> None:
        campaign = self._campaign("paused")
        if campaign is not None:
            self._end_order("paused", campaign)
            self._call("resume_campaign", campaign)
            self._note("resumed a campaign", campaign=campaign)

    def _end_order(self, kind: str, subject: str) -> None:
        begins = self._on.pop((kind, subject), None)
        if begins is not None:
            self.memory.orders.append(Order(kind, subject, begins, time.time()))

    def _cancel_campaign(self) -> None:
        campaign = self._campaign("running", "paused", "scheduled")
        if campaign is not None:
            self._call("cancel_campaign", campaign)
            self._on["cancelled", campaign] = time.time()
            self._note("cancelled a campaign", campaign=campaign)

    def _copy_campaign(self) -> None:
        what = self._dice.choices(("unsent", "all", "none"), (6, 1, 1))[0]
        campaign = self._campaign("completed", "cancelled")
        if campaign is None or (what == "all" and self._left is not None):
            return
        if what == "unsent":
            # Whoever copies the unsent and then retries them sends to them twice.
            if campaign in self._copied:
                return
            self._copied.add(campaign)
        answer = self._call("clone_campaign", campaign, what)
        self._note("copied a campaign", campaign=campaign, what=what, answer=answer)
        if what != "none":
            self._until_answered("start_campaign", answer["campaign_id"])

    def _retry_failed(self) -> None:
        campaign = self._campaign("running", "paused", "completed")
        if campaign is not None and campaign not in self._copied:
            answer = self._call("retry_failed", campaign)
            if answer["moved"]:
                self._note("retried", campaign=campaign, answer=answer)

    def _give_up_unknown(self) -> None:
        row = self._pick(
            self._ask(
                "select id from public.send_queue where organization_id = %s"
                " and status = 'unknown' order by id",
                self.organization,
            )
        )
        if row is not None:
            self._call("resolve_unknown", row[0], "fail")
            self._note("gave up an unknown", entry=row[0])

    # Accounts, templates, recipients

    def _pause_account(self) -> None:
        account = self._dice.choice(self.accounts)
        self._call("pause_account", account, "a person paused it")
        self._on.setdefault(("account paused", account), time.time())
        self._note("paused an account", account=account)

    def _resume_accounts(self) -> None:
        for account in self.accounts:
            row = self._ask(
                "select paused_at is not null, resting_until is not null,"
                " current_rate < maximum_rate / 4 from public.provider_accounts where id = %s",
                account,
            )[0]
            if row[0] or row[1]:
                self._end_order("account paused", account)
                self._call("resume_account", account)
                self._note("resumed an account", account=account, paused=row[0], resting=row[1])
            if row[2]:
                self.set_rate(account)

    def set_rate(self, account: str) -> None:
        """Let an account send at its full rate again."""
        place = self._number * len(ACCOUNTS) + self.accounts.index(account)
        self._call(
            "upsert_account",
            self.organization,
            "whatsapp",
            SENDERS[place],
            f"Number {SENDERS[place]}",
            json.dumps({"maximum_rate": self._settings.rate}),
        )

    def _allow_template(self) -> None:
        options = {"category": CATEGORY, "variables": ["name"]}
        self.template = str(
            self._call(
                "upsert_template",
                self.organization,
                "whatsapp",
                TEMPLATE,
                "en",
                json.dumps(options),
            )
        )

    def _suppress(self) -> None:
        row = self._pick(
            self._ask(
                "select recipient from public.send_queue where organization_id = %s"
                " and status in ('ready', 'processing') order by id limit 500",
                self.organization,
            )
        )
        scope = self._dice.choice(("marketing", "all"))
        if row is not None:
            self._call("suppress", self.organization, row[0], scope, "asked for it")
            self._on.setdefault(("suppressed", f"{self.organization} {row[0]}"), time.time())
            self._note("suppressed", recipient=row[0], scope=scope)

    def _send_single(self) -> None:
        account = self._dice.choice(self.accounts)
        who = self._numbers(1)[0]
        self._names += 1
        key = f"order {self._number} {self._names}"
        arguments = (self.organization, account, self.template, who, '{"name": "Ana"}', key)
        answer = self._until_answered("send_message", *arguments)
        again = self._until_answered("send_message", *arguments)
        if again["entry_id"] != answer["entry_id"]:
            self.memory.surprises.append(f"one key gave two entries: {answer}, {again}")
        self.memory.singles[key] = int(answer["entry_id"])

    # Looking

    def _look(self) -> None:
        campaign = self._campaign("running", "paused", "completed", "cancelled")
        if campaign is not None:
            self._call("campaign_progress", campaign)
            self._call("failure_breakdown", campaign)
            self._call("queue_stats", self.organization)

    def _verify(self) -> None:
        campaign = self._campaign("running", "paused", "completed", "cancelled")
        if campaign is not None:
            found = self._ask(
                "select v.name, v.entry_id, v.detail from public.verify_invariants(%s) v", campaign
            )
            for name, entry, detail in found:
                told = f"{name}: {detail} (campaign {campaign}, entry {entry})"
                self.memory.violations.append(f"at {self._timeline.seconds:.1f} s {told}")
                self._timeline.write("violation", told=told)


def _in_seconds(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
