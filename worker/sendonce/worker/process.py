"""One worker process from start to end: checks, signals, exit code."""

from __future__ import annotations

import asyncio
import os
import signal

import structlog
from psycopg.conninfo import conninfo_to_dict

from sendonce.providers.whatsapp import TOKEN_VARIABLE, WhatsAppAdapter
from sendonce.transports.postgres import PostgresTransport
from sendonce.worker.clock import lease_clock
from sendonce.worker.engine import Engine, EngineSettings
from sendonce.worker.logs import set_up_logs
from sendonce.worker.settings import WorkerSettings
from sendonce.worker.startup_checks import check_database, check_environment

EXIT_CLEAN = 0
#: Stopped by a second signal, by a defect, or with results that could not be recorded. Their
#: entries end as unknown: visible, and not sent again.
EXIT_UNRECORDED = 1


def run_worker(settings: WorkerSettings) -> int:
    """Run until a signal. Returns the exit code; raises CommandError if it cannot start."""
    set_up_logs(
        log_format=settings.log_format, level=settings.log_level, secrets=_secrets(settings)
    )
    check_environment(os.environ)
    return asyncio.run(_run(settings))


async def _run(settings: WorkerSettings) -> int:
    log = structlog.get_logger()
    transport = PostgresTransport(settings.database_url, connections=settings.database_connections)
    adapter = WhatsAppAdapter(
        url=settings.whatsapp_url,
        request_timeout=settings.request_timeout,
        connections=settings.concurrency,
        clock=lease_clock,
    )
    try:
        await check_database(transport, settings.worker_name, settings.start_timeout)
        engine = Engine(
            EngineSettings(
                worker_name=settings.worker_name,
                account_id=None if settings.account_id is None else str(settings.account_id),
                batch=settings.batch,
                concurrency=settings.concurrency,
                request_timeout=settings.request_timeout,
                stop_timeout=settings.stop_timeout,
            ),
            transport,
            {"whatsapp": adapter},
        )
        _stop_on_signals(engine)
        log.info(
            "worker.started",
            worker=settings.worker_name,
            process_id=os.getpid(),
            batch=settings.batch,
            concurrency=settings.concurrency,
            request_timeout=settings.request_timeout,
        )
        try:
            unrecorded = await engine.run()
        except Exception:
            # A defect. What was in hand expires: dispatched entries end as unknown, visibly.
            log.exception("worker.crashed", worker=settings.worker_name)
            return EXIT_UNRECORDED
        log.info("worker.stopped", worker=settings.worker_name, unrecorded=unrecorded)
    finally:
        await adapter.close()
        await transport.close()
    return EXIT_UNRECORDED if unrecorded else EXIT_CLEAN


def _stop_on_signals(engine: Engine) -> None:
    """The first SIGTERM or SIGINT stops gracefully, the second one at once."""
    loop = asyncio.get_running_loop()
    stopping = False

    def stop(received: signal.Signals) -> None:
        nonlocal stopping
        if stopping:
            os._exit(EXIT_UNRECORDED)
        stopping = True
        engine.stop(received.name)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)


def _secrets(settings: WorkerSettings) -> list[str]:
    """Values that no log line may hold."""
    tokens = [
        value
        for name, value in os.environ.items()
        if name == TOKEN_VARIABLE or name.startswith(f"{TOKEN_VARIABLE}_")
    ]
    password = conninfo_to_dict(settings.database_url).get("password")
    return [*tokens, str(password)] if password else tokens
