"""``sendonce demo``: a campaign goes out while its worker is killed, and an audit follows."""

from __future__ import annotations

from typing import Annotated

import typer


def demo(
    contacts: Annotated[int, typer.Option(help="How many contacts.")] = 10_549,
    seed: Annotated[
        int, typer.Option(help="Decides who the contacts are and what goes wrong for whom.")
    ] = 7,
    rate: Annotated[float, typer.Option(help="Messages per second.")] = 300.0,
    no_kill: Annotated[bool, typer.Option("--no-kill", help="Do not kill the worker.")] = False,
    keep: Annotated[
        bool,
        typer.Option("--keep", help="Leave everything running afterwards, until Ctrl-C."),
    ] = False,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print the audit as JSON; everything else to standard error."),
    ] = False,
) -> None:
    """Watch a campaign go out through real processes while its worker is killed twice.

    PostgreSQL, the webhook, a simulated provider and the worker run on this machine for as long as
    the demo does; nothing of them is left. At the end the provider's ledger is compared with the
    database.

    Exit codes: 0 everything is right, 1 the audit found something, 2 wrong settings or something
    that could not be started.
    """
    from sendonce.local.demo.run import run_demo
    from sendonce.local.demo.settings import DemoSettings

    settings = DemoSettings(
        contacts=contacts,
        seed=seed,
        rate=rate,
        kills=not no_kill,
        keep=keep,
        as_json=as_json,
    )
    raise typer.Exit(run_demo(settings))


def register(app: typer.Typer) -> None:
    """Add the command ``demo`` to an application."""
    app.command()(demo)
