"""``sendonce install``: into a database, or into a Supabase project."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from psycopg.conninfo import conninfo_to_dict

from sendonce.cli import output
from sendonce.cli.database import URL_VARIABLE, Url, database_url, translated_errors
from sendonce.errors import CommandError


def install(
    url: Url = None,
    into: Annotated[
        Path | None,
        typer.Option(
            "--into",
            help="The folder `supabase` of a Supabase project, the one with config.toml.",
            show_default=False,
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="With --into: replace files of the function that differ."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")
    ] = False,
    as_json: output.AsJson = False,
) -> None:
    """Install the schema into a database, or everything into a Supabase project.

    A database is refused before any change where tables of the same names exist or where Sendonce
    is installed already. A project gets the migration, the edge function delivery-webhook and its
    lines in config.toml; what is there already is left alone, so it may be repeated.
    """
    if url is not None and into is not None:
        raise CommandError("pass --url for a database or --into for a Supabase project, not both")
    if into is not None:
        _into_project(into, force=force, dry_run=dry_run, as_json=as_json)
    elif force:
        raise CommandError("--force is for --into: nothing in a database is ever replaced")
    else:
        _into_database(url, dry_run=dry_run, as_json=as_json)


def _into_database(given: str | None, *, dry_run: bool, as_json: bool) -> None:
    from sendonce.schema.into_database import InstallError, install_schema

    if not given and not os.environ.get(URL_VARIABLE):
        raise CommandError(
            f"where to? Pass --url postgresql://… (or set {URL_VARIABLE}) for a database, "
            "or --into ./supabase for a Supabase project"
        )
    url = database_url(given)
    try:
        with translated_errors():
            install_schema(url, dry_run=dry_run)
    except InstallError as error:
        raise CommandError(" ".join(str(error).split())) from error
    fields = conninfo_to_dict(url)
    name = fields.get("dbname") or fields.get("user") or "of the user's name"
    if as_json:
        output.print_json({"database": name, "installed": not dry_run})
    elif dry_run:
        typer.echo(f"It would go into the database {name}. Nothing was changed.")
    else:
        typer.echo(f"Installed into the database {name}.")
        typer.echo("Next: `sendonce organization create NAME --member USER`.")


def _into_project(project: Path, *, force: bool, dry_run: bool, as_json: bool) -> None:
    from sendonce.schema.into_project import FUNCTION, ProjectError, plan

    try:
        planned = plan(project, force=force)
        if not dry_run:
            planned.carry_out()
    except ProjectError as error:
        raise CommandError(" ".join(str(error).split())) from error
    except OSError as error:
        raise CommandError(
            f"{error.filename or project}: {error.strerror or error}; "
            "once that is put right, the same command does the rest"
        ) from error
    if as_json:
        output.print_json(
            {
                "dry_run": dry_run,
                "written": [str(path) for path in planned.write],
                "unchanged": [str(path) for path in planned.unchanged],
            }
        )
        return
    for path in planned.write:
        typer.echo(f"{'would write' if dry_run else 'wrote'} {path}")
    if not planned.write:
        typer.echo("Nothing to do: everything is there already.")
    elif dry_run:
        typer.echo("Nothing was changed.")
    else:
        typer.echo(
            f"Next: `supabase db push` and `supabase functions deploy {FUNCTION}`; the function's "
            "README.md lists its secrets."
        )


def register(app: typer.Typer) -> None:
    """Add the command ``install`` to an application."""
    app.command("install")(install)
