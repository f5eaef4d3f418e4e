"""``sendonce campaign``: makes campaigns and starts, pauses, ends, copies and repeats them."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Literal

import typer

from sendonce.cli import campaign_lists, campaign_view, campaign_watch, choose, output
from sendonce.cli.campaign_lists import CampaignArgument
from sendonce.cli.confirm import Yes, confirm
from sendonce.cli.counted import counted
from sendonce.cli.database import Connection, Url, call, connected
from sendonce.errors import CommandError

commands = typer.Typer(
    no_args_is_help=True,
    help="Create campaigns, run them, watch them and look what became of them.",
)

_WINDOW = re.compile(r"(\d{1,2}:\d{2})\s*-\s*(\d{1,2}:\d{2})")
#: Entries that one call puts back: each call is a short transaction.
_RETRY_STEP = 10_000


@commands.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What the campaign is called.")],
    url: Url = None,
    organization: choose.OrganizationOption = None,
    account: choose.AccountOption = None,
    template: choose.TemplateOption = None,
    priority: Annotated[
        int | None,
        typer.Option(help="Higher goes first on the same account (default 0).", show_default=False),
    ] = None,
    window: Annotated[
        str | None,
        typer.Option(
            help="Sending hours, such as 08:00-20:00; 20:00-08:00 runs across midnight.",
            show_default=False,
        ),
    ] = None,
    time_zone: Annotated[
        str | None,
        typer.Option(
            help="The zone of the sending hours, such as Europe/Madrid (default UTC).",
            show_default=False,
        ),
    ] = None,
    maximum_failure_rate: Annotated[
        float | None,
        typer.Option(
            help="Share of failures, such as 0.05, at which it pauses itself (default never).",
            show_default=False,
        ),
    ] = None,
    as_json: output.AsJson = False,
) -> None:
    """Make a draft. `sendonce import` fills it, `sendonce campaign start` sends it."""
    given: dict[str, Any] = {
        "priority": priority,
        "window_time_zone": time_zone,
        "maximum_failure_rate": maximum_failure_rate,
    }
    if window is not None:
        hours = _WINDOW.fullmatch(window.strip())
        if hours is None:
            raise CommandError(f"--window {window!r} is not like 08:00-20:00")
        given["window_start"], given["window_end"] = hours.groups()
    options = {option: value for option, value in given.items() if value is not None}
    with connected(url) as connection:
        owner = choose.organization(connection, organization)
        chosen_account = choose.account(connection, owner["id"], account)
        chosen_template = choose.template(connection, owner["id"], template)
        campaign_id = call(
            connection,
            "create_campaign",
            _organization_id=owner["id"],
            _name=name,
            _account_id=chosen_account["id"],
            _template_id=chosen_template["id"],
            _options=options,
        )
    if as_json:
        output.print_json({"campaign_id": campaign_id, "name": name, "status": "draft"})
        return
    screen = output.console()
    screen.print(
        output.cell(
            f"Draft {name} made: account {chosen_account['name']}, "
            f"template {chosen_template['label']}."
        )
    )
    screen.print(f"Id: {campaign_id}")


@commands.command("start")
def start(
    campaign: CampaignArgument,
    url: Url = None,
    at: Annotated[
        str | None,
        typer.Option(
            help="Not now but then: ISO 8601, such as 2030-05-01T09:00+02:00; without an offset "
            "in this machine's zone.",
            show_default=False,
        ),
    ] = None,
    as_json: output.AsJson = False,
) -> None:
    """Start sending, now or at a given time. Its recipients stay as they are from then on."""
    when = None if at is None else _moment(at)
    with connected(url) as connection:
        chosen = choose.campaign(connection, campaign)
        call(connection, "start_campaign", _campaign_id=chosen["id"], _at=when)
        progress = call(connection, "campaign_progress", _campaign_id=chosen["id"])
    _tell(progress, as_json)


@commands.command("pause")
def pause(
    campaign: CampaignArgument,
    reason: Annotated[str, typer.Option(help="Why; everybody reads it.", show_default=False)],
    url: Url = None,
    as_json: output.AsJson = False,
) -> None:
    """Hand out nothing more. What is in flight finishes."""
    with connected(url) as connection:
        chosen = choose.campaign(connection, campaign)
        call(connection, "pause_campaign", _campaign_id=chosen["id"], _reason=reason)
        progress = call(connection, "campaign_progress", _campaign_id=chosen["id"])
    _tell(progress, as_json)


@commands.command("resume")
def resume(campaign: CampaignArgument, url: Url = None, as_json: output.AsJson = False) -> None:
    """Go on with a paused campaign."""
    with connected(url) as connection:
        chosen = choose.campaign(connection, campaign)
        call(connection, "resume_campaign", _campaign_id=chosen["id"])
        progress = call(connection, "campaign_progress", _campaign_id=chosen["id"])
    _tell(progress, as_json)


@commands.command("cancel")
def cancel(
    campaign: CampaignArgument, url: Url = None, yes: Yes = False, as_json: output.AsJson = False
) -> None:
    """End the campaign for good: nothing more goes out, and it cannot be started again.

    Exit codes: 0 cancelled, 1 the answer was no, 2 wrong use or refused by the database.
    """
    with connected(url) as connection:
        chosen = choose.campaign(connection, campaign)
        progress = call(connection, "campaign_progress", _campaign_id=chosen["id"])
        confirm(
            f"Cancel {chosen['name']!r}? {progress['unsettled']:,} of "
            f"{progress['total_contacts']:,} contacts will not get the message, for good.",
            yes=yes,
        )
        call(connection, "cancel_campaign", _campaign_id=chosen["id"])
        progress = call(connection, "campaign_progress", _campaign_id=chosen["id"])
    _tell(progress, as_json)


@commands.command("clone")
def clone(
    campaign: CampaignArgument,
    url: Url = None,
    recipients: Annotated[
        Literal["none", "unsent", "all"],
        typer.Option(
            help="Whom to copy. unsent: who ended without the message, and for whom none may "
            "have gone out."
        ),
    ] = "none",
    into: Annotated[
        str | None,
        typer.Option(
            help="Go on filling this clone, which an earlier call left unfinished.",
            show_default=False,
        ),
    ] = None,
    as_json: output.AsJson = False,
) -> None:
    """Make a draft with the same account, template and settings, and some of the recipients."""
    if into is not None and recipients == "none":
        raise CommandError("--into goes on copying: pass --recipients unsent or all with it")
    with connected(url) as connection:
        original = choose.campaign(connection, campaign)
        if into is None:
            step = call(
                connection,
                "clone_campaign",
                _campaign_id=original["id"],
                _recipients=recipients,
            )
            clone_id = step["campaign_id"]
        else:
            target = choose.campaign(connection, into)
            if target["cloned_from"] != original["id"]:
                raise CommandError(f"campaign {into!r} is no clone of {campaign!r}")
            clone_id = target["id"]
            step = {"added": 0, "suppressed": 0, "rejected": 0, "after": 0, "more": True}
        copied = _copy(connection, clone_id, recipients, step, original)
        progress = call(connection, "campaign_progress", _campaign_id=clone_id)
    if as_json:
        output.print_json({"campaign_id": clone_id, **copied})
        return
    screen = output.console()
    screen.print(campaign_view.heading(progress))
    screen.print(
        f"{counted(copied['added'], 'contact')} copied, "
        f"{copied['suppressed']:,} of them suppressed; "
        f"{copied['rejected']:,} no longer fit the template."
    )


def _copy(
    connection: Connection,
    clone_id: Any,
    recipients: str,
    step: dict[str, Any],
    original: dict[str, Any],
) -> dict[str, Any]:
    """Go on while there are more, with a progress bar on standard error."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    added, suppressed = int(step["added"]), int(step["suppressed"])
    rejected = int(step["rejected"])
    columns = (TextColumn("copying contacts"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=output.console(stderr=True), disable=not step["more"]) as bar:
        # How many are unsent is known only once they have been looked for.
        task = bar.add_task("", total=original["total_contacts"] if recipients == "all" else None)
        bar.update(task, completed=added)
        while step["more"]:
            try:
                step = call(
                    connection,
                    "clone_recipients",
                    _campaign_id=clone_id,
                    _recipients=recipients,
                    _after=step["after"],
                )
            except BaseException:
                output.console(stderr=True).print(
                    f"sendonce: the clone {clone_id} is unfinished: the same command with "
                    f"--into {clone_id} goes on"
                )
                raise
            added += int(step["added"])
            suppressed += int(step["suppressed"])
            rejected += int(step["rejected"])
            bar.update(task, completed=added)
    return {"added": added, "suppressed": suppressed, "rejected": rejected}


@commands.command("retry")
def retry(
    campaign: CampaignArgument,
    url: Url = None,
    classes: Annotated[
        list[str] | None,
        typer.Option(
            "--class",
            help="Only failures of this class; may be given several times. outcome_unknown has "
            "to be named: its messages may have gone out.",
            show_default=False,
        ),
    ] = None,
    yes: Yes = False,
    as_json: output.AsJson = False,
) -> None:
    """Send once more to those who failed.

    Exit codes: 0 done, 1 the answer was no, 2 wrong use or refused by the database.
    """
    unknown_included = "outcome_unknown" in (classes or [])
    with connected(url) as connection:
        chosen = choose.campaign(connection, campaign)
        if unknown_included:
            confirm(
                "Messages of the class outcome_unknown may have gone out: whoever got one may "
                "get a second. Retry them?",
                yes=yes,
            )
        # Not more than have failed by now: what fails again meanwhile is for the next call.
        left = int(chosen["total_failed"])
        moved, step = 0, {"moved": 0, "more": True}
        while step["more"]:
            step = call(
                connection,
                "retry_failed",
                _campaign_id=chosen["id"],
                _classes=classes or None,
                _limit=max(1, min(_RETRY_STEP, left - moved)),
            )
            moved += int(step["moved"])
            if moved >= left or not step["moved"]:
                break
        progress = call(connection, "campaign_progress", _campaign_id=chosen["id"])
        breakdown = call(connection, "failure_breakdown", _campaign_id=chosen["id"])
    left_unknown = sum(
        int(line["contacts"]) for line in breakdown["failed"] if line["class"] == "outcome_unknown"
    )
    if as_json:
        output.print_json(
            {
                "campaign_id": chosen["id"],
                "moved": moved,
                "more": bool(step["more"]),
                "status": progress["status"],
                "outcome_unknown": left_unknown,
            }
        )
        return
    screen = output.console()
    screen.print(
        f"{counted(moved, 'contact')} {'is' if moved == 1 else 'are'} ready again; "
        f"the campaign is {progress['status']}."
    )
    if left_unknown and not unknown_included:
        screen.print(
            f"{left_unknown:,} with an unknown outcome were left alone, because their messages may "
            "have gone out: --class outcome_unknown names them."
        )


def _moment(given: str) -> datetime:
    try:
        return datetime.fromisoformat(given).astimezone()
    except ValueError:
        raise CommandError(
            f"--at {given!r} is no time in ISO 8601, such as 2030-05-01T09:00+02:00"
        ) from None


def _tell(progress: dict[str, Any], as_json: bool) -> None:
    """What became of it."""
    if as_json:
        fields = ("campaign_id", "name", "status", "total_contacts", "unsettled", "scheduled_at")
        output.print_json(
            {
                **{field: progress[field] for field in fields},
                "held_up": campaign_view.holdups(progress),
            }
        )
        return
    screen = output.console()
    screen.print(campaign_view.heading(progress))
    for reason in campaign_view.holdups(progress):
        screen.print(output.cell(reason))


def register(app: typer.Typer) -> None:
    """Add the group ``campaign`` to an application."""
    campaign_lists.register(commands)
    campaign_watch.register(commands)
    app.add_typer(commands, name="campaign")
