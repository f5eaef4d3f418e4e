"""``sendonce errors``: what the providers' error codes mean here, and the changing of it."""

from __future__ import annotations

from typing import Annotated, LiteralString

import typer

from sendonce.cli import output
from sendonce.cli.database import Connection, Row, Url, call, connected

commands = typer.Typer(
    no_args_is_help=True, help="What the providers' error codes mean here, and what each does."
)

Provider = Annotated[
    str, typer.Argument(metavar="PROVIDER", help="whatsapp or twilio.", show_default=False)
]
Code = Annotated[
    str,
    typer.Argument(
        metavar="CODE",
        help="As the provider writes it; http_429 is HTTP 429 without a code.",
        show_default=False,
    ),
]
Class = Annotated[
    str,
    typer.Argument(
        metavar="CLASS",
        help="As `sendonce errors classes` lists them; none takes the code off the list.",
        show_default=False,
    ),
]

_CODES: LiteralString = """
    select e.provider, e.code, e.class, c.meaning
    from public.provider_errors e
    join public.error_classes c on c.class = e.class
    order by e.provider, e.class, length(e.code), e.code
"""
_CLASSES: LiteralString = "select * from public.error_classes order by class"
#: What a class does beyond its entry, and how the table says it.
_EFFECTS = (
    ("slows_account", "slows the account"),
    ("rests_account", "rests the account, several in a row"),
    ("pauses_account", "pauses the account"),
    ("stops_template", "stops the template"),
    ("suppresses_recipient", "suppresses the recipient"),
)


@commands.command("list")
def list_codes(
    url: Url = None,
    provider: Annotated[
        str | None, typer.Option(help="Only the codes of one provider.", show_default=False)
    ] = None,
    error_class: Annotated[
        str | None, typer.Option("--class", help="Only those of one class.", show_default=False)
    ] = None,
    as_json: output.AsJson = False,
) -> None:
    """Every code with its class. A code that is not listed fails its entry as unlisted."""
    with connected(url) as connection:
        found = [
            row
            for row in connection.execute(_CODES).fetchall()
            if (provider is None or row["provider"] == provider)
            and (error_class is None or row["class"] == error_class)
        ]
    if as_json:
        output.print_json(found)
        return
    screen = output.console()
    if not found:
        screen.print("no such code is listed")
        return
    screen.print(
        output.table(
            ("provider", "code", "class", "meaning"),
            ((row["provider"], row["code"], row["class"], row["meaning"]) for row in found),
            right=("code",),
        )
    )


@commands.command("classes")
def list_classes(url: Url = None, as_json: output.AsJson = False) -> None:
    """What each class does to the entry, and beyond it."""
    with connected(url) as connection:
        found = connection.execute(_CLASSES).fetchall()
    if as_json:
        output.print_json(found)
        return
    output.console().print(
        output.table(
            ("class", "the entry", "tries", "waits", "beyond the entry", "meaning"),
            (
                (
                    row["class"],
                    row["moves_to"],
                    str(row["most_tries"]) if row["counts_as_try"] else "",
                    str(row["first_wait"]) if row["first_wait"] else "",
                    ", ".join(words for column, words in _EFFECTS if row[column]),
                    row["meaning"],
                )
                for row in found
            ),
            right=("tries", "waits"),
        )
    )


@commands.command("set")
def set_code(
    provider: Provider,
    code: Code,
    error_class: Class,
    url: Url = None,
    as_json: output.AsJson = False,
) -> None:
    """Give a code its class, from the next result or report on, for all organizations."""
    with connected(url) as connection:
        before = _class_of(connection, provider, code)
        call(
            connection,
            "set_provider_error",
            _provider=provider,
            _code=code,
            _class=None if error_class == "none" else error_class,
        )
        after = _class_of(connection, provider, code)
    if as_json:
        output.print_json({"provider": provider, "code": code, "before": before, "class": after})
        return
    was = "" if before == after else f" (it was {before or 'unlisted'})"
    typer.echo(f"{provider} {code} is {after or 'unlisted'}{was}.")


def _class_of(connection: Connection, provider: str, code: str) -> str | None:
    found: Row | None = connection.execute(
        "select class from public.provider_errors where provider = %s and code = %s",
        [provider, code],
    ).fetchone()
    return None if found is None else str(found["class"])


def register(app: typer.Typer) -> None:
    """Add the group ``errors`` to an application."""
    app.add_typer(commands, name="errors")
