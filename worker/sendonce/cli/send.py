"""``sendonce send``: one message outside any campaign."""

from __future__ import annotations

from typing import Annotated

import typer

from sendonce.cli import choose, output
from sendonce.cli.database import Url, call, connected
from sendonce.errors import CommandError


def send(
    recipient: Annotated[str, typer.Argument(help="The number in E.164, such as +15005550006.")],
    variables: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME=VALUE]...", help="The template's variables.", show_default=False
        ),
    ] = None,
    url: Url = None,
    organization: choose.OrganizationOption = None,
    account: choose.AccountOption = None,
    template: choose.TemplateOption = None,
    key: Annotated[
        str | None,
        typer.Option(
            help="Makes the command safe to repeat: the same key never queues a second message.",
            show_default=False,
        ),
    ] = None,
    as_json: output.AsJson = False,
) -> None:
    """Queue one message; a worker sends it.

    Exit codes: 0 queued (or queued before under the same key), 1 withheld because the recipient is
    suppressed, 2 wrong use or refused by the database.
    """
    values = _values(variables or [])
    with connected(url) as connection:
        owner = choose.organization(connection, organization)
        answer = call(
            connection,
            "send_message",
            _organization_id=owner["id"],
            _account_id=choose.account(connection, owner["id"], account)["id"],
            _template_id=choose.template(connection, owner["id"], template)["id"],
            _recipient=recipient,
            _variables=values,
            _idempotency_key=key,
        )
    if as_json:
        output.print_json(answer)
    else:
        screen = output.console()
        if answer["repeated"]:
            screen.print(
                f"This key came before, with the same message: entry {answer['entry_id']} is "
                f"{answer['status']}, and nothing was queued."
            )
        elif answer["status"] == "skipped":
            screen.print(
                f"Entry {answer['entry_id']} is skipped: the recipient is suppressed, and no "
                "message goes out."
            )
        else:
            screen.print(f"Entry {answer['entry_id']} is {answer['status']}: a worker sends it.")
    if answer["status"] == "skipped":
        raise typer.Exit(1)


def _values(given: list[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for pair in given:
        name, separator, value = pair.partition("=")
        if not separator or not name:
            raise CommandError(f"{pair!r} is no variable: write name=value")
        if name in values:
            raise CommandError(f"the variable {name!r} is given twice")
        values[name] = value
    return values


def register(app: typer.Typer) -> None:
    """Add the command ``send`` to an application."""
    app.command("send")(send)
