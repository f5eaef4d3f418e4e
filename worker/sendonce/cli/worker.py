"""``sendonce worker``: claims, sends and records until it is told to stop."""

from __future__ import annotations

from typing import Annotated

import typer


def worker(
    name: Annotated[
        str | None,
        typer.Option(
            help="What this worker is called in the database (default host name and process id)."
        ),
    ] = None,
    account: Annotated[
        str | None,
        typer.Option(help="Serve only this account (a UUID) (default any that has work)."),
    ] = None,
    batch: Annotated[int | None, typer.Option(help="Entries in one claim (default 100).")] = None,
    concurrency: Annotated[
        int | None, typer.Option(help="Requests in flight at a time (default 64).")
    ] = None,
    request_timeout: Annotated[
        float | None, typer.Option(help="Seconds for one request, reply included (default 15).")
    ] = None,
    database_connections: Annotated[
        int | None, typer.Option(help="Connections to the database, at most (default 8).")
    ] = None,
    start_timeout: Annotated[
        float | None, typer.Option(help="Seconds to wait at start for the database (default 10).")
    ] = None,
    stop_timeout: Annotated[
        float | None, typer.Option(help="Seconds a stop waits for the database (default 30).")
    ] = None,
    whatsapp_url: Annotated[
        str | None, typer.Option(help="The Cloud API (default https://graph.facebook.com/v25.0).")
    ] = None,
    log_format: Annotated[
        str | None, typer.Option(help="console or json (default console).")
    ] = None,
    log_level: Annotated[
        str | None, typer.Option(help="debug, info, warning or error (default info).")
    ] = None,
) -> None:
    """Send what campaigns have ready, until SIGTERM or SIGINT; a second signal stops at once.

    Every flag may be given as an environment variable instead: --batch as SENDONCE_BATCH, --name
    as SENDONCE_WORKER_NAME, --account as SENDONCE_ACCOUNT_ID. The database and the tokens come
    from the environment only: SENDONCE_DATABASE_URL, SENDONCE_WHATSAPP_TOKEN or
    SENDONCE_WHATSAPP_TOKEN_<PHONE_NUMBER_ID>.

    Exit codes: 0 stopped cleanly, 1 stopped with results that could not be recorded (or by a
    second signal), 2 wrong settings or a database that does not fit.
    """
    from sendonce.worker.process import run_worker
    from sendonce.worker.settings import read_settings

    settings = read_settings(
        worker_name=name,
        account_id=account,
        batch=batch,
        concurrency=concurrency,
        request_timeout=request_timeout,
        database_connections=database_connections,
        start_timeout=start_timeout,
        stop_timeout=stop_timeout,
        whatsapp_url=whatsapp_url,
        log_format=log_format,
        log_level=log_level,
    )
    raise typer.Exit(run_worker(settings))


def register(app: typer.Typer) -> None:
    """Add the command ``worker`` to an application."""
    app.command()(worker)
