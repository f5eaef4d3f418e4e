"""Runs the simulator: one process, one event loop, one port."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys

import structlog
from aiohttp import web

from sendonce.simulator.control import PREFIX, Control
from sendonce.simulator.faults import Faults
from sendonce.simulator.ledger import Ledger
from sendonce.simulator.profiles import SettingsError
from sendonce.simulator.provider import Provider
from sendonce.simulator.send_endpoint import SendEndpoint
from sendonce.simulator.settings import SimulatorSettings

log = structlog.get_logger("sendonce.simulator")

_BACKLOG = 1024

# The event loop itself keeps no task alive.
_tasks: set[asyncio.Task[bytes]] = set()


async def serve(settings: SimulatorSettings, faults: Faults) -> None:
    """Serve until SIGTERM or SIGINT, or until standard input ends where that was asked for.

    Prints the base URL on standard output once requests are taken. Raises SettingsError when the
    port cannot be had or the ledger's file cannot be opened.
    """
    try:
        ledger = Ledger(settings.ledger_file)
    except OSError as error:
        raise SettingsError(
            f"ledger_file: cannot append to {settings.ledger_file}: {error.strerror}"
        ) from error
    provider = Provider(settings, faults, settings.profile, ledger)
    send = SendEndpoint(provider)
    control = Control(provider)

    async def handle(request: web.Request) -> web.StreamResponse:
        if request.path.startswith(PREFIX):
            return await control.handle(request)
        return await send.handle(request)

    app = web.Application(client_max_size=4 * 1024 * 1024)
    app.router.add_route("*", "/{anything:.*}", handle)
    # No time for handlers that stay silent on purpose: nobody waits for them.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        site = web.TCPSite(runner, settings.host, settings.port, backlog=_BACKLOG)
        try:
            await site.start()
        except OSError as error:
            raise SettingsError(
                f"port: cannot listen on {settings.host}:{settings.port}: {error.strerror}"
            ) from error
        await provider.reporter.start()
        # Before anybody hears of this process: from then on a signal must stop it in order.
        stop = await _stop_event(settings.until_stdin_closes)
        port = runner.addresses[0][1]
        # Whoever started this process waits for this line.
        print(f"simulator listening on http://{settings.host}:{port}", flush=True)
        log.info(
            "started",
            profile=settings.profile,
            seed=settings.seed,
            webhook_url=provider.reporter.webhook_url,
        )
        await stop.wait()
        log.info("stopped", pending_reports=provider.reporter.pending)
    finally:
        await provider.reporter.stop()
        await runner.cleanup()
        ledger.close()


async def _stop_event(until_stdin_closes: bool) -> asyncio.Event:
    """An event that is set when the process is told to stop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    if until_stdin_closes:
        stream = asyncio.StreamReader()
        with contextlib.suppress(ValueError):
            await loop.connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(stream), sys.stdin.buffer
            )
            reading = asyncio.create_task(stream.read())
            reading.add_done_callback(lambda _: stop.set())
            _tasks.add(reading)
    return stop
