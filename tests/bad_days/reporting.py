"""The whole way there and back: worker, provider, webhook and database, and a clock to set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from psycopg.types.json import Jsonb

from sendonce.local.deno import EdgeFunction
from sendonce.simulator.process import APP_SECRET, SimulatorProcess
from support.database import Connection, Database
from webhook.provider import APP, OTHER_SECRET, Json, Webhook, change, encoded, envelope
from worker.support import WorkerProcess, Workers, wait_until, workers_for

#: Settings of a worker that needs no long lease and keeps apart what it sends.
QUICK: Final = {"SENDONCE_REQUEST_TIMEOUT": "3", "SENDONCE_CONCURRENCY": "4"}

# The wall clock, moved by what a row says: hours pass in an instant, in this database only.
_CLOCK = """
create table public.moved_clock (by interval not null);
insert into public.moved_clock values ('0');
grant select on public.moved_clock to public;
create or replace function sendonce.now()
returns timestamptz
language plpgsql
volatile
set search_path = ''
as $$
begin
    return pg_catalog.clock_timestamp() + (select m.by from public.moved_clock m);
end;
$$;
"""


@dataclass
class World:
    """One database with everything around it, and the moves of a test."""

    database: Database
    connection: Connection
    simulator: SimulatorProcess
    webhook: Webhook
    workers: Workers
    _senders: int = field(default=0)

    def call(self, function: str, *arguments: Any) -> Any:
        """Call a function of the API as the operator."""
        marks = ", ".join(["%s"] * len(arguments))
        return self.value(f"select public.{function}({marks})", *arguments)

    def value(self, query: str, *parameters: Any) -> Any:
        """The first column of the first row."""
        row = self.connection.execute(query, parameters).fetchone()
        assert row is not None
        return row[0]

    def pass_time(self, interval: str) -> None:
        """Let so much time pass for the database, at once."""
        self.connection.execute("update public.moved_clock set by = by + %s::interval", [interval])

    def account(self, organization: str, *, app: str = APP, **options: Any) -> tuple[str, str]:
        """A sender of its own: its id, and the number that the provider knows it by."""
        self._senders += 1
        sender = f"1065000000{self._senders:05}"
        given = {"app": app, "maximum_rate": None} | options
        account = self.call(
            "upsert_account", organization, "whatsapp", sender, f"Shop {sender}", Jsonb(given)
        )
        return str(account), sender

    def campaign(
        self,
        contacts: int,
        *,
        organization: str | None = None,
        start: bool = True,
        **account_options: Any,
    ) -> Campaign:
        """A running campaign of its own account, to made-up numbers."""
        owner = organization or self.call("create_organization", "Acme")
        account, sender = self.account(owner, **account_options)
        template = self.call(
            "upsert_template", owner, "whatsapp", f"hello_{sender}", "en",
            Jsonb({"category": "UTILITY"}),
        )  # fmt: skip
        campaign = self.call("create_campaign", owner, f"From {sender}", account, template)
        people = [{"recipient": f"+999{sender[-5:]}{number:05}"} for number in range(contacts)]
        self.call("add_recipients", campaign, Jsonb(people))
        if start:
            self.call("start_campaign", campaign)
        return Campaign(self, str(owner), account, sender, str(campaign), contacts)

    def accepted(self) -> Counter[str]:
        """How many messages the provider took for whom: the truth about double sends."""
        return Counter(
            entry["recipient"] for entry in self.simulator.control.ledger(outcome="accepted")
        )

    def nobody_got_two(self) -> None:
        """The provider took at most one message for each person."""
        assert {who: times for who, times in self.accepted().items() if times > 1} == {}

    def sound(self) -> None:
        """Nothing is wrong with the database's own numbers."""
        found = self.connection.execute("select * from public.verify_invariants()").fetchall()
        assert found == []

    def worker(self, **settings: str) -> WorkerProcess:
        """Start a worker process."""
        return self.workers.start(**(QUICK | settings))

    def report_everything(self) -> None:
        """Let the provider tell all it has to tell, and the webhook take it."""
        self.simulator.control.set_faults(reports_held=False)
        assert self.simulator.control.flush_reports()

    def post(self, *reports: tuple[str, Json]) -> None:
        """One POST of the provider: each status with its sender's number, in any order."""
        body = encoded(envelope(*(change([told], sender=sender) for sender, told in reports)))
        answer = self.webhook.post(body, secret=APP_SECRET)
        assert answer.status == 200, answer
        assert answer.json() == {"statuses": len(reports), "other_changes": 0, "unreadable": 0}

    def discrepancies(self) -> list[dict[str, Any]]:
        """What was listed as odd."""
        return [
            row
            for (row,) in self.connection.execute(
                "select to_jsonb(d) from public.discrepancies d order by d.id"
            ).fetchall()
        ]

    def dispositions(self) -> Counter[str]:
        """How many reports were taken, by what became of them."""
        return Counter(
            dict(
                self.connection.execute(
                    "select disposition, count(*) from sendonce.report_log group by 1"
                ).fetchall()
            )
        )


@dataclass(frozen=True)
class Campaign:
    """One campaign and the ways to look at it."""

    world: World
    organization: str
    account: str
    sender: str
    id: str
    size: int

    def states(self) -> Counter[str]:
        """Entries by status, with the reason of those that failed."""
        return Counter(
            dict(
                self.world.connection.execute(
                    "select concat_ws('/', status, case when status = 'failed' then error_class"
                    " end), count(*)"
                    " from public.send_queue where campaign_id = %s group by 1",
                    [self.id],
                ).fetchall()
            )
        )

    def status(self) -> str:
        """The campaign's status."""
        return str(
            self.world.value("select status::text from public.campaigns where id = %s", self.id)
        )

    def counters(self) -> dict[str, Any]:
        """Its row."""
        row: dict[str, Any] = self.world.value(
            "select to_jsonb(c) from public.campaigns c where c.id = %s", self.id
        )
        return row

    def wait_for(self, **states: int) -> None:
        """Wait until so many entries are in these states, and no others in them."""
        wanted = {state.replace("__", "/"): count for state, count in states.items()}
        wait_until(
            lambda: {state: self.states()[state] for state in wanted} == wanted,
            f"{wanted} in campaign {self.id}",
        )

    def attempts(self) -> list[dict[str, Any]]:
        """Its attempts."""
        return [
            row
            for (row,) in self.world.connection.execute(
                "select to_jsonb(m) from public.messages m where m.campaign_id = %s"
                " order by m.entry_id, m.attempt",
                [self.id],
            ).fetchall()
        ]

    def everyone_has_the_message_id_of_the_provider(self) -> None:
        """Each entry's message id is that of the one acceptance in the provider's ledger."""
        ours = dict(
            self.world.connection.execute(
                "select recipient, provider_message_id from public.send_queue"
                " where campaign_id = %s",
                [self.id],
            ).fetchall()
        )
        theirs = {
            entry["recipient"]: entry["provider_message_id"]
            for entry in self.world.simulator.control.ledger(self.id, outcome="accepted")
        }
        assert ours == theirs

    def everyone_sent_is_in_the_ledger_and_nobody_else(self) -> None:
        """The entries that count as sent are those that the provider took, no more and no less."""
        ours = {
            recipient
            for (recipient,) in self.world.connection.execute(
                "select recipient from public.send_queue"
                " where campaign_id = %s and status = 'sent'",
                [self.id],
            ).fetchall()
        }
        theirs = self.world.simulator.control.ledger(self.id, outcome="accepted")
        assert ours == {entry["recipient"] for entry in theirs}


@contextmanager
def open_world(database: Database, simulator: SimulatorProcess) -> Iterator[World]:
    """Start the webhook over the database, let the provider report to it, and end all of it."""
    control = simulator.control
    control.restore_faults()
    control.reset()
    settings: Mapping[str, str] = {
        "SENDONCE_DB_URL": database.worker_url,
        "WHATSAPP_APP_SECRET_MAIN": APP_SECRET,
        "WHATSAPP_VERIFY_TOKEN_MAIN": simulator.verify_token,
        "WHATSAPP_APP_SECRET_SECOND_APP": OTHER_SECRET,
    }
    with (
        database.connect() as connection,
        EdgeFunction("delivery-webhook", settings) as function,
        workers_for(database, simulator.graph_url) as workers,
    ):
        connection.execute(_CLOCK)
        control.use_webhook(f"{function.url}/whatsapp/{{app}}")
        yield World(database, connection, simulator, Webhook("127.0.0.1", function.port), workers)
        # Nothing of this test arrives in the next one.
        control.reset()
