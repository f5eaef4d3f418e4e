"""A campaign as the incidents had it, the moves of a sender, and what must hold after each."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, Final

import psycopg

from sendonce.local.deno import EdgeFunction
from sendonce.simulator.process import APP_SECRET, VERIFY_TOKEN, SimulatorProcess
from support.database import Connection, Database

APP: Final = "main"
#: What one message costs; a hundred of them were estimated at 5.50.
RATE: Final = Decimal("0.055")
FORBIDDEN: Final = "42501"

_COUNTERS: Final = (
    "total_contacts",
    "total_sent",
    "total_failed",
    "total_skipped",
    "total_cancelled",
    "total_unknown",
    "total_delivered",
    "total_read",
    "total_undelivered",
)

# Counted apart from the functions under test, so that neither can hide the other's mistake; one
# statement, so that row and rows are of one moment.
_DRIFT: Final = """
    select c.name, c.status::text, c.progress, c.actual_cost, k.cost,
        array[c.total_contacts, c.total_sent, c.total_failed, c.total_skipped, c.total_cancelled,
            c.total_unknown, c.total_delivered, c.total_read, c.total_undelivered],
        r.counted
    from public.campaigns c
    cross join lateral (
        select array[
            count(*),
            count(*) filter (where q.status = 'sent'),
            count(*) filter (where q.status = 'failed'),
            count(*) filter (where q.status = 'skipped'),
            count(*) filter (where q.status = 'cancelled'),
            count(*) filter (where q.status = 'unknown'),
            count(*) filter (where q.delivery_status in ('delivered', 'read')),
            count(*) filter (where q.delivery_status = 'read'),
            count(*) filter (where q.delivery_status = 'undelivered')
        ]::integer[] as counted
        from public.send_queue q where q.campaign_id = c.id
    ) r
    cross join lateral (
        select coalesce(sum(case
            when m.charge_on = 'accepted' and m.outcome = 'accepted' then m.rate * m.units
            when m.charge_on = 'delivered' and m.delivered_at is not null then m.rate * m.units
        end), 0) as cost
        from public.messages m where m.campaign_id = c.id
    ) k
"""


def one(connection: Connection, query: str, *parameters: Any) -> Any:
    """The first value of a query's first row."""
    row = connection.execute(query, parameters).fetchone()
    assert row is not None
    return row[0]


def call(connection: Connection, function: str, *arguments: Any) -> Any:
    """Call a function of the API; dictionaries and lists of them go as JSON."""
    marks = ", ".join(["%s"] * len(arguments))
    given = [
        json.dumps(argument)
        if isinstance(argument, dict)
        or (isinstance(argument, list) and any(isinstance(item, dict) for item in argument))
        else argument
        for argument in arguments
    ]
    return one(connection, f"select public.{function}({marks})", *given)


def refusal(connection: Connection, statement: str, *parameters: Any) -> str:
    """Run what must be refused; the SQLSTATE, or a sentence when it was not refused."""
    try:
        with connection.transaction():
            connection.execute(statement, parameters)
    except psycopg.Error as error:
        return error.sqlstate or str(error)
    return f"was not refused: {statement}"


def person(number: int) -> str:
    """A made-up number."""
    return f"+9992{number:08d}"


class Stage:
    """An organization with an account, a template and a price, and campaigns of it."""

    def __init__(self, connection: Connection, *, charge_on: str = "accepted") -> None:
        """Set it up. `charge_on`: what makes a message cost something."""
        self.connection = connection
        self.organization: str = str(call(connection, "create_organization", "Acceptance"))
        self.account = self.another_account("106500000000001")
        self.template: str = str(
            call(
                connection,
                "upsert_template",
                self.organization,
                "whatsapp",
                "greeting",
                "en",
                {"category": "UTILITY", "variables": ["name"]},
            )
        )
        connection.execute(
            "insert into public.rates (organization_id, provider, category, rate, charge_on)"
            " values (%s, 'whatsapp', 'UTILITY', %s, %s)",
            [self.organization, RATE, charge_on],
        )

    def another_account(self, sender: str, **options: Any) -> str:
        """One more account of the organization, without a rate of its own unless given one."""
        made = call(
            self.connection,
            "upsert_account",
            self.organization,
            "whatsapp",
            sender,
            f"Sender {sender}",
            {"app": APP, "maximum_rate": None} | options,
        )
        return str(made)

    def campaign(
        self,
        contacts: int = 100,
        *,
        name: str = "test 100",
        account: str | None = None,
        start: bool = True,
    ) -> Campaign:
        """A campaign to so many people, started unless told otherwise."""
        made = call(
            self.connection,
            "create_campaign",
            self.organization,
            name,
            account or self.account,
            self.template,
        )
        campaign = Campaign(self, str(made), account or self.account)
        people = [
            {"recipient": person(number), "variables": {"name": f"Contact {number}"}}
            for number in range(contacts)
        ]
        if people:
            added = call(self.connection, "add_recipients", campaign.id, people)
            assert added["added"] == contacts
        if start:
            call(self.connection, "start_campaign", campaign.id)
        return campaign


class Campaign:
    """One campaign, and the moves that a sender makes with it."""

    def __init__(self, stage: Stage, campaign_id: str, account: str) -> None:
        self.stage = stage
        self.connection = stage.connection
        self.id = campaign_id
        self.account = account

    def row(self) -> dict[str, Any]:
        """Status, progress, cost and counters as the campaign's row has them."""
        names = ("status", "progress", "estimated_cost", "actual_cost", *_COUNTERS)
        row = self.connection.execute(
            f"select status::text, {', '.join(names[1:])} from public.campaigns where id = %s",
            [self.id],
        ).fetchone()
        assert row is not None
        return dict(zip(names, row, strict=True))

    def numbers(self, *names: str) -> tuple[Any, ...]:
        """Some of them, in this order; `sent` is short for `total_sent`, and so on."""
        row = self.row()
        return tuple(row[name] if name in row else row[f"total_{name}"] for name in names)

    def is_completed(self) -> bool:
        """Whether its row says so."""
        return self.numbers("status") == ("completed",)

    def statuses(self) -> dict[str, int]:
        """How many entries are in which status, counted from the rows."""
        rows = self.connection.execute(
            "select status::text, count(*) from public.send_queue"
            " where campaign_id = %s group by 1",
            [self.id],
        ).fetchall()
        return dict(rows)

    def claim(self, limit: int = 1000, worker: str = "acceptance") -> dict[str, Any]:
        """Take entries of its account into a worker's hands."""
        claimed = call(self.connection, "claim_messages", worker, self.account, limit)
        assert isinstance(claimed, dict)
        return claimed

    def dispatch(self, claimed: Mapping[str, Any]) -> dict[str, Any]:
        """Say that the requests start now."""
        ids = [entry["entry_id"] for entry in claimed["entries"]]
        answer = call(self.connection, "begin_dispatch", claimed["claim_id"], ids)
        assert isinstance(answer, dict)
        return answer

    def record(self, claimed: Mapping[str, Any], results: Sequence[dict[str, Any]]) -> Any:
        """Tell what the provider answered."""
        return call(self.connection, "record_results", claimed["claim_id"], list(results))

    def send(self, limit: int = 1000) -> list[dict[str, Any]]:
        """Claim, dispatch, and have everything accepted; the entries that went out."""
        claimed = self.claim(limit)
        self.dispatch(claimed)
        self.record(claimed, accepted(claimed["entries"]))
        return list(claimed["entries"])

    def report(self, entries: Sequence[Mapping[str, Any]], *statuses: str) -> Any:
        """Report these statuses, in this order, about each of these entries."""
        reports = [report(entry, status, self.sender()) for status in statuses for entry in entries]
        return call(self.connection, "ingest_delivery_reports", "whatsapp", reports)

    def sender(self) -> str:
        """The sender of its account."""
        return str(
            one(
                self.connection,
                "select sender from public.provider_accounts where id = %s",
                self.account,
            )
        )


def wamid(entry: Mapping[str, Any]) -> str:
    """The id that the provider gives to this attempt."""
    return f"wamid.{entry['entry_id']}.{entry['attempt']}"


def accepted(entries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Results that say the provider took each of them."""
    return [
        {
            "entry_id": entry["entry_id"],
            "attempt": entry["attempt"],
            "outcome": "accepted",
            "provider_message_id": wamid(entry),
            "http_status": 200,
        }
        for entry in entries
    ]


def report(entry: Mapping[str, Any], status: str, sender: str) -> dict[str, Any]:
    """One report about one attempt, as the webhook hands it over."""
    return {
        "app": APP,
        "sender": sender,
        "provider_message_id": wamid(entry),
        "status": status,
        "timestamp": str(int(time.time())),
        "reference": entry["reference"],
        "code": "131026" if status == "failed" else None,
    }


def drift(connection: Connection) -> list[str]:
    """Where a campaign's numbers are not its rows, or out of bounds, at this moment."""
    found = []
    rows = connection.execute(_DRIFT).fetchall()
    for name, status, progress, cost, proven_cost, claimed, counted in rows:
        if claimed != counted:
            found.append(f"{name}: {claimed} counted, {counted} rows")
        if cost != proven_cost:
            found.append(f"{name}: costs {cost}, its attempts {proven_cost}")
        if not 0 <= progress <= 100:
            found.append(f"{name}: progress {progress}")
        settled = sum(counted[1:5])
        if status not in ("draft", "scheduled", "cancelled") and (status == "completed") != (
            settled == counted[0]
        ):
            found.append(f"{name}: {status} with {settled} of {counted[0]} settled")
    return found


def sound(connection: Connection) -> None:
    """Assert that every number is a row, by our own count and by the database's two checks."""
    assert drift(connection) == []
    assert connection.execute("select * from public.verify_invariants()").fetchall() == []
    checked = connection.execute(
        "select name, claims, proves from public.check_campaigns() where not matches"
    ).fetchall()
    assert checked == []
    assert one(connection, "select count(*) from public.check_campaigns()") == one(
        connection, "select count(*) from public.campaigns"
    )


@contextmanager
def watched(database: Database) -> Iterator[None]:
    """Count the rows again and again while the block runs, in a session of its own."""
    over = threading.Event()
    found: list[str] = []
    looks = 0

    def look() -> None:
        nonlocal looks
        with database.connect() as connection:
            while not found:
                found.extend(drift(connection))
                looks += 1
                if over.wait(0.01):
                    break
            # And once more when everything is done.
            found.extend(drift(connection))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    assert found == []
    assert looks > 0


def at_once(*actions: Callable[[], Any]) -> list[Any]:
    """Run these in threads that set out together; what each returned, or the error it raised."""
    together = threading.Barrier(len(actions))
    outcomes: list[Any] = [None] * len(actions)

    def run(place: int) -> None:
        together.wait()
        try:
            outcomes[place] = actions[place]()
        except psycopg.Error as error:
            outcomes[place] = error

    threads = [
        threading.Thread(target=run, args=(place,), daemon=True) for place in range(len(actions))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "an action did not return"
    return outcomes


def make_simulator() -> SimulatorProcess:
    """A simulated provider that accepts at once, and reports to whom it is told to."""
    return SimulatorProcess(app=APP, webhook_retry_first=0.05, webhook_retry_longest=0.5)


@contextmanager
def webhook(database: Database, simulator: SimulatorProcess) -> Iterator[EdgeFunction]:
    """The real webhook over this database, to which the simulator reports from now on."""
    settings = {
        "SENDONCE_DB_URL": database.worker_url,
        "WHATSAPP_APP_SECRET_MAIN": APP_SECRET,
        "WHATSAPP_VERIFY_TOKEN_MAIN": VERIFY_TOKEN,
    }
    with EdgeFunction("delivery-webhook", settings) as function:
        answer = simulator.control.use_webhook(f"{function.url}/whatsapp/{{app}}")
        assert answer["handshake"] == "verified"
        yield function
