"""The command ``sendonce``: finds the commands and turns known errors into one line and exit 2."""

from __future__ import annotations

import importlib
import sys
from typing import Annotated

import typer

from sendonce.errors import CommandError

#: Every command, or group of commands, has a file beside this one with a function
#: ``register(app)`` that adds it. In the order in which the help lists them.
COMMANDS = (
    "install",
    "organization",
    "account",
    "template",
    "campaign",
    "import_contacts",
    "send",
    "suppress",
    "queue",
    "unknown",
    "errors",
    "discrepancies",
    "check",
    "repair",
    "verify",
    "doctor",
    "worker",
    "simulator",
    "demo",
)

app = typer.Typer(
    name="sendonce",
    help="Message campaigns on PostgreSQL: every contact gets the message once, or visibly not.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("sendonce"))
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Message campaigns on PostgreSQL: every contact gets the message once, or visibly not."""


def _register_commands() -> None:
    for name in COMMANDS:
        importlib.import_module(f"sendonce.cli.{name}").register(app)


_register_commands()


def main() -> None:
    """The entry point.

    Exit codes: 0 done, 1 a check found something, 2 wrong use or settings, 130 interrupted (a
    command that has something to say then says it itself).
    """
    try:
        exit_code = app(standalone_mode=False) or 0
    except CommandError as error:
        _fail(str(error), error.exit_code)
    except typer.Abort:
        # Ctrl-C, or the end of the input, at a question.
        sys.stderr.write("sendonce: interrupted\n")
        sys.exit(130)
    except Exception as error:
        # typer's own errors about the command line; everything else is a defect and keeps its
        # traceback.
        format_message = getattr(error, "format_message", None)
        if format_message is None:
            raise
        _fail(format_message(), 2)
    else:
        sys.exit(exit_code)


def _fail(message: str, exit_code: int) -> None:
    for line in message.splitlines():
        sys.stderr.write(f"sendonce: {line}\n")
    sys.exit(exit_code)


if __name__ == "__main__":
    main()
