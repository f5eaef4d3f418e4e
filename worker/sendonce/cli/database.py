"""How the commands for people enter the database, and how they tell its refusals.

Everything they do is a call of a function in schema public, so a command can do no more than the
function lets its caller do.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, cast

import psycopg
import typer
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from sendonce.errors import CommandError

URL_VARIABLE = "SENDONCE_DATABASE_URL"

#: The option that every command for people has.
Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        help=f"The database (default {URL_VARIABLE}). A password is better in the environment: "
        "other users of the machine can read a command line.",
        show_default=False,
    ),
]

Row = dict[str, Any]
Connection = psycopg.Connection[Row]

#: What can be said about a connection that the URL does not say.
_DEFAULTS = {"application_name": "sendonce", "connect_timeout": "10"}


def database_url(given: str | None) -> str:
    """The URL of the flag or of the environment. Raises CommandError where there is none."""
    url = given or os.environ.get(URL_VARIABLE)
    where = "--url" if given else URL_VARIABLE
    if not url:
        raise CommandError(f"no database: set {URL_VARIABLE}, or pass --url postgresql://…")
    try:
        conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # Never the value: it holds a password.
        raise CommandError(f"{where} is not a PostgreSQL connection URL") from None
    return url


@contextmanager
def connected(given: str | None) -> Iterator[Connection]:
    """A connection in autocommit mode whose rows are dictionaries.

    Works through a transaction pooler. Raises CommandError, one line, for whatever the database
    refuses inside the block: the message, its detail, its hint and the SQLSTATE.
    """
    url = database_url(given)
    fields = conninfo_to_dict(url)
    conninfo = make_conninfo(url, **{k: v for k, v in _DEFAULTS.items() if k not in fields})
    with translated_errors():
        # A transaction pooler hands each transaction to another server connection, where what an
        # earlier one prepared does not exist.
        connection = psycopg.connect(
            conninfo, autocommit=True, prepare_threshold=None, row_factory=dict_row
        )
        with connection:
            yield connection


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn psycopg's errors into CommandError."""
    try:
        yield
    except psycopg.Error as error:
        raise CommandError(explanation(error)) from error


def explanation(error: psycopg.Error) -> str:
    """One line: message, detail, hint and SQLSTATE."""
    diagnosis = error.diag
    if error.sqlstate is None:
        # libpq writes one line for each address that it has tried.
        said = "; ".join(line.strip() for line in str(error).splitlines() if line.strip())
        return f"the database cannot be reached: {said}"
    words = [diagnosis.message_primary, diagnosis.message_detail, diagnosis.message_hint]
    if error.sqlstate in ("42883", "3F000", "42P01") and not diagnosis.message_detail:
        words[2] = "Is Sendonce installed in this database? `sendonce doctor` tells more"
    if error.sqlstate == "42501" and not diagnosis.message_hint:
        words[2] = "Connect as the owner of the schema (on Supabase: postgres)"
    said = ". ".join(" ".join(word.split()).rstrip(".") for word in words if word)
    return f"{said} [{error.sqlstate}]"


def call(connection: Connection, function: str, **arguments: Any) -> Any:
    """Call a function of schema public that returns one value, by named arguments.

    Dictionaries and lists of dictionaries go as jsonb; other lists as arrays.
    """
    cursor = connection.execute(
        _statement("select {} as value", function, arguments), arguments_of(arguments)
    )
    return cast("Row", cursor.fetchone())["value"]


def rows(connection: Connection, function: str, **arguments: Any) -> list[Row]:
    """Call a function of schema public that returns a set."""
    return connection.execute(
        _statement("select * from {}", function, arguments), arguments_of(arguments)
    ).fetchall()


#: What one call may return at most: an API cuts there.
LARGEST_PAGE = 1000


def pages(
    connection: Connection,
    function: str,
    key: str,
    *,
    after: Any,
    limit: int | None = None,
    **arguments: Any,
) -> Iterator[Row]:
    """All rows of a function that returns them in pages, read as they are asked for.

    ``key`` names the column of which the last value is the next page's ``_after``; ``after`` is
    the first page's. At most ``limit`` rows.
    """
    left = limit
    while left is None or left > 0:
        size = LARGEST_PAGE if left is None else min(LARGEST_PAGE, left)
        page = rows(connection, function, **arguments, _after=after, _limit=size)
        yield from page
        if len(page) < size:
            return
        after = page[-1][key]
        left = None if left is None else left - size


def arguments_of(arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments as psycopg is to send them."""
    return {
        name: Jsonb(value)
        if isinstance(value, dict)
        or (isinstance(value, list) and all(isinstance(item, dict) for item in value))
        else value
        for name, value in arguments.items()
    }


def _statement(form: str, function: str, arguments: dict[str, Any]) -> sql.Composed:
    return sql.SQL(form).format(
        sql.SQL("public.{}({})").format(
            sql.Identifier(function),
            sql.SQL(", ").join(
                sql.SQL("{} => {}").format(sql.Identifier(name), sql.Placeholder(name))
                for name in arguments
            ),
        )
    )
