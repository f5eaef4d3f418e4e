"""``sendonce account``: the sender identities at the providers, their limits and their pauses."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, LiteralString
from uuid import UUID

import typer

from sendonce.cli import choose, output
from sendonce.cli.database import Connection, Row, Url, call, connected
from sendonce.errors import CommandError

commands = typer.Typer(no_args_is_help=True, help="Sender identities at the providers.")

#: Everything a person may want to know of an account, in this order.
_QUERY: LiteralString = (
    "select a.id, a.organization_id, a.name, a.provider, a.sender, a.app, a.currency,"
    " a.maximum_rate, a.current_rate, a.lease::text as lease,"
    " a.longest_claim::text as longest_claim, a.unknown_window::text as unknown_window,"
    " a.on_unknown, g.name as limit_group, g.daily_recipients, a.paused_at, a.pause_reason,"
    " a.resting_until, a.rest_reason, a.created_at"
    " from public.provider_accounts a left join public.limit_groups g on g.id = a.limit_group_id"
)

ChosenAccount = Annotated[
    str | None,
    typer.Argument(
        metavar="[ACCOUNT]",
        help="Its name, sender or id; needed only where there are several.",
        show_default=False,
    ),
]


@commands.command("set")
def set_account(
    sender: Annotated[
        str,
        typer.Argument(
            help="The WhatsApp phone number id or the Twilio number.", show_default=False
        ),
    ],
    name: Annotated[
        str | None, typer.Option("--name", help="What people call it.", show_default=False)
    ] = None,
    provider: Annotated[
        str | None,
        typer.Option("--provider", help="Who carries it: whatsapp or twilio.", show_default=False),
    ] = None,
    currency: Annotated[
        str | None,
        typer.Option("--currency", help="Of its prices (ISO 4217).", show_default=False),
    ] = None,
    maximum_rate: Annotated[
        str | None,
        typer.Option(
            "--maximum-rate", help="Messages a second, or none for no limit.", show_default=False
        ),
    ] = None,
    app: Annotated[
        str | None,
        typer.Option(
            "--app",
            help="Whose secret signs its reports: the last part of the webhook's address.",
            show_default=False,
        ),
    ] = None,
    lease: Annotated[
        str | None,
        typer.Option(
            "--lease",
            help="How long a worker holds a batch without renewing, such as '60 seconds'.",
            show_default=False,
        ),
    ] = None,
    longest_claim: Annotated[
        str | None,
        typer.Option(
            "--longest-claim", help="How long at most, such as '15 minutes'.", show_default=False
        ),
    ] = None,
    unknown_window: Annotated[
        str | None,
        typer.Option(
            "--unknown-window",
            help="How long an unknown outcome waits for a report, such as '10 minutes'.",
            show_default=False,
        ),
    ] = None,
    on_unknown: Annotated[
        str | None,
        typer.Option(
            "--on-unknown",
            help="What becomes of it then: fail, or hold for a person.",
            show_default=False,
        ),
    ] = None,
    limit_group: Annotated[
        str | None,
        typer.Option(
            "--limit-group",
            help="The accounts with which it shares a cap, made where it is new; or none.",
            show_default=False,
        ),
    ] = None,
    daily_recipients: Annotated[
        str | None,
        typer.Option(
            "--daily-recipients",
            help="The group's cap: people within 24 hours, or none for no cap.",
            show_default=False,
        ),
    ] = None,
    url: Url = None,
    organization: choose.OrganizationOption = None,
    as_json: output.AsJson = False,
) -> None:
    """Make the account of a sender, or change what is given of it; the rest stays.

    A new one needs --provider and --name. Prints the id.
    """
    options = given_options(
        app=app,
        currency=None if currency is None else currency.upper(),
        lease=lease,
        longest_claim=longest_claim,
        unknown_window=unknown_window,
        on_unknown=on_unknown,
    )
    if limit_group is not None:
        options["limit_group"] = None if limit_group.lower() == "none" else limit_group
    if maximum_rate is not None:
        options["maximum_rate"] = _number("--maximum-rate", maximum_rate)
    if daily_recipients is not None:
        options["daily_recipients"] = _number("--daily-recipients", daily_recipients, whole=True)
    with connected(url) as connection, connection.transaction():
        owner = choose.organization(connection, organization)
        before = _known(connection, owner["id"], sender, provider)
        carrier = provider or (before and before["provider"])
        called = name if name is not None else before and before["name"]
        if carrier is None or called is None:
            raise CommandError(
                f"there is no account with the sender {sender!r} yet: "
                "a new one needs --provider and --name"
            )
        account_id = call(
            connection,
            "upsert_account",
            _organization_id=owner["id"],
            _provider=carrier,
            _sender=sender,
            _name=called,
            _options=options,
        )
        after = _of_id(connection, account_id)
    if as_json:
        output.print_json(after)
    else:
        typer.echo(account_id)


@commands.command("list")
def list_accounts(
    url: Url = None,
    organization: choose.OrganizationOption = None,
    as_json: output.AsJson = False,
) -> None:
    """List the accounts of the organization and whether they send."""
    with connected(url) as connection:
        owner = choose.organization(connection, organization)
        found = connection.execute(
            _QUERY + " where a.organization_id = %s order by a.name, a.id",
            [owner["id"]],
        ).fetchall()
    if as_json:
        output.print_json(found)
        return
    if not found:
        typer.echo("No account yet: `sendonce account set SENDER` makes one.")
        return
    output.console().print(
        output.table(
            ("account", "provider", "sender", "rate/s", "of at most", "state"),
            (
                (
                    row["name"],
                    row["provider"],
                    row["sender"],
                    _rate(row["current_rate"]),
                    _rate(row["maximum_rate"]),
                    state(row),
                )
                for row in found
            ),
            right=("rate/s", "of at most"),
        )
    )


@commands.command("show")
def show(
    account: ChosenAccount = None,
    url: Url = None,
    organization: choose.OrganizationOption = None,
    as_json: output.AsJson = False,
) -> None:
    """Show everything about one account."""
    with connected(url) as connection:
        owner = choose.organization(connection, organization)
        row = _of_id(connection, choose.account(connection, owner["id"], account)["id"])
    if as_json:
        output.print_json(row)
        return
    group = row["limit_group"]
    if group is not None and row["daily_recipients"] is not None:
        group = f"{group}, {row['daily_recipients']:,} people within 24 hours"
    output.console().print(
        output.table(
            ("account", row["name"]),
            (
                ("id", str(row["id"])),
                ("provider", row["provider"]),
                ("sender", row["sender"]),
                ("state", state(row)),
                ("app", row["app"]),
                ("currency", row["currency"]),
                ("rate now", _rate(row["current_rate"], " a second")),
                ("maximum rate", _rate(row["maximum_rate"], " a second")),
                ("lease", row["lease"]),
                ("longest claim", row["longest_claim"]),
                ("unknown outcomes", f"{row['on_unknown']} after {row['unknown_window']}"),
                ("limit group", group),
                ("made", row["created_at"]),
            ),
        )
    )


@commands.command("pause")
def pause(
    account: Annotated[str, typer.Argument(help="Its name, sender or id.", show_default=False)],
    reason: Annotated[
        str, typer.Option("--reason", help="Why, for whoever is on duty.", show_default=False)
    ],
    url: Url = None,
    organization: choose.OrganizationOption = None,
    as_json: output.AsJson = False,
) -> None:
    """Send nothing more through this account; what is in flight finishes."""
    with connected(url) as connection:
        owner = choose.organization(connection, organization)
        account_id = choose.account(connection, owner["id"], account)["id"]
        call(connection, "pause_account", _account_id=account_id, _reason=reason)
        row = _of_id(connection, account_id)
    _report(row, as_json)


@commands.command("resume")
def resume(
    account: Annotated[str, typer.Argument(help="Its name, sender or id.", show_default=False)],
    url: Url = None,
    organization: choose.OrganizationOption = None,
    as_json: output.AsJson = False,
) -> None:
    """End the pause or the rest of this account."""
    with connected(url) as connection:
        owner = choose.organization(connection, organization)
        account_id = choose.account(connection, owner["id"], account)["id"]
        call(connection, "resume_account", _account_id=account_id)
        row = _of_id(connection, account_id)
    _report(row, as_json)


def given_options(**options: Any) -> dict[str, Any]:
    """Those that were given: what is absent stays as it is in the database."""
    return {name: value for name, value in options.items() if value is not None}


def state(row: Row) -> str:
    """Whether the account sends, in words."""
    if row["paused_at"] is not None:
        return f"paused since {output.moment(row['paused_at'])}: {row['pause_reason']}"
    if row["resting_until"] is not None:
        return f"rests until {output.moment(row['resting_until'])}: {row['rest_reason']}"
    return "sends"


def _known(
    connection: Connection, organization_id: UUID, sender: str, provider: str | None
) -> Row | None:
    found = connection.execute(
        _QUERY + " where a.organization_id = %s and a.sender = %s"
        " and (%s::text is null or a.provider = %s) order by a.provider",
        [organization_id, sender, provider, provider],
    ).fetchall()
    if len(found) > 1:
        raise CommandError(f"several providers have the sender {sender!r}: pass --provider")
    return found[0] if found else None


def _of_id(connection: Connection, account_id: UUID) -> Row:
    row = connection.execute(_QUERY + " where a.id = %s", [account_id]).fetchone()
    if row is None:
        raise CommandError(f"account {account_id} is not visible to you")
    return row


def _number(option: str, given: str, *, whole: bool = False) -> str | None:
    """The number as the database reads it, None for "none"."""
    if given.lower() == "none":
        return None
    kind = "a whole number" if whole else "a number"
    try:
        value = Decimal(given)
    except InvalidOperation:
        value = Decimal("NaN")
    # PostgreSQL takes NaN for a number above all others.
    if not value.is_finite() or (whole and value != value.to_integral_value()):
        raise CommandError(f"{option} takes {kind} or none, not {given!r}")
    return str(int(value)) if whole else str(value)


def _rate(value: Decimal | None, unit: str = "") -> str:
    return "unlimited" if value is None else f"{value.normalize():f}{unit}"


def _report(row: Row, as_json: bool) -> None:
    if as_json:
        output.print_json(row)
    else:
        typer.echo(f"{row['name']}: {state(row)}")


def register(app: typer.Typer) -> None:
    """Add the group ``account`` to an application."""
    app.add_typer(commands, name="account")
