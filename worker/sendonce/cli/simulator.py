"""``sendonce simulator``: the command line of the simulator.

Its flags are the fields of the simulator's settings and faults, so that a flag, an environment
variable, a line of a profile file and a name in the control API are always the same word.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

ENVIRONMENT_PREFIX = "SENDONCE_SIMULATOR_"

# From the environment only: a flag shows in the list of processes.
_SECRETS = ("token", "app_secret", "verify_token")
# The words used on a command line, where the field's name is a plural.
_FLAGS = {"errors": "--error", "report_errors": "--report-error"}
# Flags that may be given several times, and what each takes.
_REPEATED: Mapping[str, str] = {
    "errors": "CODE=RATE",
    "report_errors": "CODE=RATE",
    "fail_recipients": "OUTCOME=WHO",
    "fail_reports": "CODE=WHO",
    "template": "NAME:LANGUAGE:PARAMETERS",
    "phone_number_id": "ID",
}


def run(given: Mapping[str, Any]) -> int:
    """Run the simulator with what flags and environment gave; the exit code.

    ``given`` maps field names to texts, lists of texts or booleans; None and empty lists count
    as not given. Wrong settings print one line on standard error and return 2.
    """
    from sendonce.simulator.faults import Faults
    from sendonce.simulator.profiles import SettingsError, make_faults, one_line, profile_values
    from sendonce.simulator.server import serve
    from sendonce.simulator.settings import SimulatorSettings

    chosen = {name: value for name, value in given.items() if value is not None and value != []}
    for name in _SECRETS:
        secret = os.environ.get(ENVIRONMENT_PREFIX + name.upper())
        if secret:
            chosen[name] = secret
    try:
        try:
            settings = SimulatorSettings.model_validate(
                {n: v for n, v in chosen.items() if n in SimulatorSettings.model_fields}
            )
        except ValidationError as error:
            raise SettingsError(one_line(error)) from error
        faults = make_faults(
            profile_values(settings.profile)
            | {n: v for n, v in chosen.items() if n in Faults.model_fields}
        )
        _log_to_stderr()
        asyncio.run(serve(settings, faults))
    except SettingsError as error:
        print(f"sendonce: simulator: {error}", file=sys.stderr)
        return 2
    return 0


def _log_to_stderr() -> None:
    """Standard output carries the address and nothing else."""
    import structlog

    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def _options(model: type[BaseModel], panel: str) -> list[inspect.Parameter]:
    """One command line option for each field of a settings model, secrets excepted."""
    options = []
    for name, field in model.model_fields.items():
        if name in _SECRETS:
            continue
        flag = _FLAGS.get(name, "--" + name.replace("_", "-"))
        variable = ENVIRONMENT_PREFIX + flag[2:].replace("-", "_").upper()
        annotation: Any = str | None
        default: Any = None
        if field.annotation is bool:
            annotation = bool | None
            flag += "/--no-" + flag[2:]
        elif name in _REPEATED:
            annotation, default = list[str], []
        words = field.description or ""
        if field.default_factory is None and field.default not in (None, (), False):
            words += (
                f" (default {field.default:g})"
                if _is_number(field)
                else (f" (default {field.default})")
            )
        option = typer.Option(
            flag,
            envvar=variable,
            help=words,
            metavar=_REPEATED.get(name) or (None if field.annotation is bool else "VALUE"),
            rich_help_panel=panel,
            show_default=False,
            show_envvar=False,
        )
        options.append(
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=default,
                annotation=Annotated[annotation, option],
            )
        )
    return options


def _is_number(field: FieldInfo) -> bool:
    return isinstance(field.default, float)


def register(app: typer.Typer) -> None:
    """Add the command ``simulator`` to an application."""
    from sendonce.simulator.faults import Faults
    from sendonce.simulator.settings import SimulatorSettings

    def simulator(**given: Any) -> None:
        raise typer.Exit(run(given))

    parameters = [
        *_options(SimulatorSettings, "Process"),
        *_options(Faults, "Faults, and how often: rates are shares of messages from 0 to 1"),
    ]
    simulator.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    simulator.__annotations__ = {p.name: p.annotation for p in parameters}
    app.command("simulator", help=_HELP)(simulator)


_HELP = """Simulate the WhatsApp Cloud API: take messages, report on them, go wrong as told.

Every flag can also be set as SENDONCE_SIMULATOR_NAME. The secrets come from the environment only:
SENDONCE_SIMULATOR_TOKEN, SENDONCE_SIMULATOR_APP_SECRET, SENDONCE_SIMULATOR_VERIFY_TOKEN.
"""
