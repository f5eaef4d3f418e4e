"""The command ``sendonce``: finds the commands and turns known errors into one line and exit 2."""

from __future__ import annotations

import functools
import importlib
import sys
from typing import Annotated

import typer

from sendonce.errors import CommandError

#: Every command, or group of commands, has a file beside this one with a function
#: ``register(app)`` that adds it. In the order in which the help lists them.
COMMANDS = {
    "install": "install",
    "organization": "organization",
    "account": "account",
    "template": "template",
    "campaign": "campaign",
    "import": "import_contacts",
    "send": "send",
    "suppress": "suppress",
    "queue": "queue",
    "unknown": "unknown",
    "errors": "errors",
    "discrepancies": "discrepancies",
    "check": "check",
    "repair": "repair",
    "verify": "verify",
    "doctor": "doctor",
    "worker": "worker",
    "simulator": "simulator",
    "demo": "demo",
}


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("sendonce"))
        raise typer.Exit


def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Message campaigns on PostgreSQL: every contact gets the message once, or visibly not."""


@functools.cache
def application(first_word: str | None = None) -> typer.Typer:
    """The application; with the word that a command line begins with, as much of it as it needs.

    Half of the time that a short command takes would else go into loading the others.
    """
    app = typer.Typer(
        name="sendonce",
        help=_options.__doc__,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
    )
    app.callback()(_options)
    for name, module in COMMANDS.items():
        if first_word not in COMMANDS or name == first_word:
            importlib.import_module(f"sendonce.cli.{module}").register(app)
    return app


def main() -> None:
    """The entry point.

    Exit codes: 0 done, 1 a check found something, 2 wrong use or settings, 130 interrupted (a
    command that has something to say then says it itself).
    """
    try:
        exit_code = application(*sys.argv[1:2])(standalone_mode=False) or 0
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
