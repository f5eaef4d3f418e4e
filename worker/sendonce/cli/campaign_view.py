"""How a campaign looks to people: its numbers, what holds it up and what went wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sendonce.cli import output

Progress = dict[str, Any]

_STATUS_STYLE = {
    "running": "green",
    "paused": "yellow",
    "completed": "bold green",
    "cancelled": "red",
}


def status_text(status: str) -> Text:
    """The status in its colour."""
    return Text(status, style=_STATUS_STYLE.get(status, ""))


def holdups(progress: Progress) -> list[str]:
    """Why nothing goes out, one sentence each; empty when nothing is in the way."""
    found = []
    if progress["status"] == "paused":
        found.append(f"paused: {progress['pause_reason'] or 'no reason given'}")
    if progress["status"] in ("draft", "scheduled", "running", "paused"):
        if progress["account_paused"]:
            found.append(f"its account is paused: {progress['account_paused']}")
        if progress["account_resting_until"]:
            until = output.moment(progress["account_resting_until"])
            found.append(f"its account rests until {until}: {progress['account_rest_reason']}")
        if progress["template_stopped"]:
            found.append(f"its template is stopped: {progress['template_stopped']}")
        if progress["waiting_for_window"]:
            opening = output.moment(progress["next_window_opening"])
            found.append(f"outside its sending hours, which begin {opening}")
    if progress["status"] == "scheduled":
        found.append(f"it starts at {output.moment(progress['scheduled_at'])}")
    return found


def average_rate(progress: Progress, now: datetime) -> float | None:
    """Messages a second that ended as sent or failed, from the start on, pauses included."""
    if progress["started_at"] is None:
        return None
    ended = progress["completed_at"] or progress["cancelled_at"]
    until = datetime.fromisoformat(ended) if ended else now.astimezone(UTC)
    seconds = (until - datetime.fromisoformat(progress["started_at"])).total_seconds()
    handled = int(progress["total_sent"]) + int(progress["total_failed"])
    return handled / seconds if seconds >= 1 and handled else None


def rate_text(rate: float | None) -> str:
    """Messages a second, or ``-`` while that is not known."""
    return "-" if rate is None else f"{rate:,.1f}/s"


def duration(seconds: float) -> str:
    """A length of time as people say it, in its two largest units."""
    left = max(0, round(seconds))
    for size, unit, smaller_size, smaller in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if left >= size:
            rest = left % size // smaller_size
            return f"{left // size:,} {unit}" + (f" {rest} {smaller}" if rest else "")
    return f"{left} s"


def bar(progress: Progress, *, width: int = 40) -> RenderableType:
    """The progress bar with percent and contacts."""
    line = Table.grid(padding=(0, 2))
    total = int(progress["total_contacts"])
    line.add_row(
        ProgressBar(total=100, completed=float(progress["progress"]), width=width),
        Text(f"{float(progress['progress']):.2f} %"),
        Text(f"{int(progress['settled']):,} of {total:,} contacts"),
    )
    return line


def states(progress: Progress) -> list[tuple[str, str]]:
    """Each state with its number; the deliveries stand with what was sent."""
    return [
        (
            "sent",
            f"{progress['total_sent']:,}  (delivered {progress['total_delivered']:,}, "
            f"read {progress['total_read']:,}, undelivered {progress['total_undelivered']:,})",
        ),
        ("failed", f"{progress['total_failed']:,}"),
        ("skipped", f"{progress['total_skipped']:,}"),
        ("cancelled", f"{progress['total_cancelled']:,}"),
        ("open", f"{progress['unsettled']:,}  (outcome unknown {progress['total_unknown']:,})"),
    ]


def cost(progress: Progress) -> str:
    """What it cost, and what it was estimated to cost, in the campaign's currency."""
    currency = str(progress["currency"])
    return (
        f"{output.money(progress['actual_cost'], currency)} so far, estimated "
        f"{output.money(progress['estimated_cost'], currency)}"
    )


def heading(progress: Progress) -> Text:
    """Name, status and id in one line."""
    return Text.assemble(
        (str(progress["name"]), "bold"),
        "  ",
        status_text(str(progress["status"])),
        "  ",
        (str(progress["campaign_id"]), "dim"),
    )


def fields(pairs: list[tuple[str, str]]) -> Table:
    """Words and values in two columns."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True, style="dim")
    grid.add_column(overflow="fold")
    for word, value in pairs:
        grid.add_row(Text(word), Text(value))
    return grid


def block(
    progress: Progress, rates: list[tuple[str, str]], waits: list[str], *, times: bool
) -> Group:
    """The campaign as a readable block, without what went wrong.

    ``waits``: what else holds it up, see campaign_waits.
    """
    pairs = [*states(progress), *rates, ("cost", cost(progress))]
    if times:
        pairs += [
            (word, output.moment(progress[field]))
            for word, field in (
                ("created", "created_at"),
                ("scheduled", "scheduled_at"),
                ("started", "started_at"),
                ("paused", "paused_at"),
                ("completed", "completed_at"),
                ("cancelled at", "cancelled_at"),
            )
            if progress[field]
        ]
    pairs += [("held up", reason) for reason in (*holdups(progress), *waits)]
    return Group(heading(progress), bar(progress), fields(pairs))


def failures(
    breakdown: dict[str, Any], *, most: int | None = None, one_line_each: bool = False
) -> RenderableType | None:
    """What went wrong, the most frequent first; None when nothing did."""
    lines = [
        (what, line["contacts"], line["class"], line.get("code"), meaning(line))
        for what in ("failed", "skipped", "undelivered")
        for line in breakdown[what]
    ]
    if not lines:
        return None
    lines.sort(key=lambda line: -line[1])
    table = output.table(
        ("what", "contacts", "class", "code", "meaning"), lines[:most], right=("contacts",)
    )
    if one_line_each:
        # The meaning takes what the others leave, and is cut where that is too little.
        for column in table.columns:
            column.no_wrap = True
        table.expand, table.columns[-1].ratio = True, 1
        table.columns[-1].overflow = "ellipsis"
    return table


def meaning(line: dict[str, Any]) -> str:
    """What the class means and, where the provider said something, what it said."""
    said = [str(line[field]) for field in ("meaning", "example") if line.get(field)]
    return "; ".join(said) or "-"
