"""Asks before what cannot be taken back, and refuses to guess where nobody can be asked."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from sendonce.errors import CommandError

#: The option of every command that asks.
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def confirm(question: str, *, yes: bool) -> None:
    """Return when the answer is yes: given by --yes, or at the terminal.

    Raises CommandError where standard input is no terminal and --yes is missing. A "no" ends the
    command with exit 1, nothing changed.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise CommandError(f"{question} Pass --yes to say so: there is no terminal to ask at")
    try:
        agreed = typer.confirm(question, err=True)
    except typer.Abort:
        typer.echo("sendonce: nothing was changed", err=True)
        raise typer.Exit(130) from None
    if not agreed:
        typer.echo("sendonce: nothing was changed", err=True)
        raise typer.Exit(1)
