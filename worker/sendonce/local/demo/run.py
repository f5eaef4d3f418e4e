"""The whole demo, from the first process to the verdict."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from rich.console import Console
from rich.text import Text

from sendonce.errors import CommandError
from sendonce.local.demo.audit import Audit, audit
from sendonce.local.demo.campaign import Campaign
from sendonce.local.demo.contacts import make_contacts
from sendonce.local.demo.evidence import read_evidence
from sendonce.local.demo.layout import hanging
from sendonce.local.demo.live_view import LiveView
from sendonce.local.demo.processes import Processes, interruptible
from sendonce.local.demo.report import print_audit
from sendonce.local.demo.scenario import Kill, StuckError, send_campaign
from sendonce.local.demo.settings import (
    CURRENCY,
    FAILING_CODE,
    FAULTS,
    LEASE,
    PRICES,
    UNKNOWN_WINDOW,
    DemoSettings,
)
from sendonce.local.demo.stack import Database, Simulator, Worker, edge_function
from sendonce.local.deno import DenoError, EdgeFunction
from sendonce.local.postgres import LocalPostgresError
from sendonce.local.postgres_sources import NoPostgresError
from sendonce.schema.into_database import InstallError

EXIT_FINE = 0
EXIT_FOUND_SOMETHING = 1

_WIDTH_WITHOUT_TERMINAL = 110
#: Seconds that the last reports get to arrive.
_LAST_REPORTS = 60
#: Seconds within which a worker notices that a claim has run out, and then some.
_SWEEP = 5.0


def run_demo(settings: DemoSettings) -> int:
    """Run it. Returns 0, or 1 when the audit found something.

    Raises CommandError where something could not be started, KeyboardInterrupt on Ctrl-C. Either
    way nothing of it is left, but the logs where something went wrong.
    """
    # The JSON has standard output for itself.
    console = Console(stderr=settings.as_json)
    if not console.is_terminal:
        console = Console(stderr=settings.as_json, width=_WIDTH_WITHOUT_TERMINAL)
    with interruptible(), _log_directory() as logs:
        try:
            with Processes() as processes:
                try:
                    return _Demo(settings, console, processes, logs).run()
                except KeyboardInterrupt:
                    print("\nsendonce: stopping and removing everything", file=sys.stderr)
                    raise
        except (
            DenoError,
            InstallError,
            LocalPostgresError,
            NoPostgresError,
            psycopg.Error,
            RuntimeError,
        ) as error:
            code = EXIT_FOUND_SOMETHING if isinstance(error, StuckError) else 2
            raise CommandError(f"the demo came to an end: {error}", exit_code=code) from error


@contextmanager
def _log_directory() -> Iterator[Path]:
    """A directory for logs that is removed unless something goes wrong."""
    logs = Path(tempfile.mkdtemp(prefix="sendonce-demo-"))
    keep = False
    try:
        yield logs
        keep = (logs / _AUDIT_FILE).exists()
    except KeyboardInterrupt:
        raise
    except BaseException:
        keep = True
        raise
    finally:
        if keep:
            print(f"sendonce: the logs of all processes are in {logs}", file=sys.stderr)
        else:
            shutil.rmtree(logs, ignore_errors=True)


#: Written where the audit found something, beside the logs.
_AUDIT_FILE = "audit.json"


class _Demo:
    def __init__(
        self, settings: DemoSettings, console: Console, processes: Processes, logs: Path
    ) -> None:
        self._settings = settings
        self._console = console
        self._processes = processes
        self._logs = logs
        self._began = time.monotonic()
        self._contacts = make_contacts(settings)

    def run(self) -> int:
        self._introduce()
        self._set_up()
        with psycopg.connect(self._database.owner_url, autocommit=True) as connection:
            self._campaign = Campaign(connection, self._settings)
            self._import()
            kills, sending = self._send()
            self._wait_for_reports()
            result = self._audit(kills)
            code = self._conclude(result, sending)
            if self._settings.keep:
                self._stay()
        return code

    # What is said

    def _introduce(self) -> None:
        settings, say = self._settings, self._console.print
        say(Text("Sendonce demo", style="bold"))
        say(
            Text(
                f"A campaign to {settings.contacts:,} made-up contacts, through real processes on "
                "this machine: PostgreSQL, the worker, the webhook under Deno, and a simulated "
                "WhatsApp provider that behaves badly."
            )
        )
        say()
        facts = [
            ("seed", f"{settings.seed}: the same seed, the same contacts and the same faults"),
            (
                "rate",
                f"{settings.rate:g} messages/s for this sender, so about "
                f"{settings.contacts / settings.rate:.0f} s of sending",
            ),
            (
                "lease",
                f"{LEASE:g} s (60 s by default): how long a worker may hold contacts without a "
                "sign of life",
            ),
            (
                "unknown window",
                f"{UNKNOWN_WINDOW:g} s (10 min by default): how long an unknown outcome waits for "
                "the provider's report",
            ),
            (
                "refused",
                f"{settings.failing} contacts, with the provider's error {FAILING_CODE}; "
                f"{settings.opted_out} more have opted out before",
            ),
            (
                "replies",
                f"{_share('cut_after_acceptance', 'silence_after_acceptance')} lost and "
                f"{_share('truncated_reply', 'server_error_after_acceptance')} unreadable "
                "although the message was accepted, "
                f"{_share('cut_after_body')} lost together with the message, "
                f'{_percent(FAULTS["errors"][131016])} "not now"',
            ),
            (
                "reports",
                f"{_share('report_duplicated')} of the messages told {FAULTS['report_copies']} "
                f"times, {_share('report_reordered')} in the wrong order, "
                f"{_share('report_early')} before the reply, "
                f"{_share('report_late')} late by {FAULTS['report_late_seconds']:g} s; "
                f"{_share('report_lost')} of all reports lost",
            ),
            (
                "prices",
                ", ".join(f"{prefix}… {rate} {CURRENCY}" for prefix, rate in PRICES.items())
                + " a delivered message",
            ),
            (
                "kills",
                " and ".join(f"at {_percent(share)}" for share in settings.kill_at)
                + ": SIGKILL to the worker, then a new one with the same name"
                if settings.kills
                else "none",
            ),
        ]
        for name, text in facts:
            say(hanging(name, text, 14))
        say()

    def _step(self, what: str, since: float) -> None:
        self._console.print(hanging(f"{time.monotonic() - since:5.1f} s", what, 7))

    # What is done

    def _set_up(self) -> None:
        self._console.print(Text("Set-up", style="bold"))
        failing = self._logs / "failing.txt"
        failing.write_text("\n".join(sorted(self._contacts.failing)) + "\n", encoding="utf-8")
        self._database = Database(self._logs)
        self._simulator = Simulator(self._settings, failing, FAILING_CODE, self._logs)

        since = time.monotonic()
        database = self._processes.begin(self._database)
        simulator = self._processes.begin(self._simulator)
        database.result()
        version = self._database.postgres.installation
        self._step(
            f"PostgreSQL {version.version} ({version.kind}, fsync on), schema installed, a login "
            "for each program",
            since,
        )

        since = time.monotonic()
        provider = self._simulator.process
        self._webhook: EdgeFunction = edge_function(
            self._database.url_of("webhook"),
            provider.app_secret,
            provider.verify_token,
            self._logs,
        )
        webhook = self._processes.begin(self._webhook)
        simulator.result()
        webhook.result()
        self._simulator.report_to(f"{self._webhook.url}/whatsapp/{{app}}")
        self._step("webhook under Deno, simulated provider, their handshake", since)

        since = time.monotonic()
        self._worker = Worker(
            self._database.url_of("worker"), provider.graph_url, provider.token, self._logs
        )
        self._processes.start(self._worker)
        self._step(f"worker (process {self._worker.process_id})", since)

    def _import(self) -> None:
        since = time.monotonic()
        self._campaign.create()
        self._campaign.fill(self._contacts, lambda count: None)
        progress = self._campaign.progress()
        self._step(
            f"campaign with {progress.total:,} contacts imported, estimated cost "
            f"{progress['estimated_cost']:,.2f} {progress['currency']}",
            since,
        )
        self._console.print()

    def _send(self) -> tuple[list[Kill], float]:
        self._console.print(Text("Sending", style="bold"))
        since = time.monotonic()
        self._campaign.start()
        with LiveView(self._console, since) as view:
            kills = send_campaign(
                self._campaign,
                self._worker,
                lambda: self._processes.restart(self._worker),
                view,
                self._settings,
                self._ended_programs,
            )
        missed = len(self._settings.kill_at) - len(kills)
        if missed:
            self._console.print(f"  the campaign was over before {missed} of the kills")
        return kills, time.monotonic() - since

    def _ended_programs(self) -> list[str]:
        running = {
            "PostgreSQL": self._database.postgres.running,
            "the webhook": self._webhook.running,
            "the simulated provider": _is_alive(self._simulator.process.pid),
        }
        return [name for name, is_running in running.items() if not is_running]

    def _wait_for_reports(self) -> None:
        since = time.monotonic()
        control = self._simulator.process.control
        pending = control.statistics()["reports"]["pending"]
        if not control.flush_reports(_LAST_REPORTS):
            raise StuckError("the webhook did not take the last reports; see its log")
        # Reports may settle everybody before the claim of a dead worker runs out. One that stays
        # open for longer is for the audit to find.
        end = time.monotonic() + LEASE + _SWEEP
        while self._campaign.open_claims() and time.monotonic() < end:
            time.sleep(0.1)
        self._step(f"completed; the last {pending:,} reports have arrived", since)
        self._console.print()

    def _audit(self, kills: list[Kill]) -> Audit:
        if not self._settings.keep:
            code = self._worker.stop()
            if code != 0:
                raise StuckError(f"the worker did not end cleanly (exit code {code}); see its log")
        since = time.monotonic()
        evidence = read_evidence(
            self._campaign,
            self._simulator.process.control,
            self._contacts,
            FAILING_CODE,
            kills,
            seed=self._settings.seed,
            faults=FAULTS,
            unknown_window=UNKNOWN_WINDOW,
        )
        result = audit(evidence)
        self._console.print(
            Text("Audit", style="bold").append(
                "  the provider's ledger against the database "
                f"({len(evidence.requests):,} requests, {len(evidence.entries):,} rows, "
                f"{time.monotonic() - since:.1f} s)\n",
                style="dim",
            )
        )
        print_audit(self._console, result)
        return result

    def _conclude(self, result: Audit, sending: float) -> int:
        total = time.monotonic() - self._began
        timing = f"{total:.0f} s in all, {sending:.0f} s of them sending"
        if self._settings.as_json:
            document = {
                "contacts": self._settings.contacts,
                "seed": self._settings.seed,
                "rate": self._settings.rate,
                "lease_seconds": LEASE,
                "unknown_window_seconds": UNKNOWN_WINDOW,
                "seconds": round(total, 1),
                "seconds_sending": round(sending, 1),
                **result.to_json(),
            }
            print(json.dumps(document, indent=2))
        if not result.findings:
            self._console.print(
                Text(
                    f"Nobody got it twice, nobody is missing, every number is right. {timing}.",
                    style="bold green",
                )
            )
            return EXIT_FINE
        (self._logs / _AUDIT_FILE).write_text(
            json.dumps(result.to_json(), indent=2), encoding="utf-8"
        )
        self._console.print(Text(f"{timing}."))
        print(
            f"sendonce: the audit found {len(result.findings)}: {result.findings[0]}",
            file=sys.stderr,
        )
        return EXIT_FOUND_SOMETHING

    def _stay(self) -> None:
        """Leave everything running until somebody has seen enough."""
        say = self._console.print
        psql = self._database.postgres.installation.programs / "psql"
        campaign = self._campaign.campaign_id
        say()
        say(Text("Everything is still running. Ctrl-C ends it and removes it.", style="bold"))
        for name, text in (
            ("database", f"{psql} '{self._database.owner_url}'"),
            ("", f"select jsonb_pretty(campaign_progress('{campaign}'));"),
            ("", f"select jsonb_pretty(failure_breakdown('{campaign}'));"),
            ("", "select * from verify_invariants();"),
            ("provider", f"curl -s {self._simulator.process.base_url}/_simulator/statistics"),
            ("", f"curl -s '{self._simulator.process.base_url}/_simulator/ledger?limit=3'"),
            ("webhook", f"{self._webhook.url}/whatsapp/demo"),
            ("logs", str(self._logs)),
        ):
            say(
                Text(f"  {name:<10}", style="dim").append(text, style="default"),
                soft_wrap=True,
                highlight=False,
            )
        try:
            while True:
                time.sleep(1)
        except KeyboardInterrupt:
            say()


def _share(*faults: str) -> str:
    return _percent(sum(FAULTS[name] for name in faults))


def _percent(share: float) -> str:
    return f"{share * 100:.3g} %"


def _is_alive(process_id: int) -> bool:
    # A zombie, which a dead child is until its parent looks, has no command line.
    try:
        return bool(Path(f"/proc/{process_id}/cmdline").read_bytes())
    except FileNotFoundError:
        return not Path("/proc/self").exists()
