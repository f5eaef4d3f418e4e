"""``sendonce suppress``: who must not be written to."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, LiteralString, cast
from uuid import UUID

import typer

from sendonce.cli import choose, json_stream, list_options, list_progress, list_result, output
from sendonce.cli.chunks import ChunkCaller, Item
from sendonce.cli.confirm import Yes, confirm
from sendonce.cli.counted import counted
from sendonce.cli.database import (
    LARGEST_PAGE,
    Connection,
    Row,
    Url,
    call,
    connected,
    translated_errors,
)
from sendonce.cli.list_columns import columns
from sendonce.cli.list_run import ListRun, stop_told
from sendonce.contacts.mapping import Wishes
from sendonce.contacts.numbers import NumberReader, Strictness
from sendonce.contacts.reading import opened
from sendonce.contacts.records import ContactList, Record
from sendonce.contacts.rejects import Rejects, rejects_path
from sendonce.contacts.seen import SeenNumbers
from sendonce.errors import CommandError

commands = typer.Typer(no_args_is_help=True, help="Who must not be written to.")

#: Suppressions in a table where nobody asked for more.
_TABLE_LIMIT = 100
#: As many as one line can usefully name.
_NAMED = 5
#: Characters of a reason in a question; the list has all of it.
_REASON_WIDTH = 60


class Scope(StrEnum):
    """What is withheld."""

    marketing = "marketing"
    all = "all"


Recipients = Annotated[
    list[str],
    typer.Argument(metavar="RECIPIENT...", help="Numbers in any usual form.", show_default=False),
]
Reason = Annotated[
    str,
    typer.Option(
        help="How it was asked for, such as 'wrote STOP on 3 May'; kept and shown.",
        show_default=False,
    ),
]
ScopeOption = Annotated[
    Scope,
    typer.Option(
        help="What is withheld: marketing; or all, which is codes and receipts too.",
        show_default=False,
    ),
]


@commands.command("add")
def add(
    recipients: Recipients,
    reason: Reason,
    scope: ScopeOption,
    url: Url = None,
    organization: choose.OrganizationOption = None,
    region: list_options.Region = None,
    with_country_code: list_options.WithCountryCode = False,
    numbers: list_options.Numbers = Strictness.POSSIBLE,
    as_json: output.AsJson = False,
) -> None:
    """Withhold marketing, or everything, from these people from the next dispatch on.

    Never withholds less than before: who is suppressed as far already stays as listed, with the
    earlier reason. One number that cannot be read, or is refused, leaves all as they were.
    """
    reader = NumberReader(region, numbers, with_country_code=with_country_code)
    given = _numbers(recipients, reader)
    with connected(url) as connection, connection.transaction():
        owner = choose.organization(connection, organization)
        items = [{"recipient": number, "row": row} for row, number in enumerate(given, start=1)]
        answer = _suppressed(connection, owner["id"], items, scope, reason)
        if answer["rejected"]:
            # Within the transaction, so that it takes back the others.
            raise CommandError(
                _refusal([(one["recipient"], one["reason"]) for one in answer["rejected"]])
            )
    if as_json:
        output.print_json(
            {
                "organization_id": owner["id"],
                "scope": scope.value,
                "reason": reason,
                "recipients": given,
                "added": answer["added"],
                "already": answer["already"],
            }
        )
        return
    what = "Marketing" if scope is Scope.marketing else "Everything"
    typer.echo(f"{what} is withheld from {counted(answer['added'], 'more recipient')}.")
    if answer["already"]:
        typer.echo(f"Suppressed as far before, and left as listed: {answer['already']:,}.")


@commands.command("remove")
def remove(
    recipients: Recipients,
    url: Url = None,
    organization: choose.OrganizationOption = None,
    region: list_options.Region = None,
    with_country_code: list_options.WithCountryCode = False,
    numbers: list_options.Numbers = Strictness.POSSIBLE,
    yes: Yes = False,
    as_json: output.AsJson = False,
) -> None:
    """Write to these people again. Asks first: it undoes what they asked for.

    All of them or none. What was skipped meanwhile stays skipped.

    Exit codes: 0 done, 1 the answer was no, 2 wrong use, or refused by the database.
    """
    reader = NumberReader(region, numbers, with_country_code=with_country_code)
    given = _numbers(recipients, reader)
    with connected(url) as connection:
        owner = choose.organization(connection, organization)
        found = _found(connection, owner["id"], given)
        missing = set(given) - {row["recipient"] for row in found}
        if missing:
            raise CommandError(
                _refusal([(number, "not suppressed") for number in sorted(missing)])
                + "; `sendonce suppress list` shows who is"
            )
        confirm(_question(found), yes=yes)
        with connection.transaction():
            for row in found:
                call(
                    connection,
                    "unsuppress",
                    _organization_id=owner["id"],
                    _recipient=row["recipient"],
                )
    if as_json:
        output.print_json({"organization_id": owner["id"], "removed": found})
    else:
        typer.echo(
            f"{counted(len(found), 'suppression')} ended. What was skipped meanwhile stays skipped."
        )


@commands.command("list")
def list_suppressions(
    url: Url = None,
    organization: choose.OrganizationOption = None,
    scope: Annotated[
        Scope | None, typer.Option(help="Only those of this scope.", show_default=False)
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="At most so many (default 100 in a table, else all)."),
    ] = None,
    after: Annotated[
        str, typer.Option(metavar="RECIPIENT", help="Go on after this one.", show_default=False)
    ] = "",
    as_json: output.AsJson = False,
) -> None:
    """Who is suppressed, why, since when and by whom, in the order of the numbers.

    --json writes every suppression as it is read, however many there are.
    """
    with connected(url) as connection:
        owner = choose.organization(connection, organization)
        if as_json:
            json_stream.write(
                {"organization_id": owner["id"]},
                "suppressions",
                _suppressions(connection, owner["id"], scope, after, limit),
            )
            return
        shown = limit or _TABLE_LIMIT
        # One more than is shown tells whether there are more.
        found = list(_suppressions(connection, owner["id"], scope, after, shown + 1))
    screen = output.console()
    if not found:
        of_scope = "" if scope is None else f" with scope {scope.value}"
        behind = f" after {after}" if after else ""
        screen.print(f"nobody is suppressed{of_scope}{behind}", markup=False)
        return
    screen.print(
        output.table(
            ("recipient", "scope", "reason", "since", "by"),
            (
                (
                    row["recipient"],
                    row["scope"],
                    row["reason"],
                    row["created_at"],
                    row["created_by"],
                )
                for row in found[:shown]
            ),
            right=("recipient",),
        )
    )
    if len(found) > shown:
        list_progress.say(f"more with --after {found[shown - 1]['recipient']}, or all with --json")


@dataclass
class Counts:
    """What became of the rows."""

    rows: int = 0
    added: int = 0
    already: int = 0

    def add(self, answer: Row) -> None:
        """Add the answer of suppress_recipients."""
        self.added += answer["added"]
        self.already += answer["already"]


@commands.command("import")
def import_suppressions(
    file: list_options.File,
    reason: Reason,
    scope: ScopeOption,
    url: Url = None,
    organization: choose.OrganizationOption = None,
    region: list_options.Region = None,
    with_country_code: list_options.WithCountryCode = False,
    recipient: list_options.RecipientColumn = None,
    delimiter: list_options.Delimiter = None,
    encoding: list_options.Encoding = None,
    sheet: list_options.Sheet = None,
    chunk: list_options.Chunk = 2000,
    rejects: list_options.RejectsFile = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Write nothing; say whom it would suppress.")
    ] = False,
    numbers: list_options.Numbers = Strictness.POSSIBLE,
    as_json: output.AsJson = False,
) -> None:
    """Suppress everybody on a list; only the column of the number is read.

    A bad row stops no good one: it goes to the rejects file, which can be corrected and imported
    again. Never withholds less than before, and the same list again changes nothing, so after a
    break at any point, run it again.

    Exit codes: 0 everybody on the list is suppressed, 1 rows were rejected, 2 wrong use, an
    unreadable file, or refused by the database; what was added before stays.
    """
    reader = NumberReader(region, numbers, with_country_code=with_country_code)
    path = rejects_path(file, rejects)
    counts = Counts()
    with (
        ChunkCaller(url, chunk, list_progress.say) as caller,
        opened(
            file,
            delimiter=list_options.checked_delimiter(delimiter),
            encoding=encoding,
            sheet=sheet,
        ) as contacts,
    ):
        with translated_errors():
            owner = choose.organization(caller.connection(), organization)
            # What would be wrong with every row is refused before the first is read.
            with caller.connection().transaction(force_rollback=True):
                _suppressed(caller.connection(), owner["id"], [], scope, reason)
        place = columns(contacts, (), Wishes(recipient, ignore_rest=True)).recipient

        def ask(connection: Connection, items: list[Item]) -> Row:
            return _suppressed(connection, owner["id"], items, scope, reason)

        def judge(connection: Connection, items: list[Item]) -> Row:
            # Nothing stays, so what the list had in an earlier chunk has to be known here.
            fresh = [item for item in items if item["recipient"] not in seen]
            with connection.transaction(force_rollback=True):
                answer = ask(connection, fresh)
            rejected = {row["row"] for row in answer["rejected"]}
            seen.add(item["recipient"] for item in fresh if item["row"] not in rejected)
            return {**answer, "already": answer["already"] + len(items) - len(fresh)}

        # A dry run leaves nothing behind that was not asked for.
        with (
            SeenNumbers() as seen,
            Rejects(path if rejects or not dry_run else None, contacts.header) as noted,
        ):
            run = ListRun(caller, place, reader, noted, _item)
            if dry_run:
                run.go(contacts, judge, counts)
            else:
                with stop_told(counts):
                    run.go(contacts, ask, counts)
    _show_import(contacts, owner, scope, place, noted, counts, caller.repeated, dry_run, as_json)
    if noted.count:
        raise typer.Exit(1)


def _item(record: Record, number: str) -> Item:
    return {"recipient": number, "row": record.row}


def _show_import(
    contacts: ContactList,
    owner: Row,
    scope: Scope,
    place: int,
    noted: Rejects,
    counts: Counts,
    repeated: int,
    dry_run: bool,
    as_json: bool,
) -> None:
    if as_json:
        output.print_json(
            {
                "organization_id": owner["id"],
                "dry_run": dry_run,
                "scope": scope.value,
                "columns": {"recipient": contacts.header[place]},
                "rows": counts.rows,
                "added": counts.added,
                "already": counts.already,
                **list_result.reject_fields(noted),
                "repeated_after_a_break": repeated,
            }
        )
        return
    console = output.console()
    done = "Would be suppressed" if dry_run else "Suppressed"
    console.print(
        f"{done} in {owner['name']}, scope {scope.value}:"
        f" column {contacts.header[place]!r} ({contacts.description})",
        markup=False,
    )
    lines = [
        ("rows", counts.rows),
        ("would be added" if dry_run else "added", counts.added),
        ("suppressed as far before, or twice in the list", counts.already),
        *list_result.reject_lines(noted),
    ]
    console.print(output.table(("what", "recipients"), lines, right=("recipients",)))
    list_result.print_notes(console, noted, repeated, count_as="suppressed before")


def _suppressed(
    connection: Connection, organization_id: UUID, items: list[Item], scope: Scope, reason: str
) -> Row:
    return cast(
        "Row",
        call(
            connection,
            "suppress_recipients",
            _organization_id=organization_id,
            _recipients=items,
            _scope=scope.value,
            _reason=reason,
        ),
    )


_OF_ORGANIZATION: LiteralString = (
    "select s.recipient, s.scope, s.reason, s.created_at, s.created_by"
    " from public.suppressions s where s.organization_id = %(organization)s"
)


def _suppressions(
    connection: Connection,
    organization_id: UUID,
    scope: Scope | None,
    after: str,
    limit: int | None,
) -> Iterator[Row]:
    """Page by page, in the order of the primary key."""
    left = sys.maxsize if limit is None else limit
    while left > 0:
        size = min(LARGEST_PAGE, left)
        page = connection.execute(
            _OF_ORGANIZATION + " and s.recipient > %(after)s"
            " and (%(scope)s::text is null or s.scope = %(scope)s)"
            " order by s.recipient limit %(size)s",
            {"organization": organization_id, "after": after, "scope": scope, "size": size},
        ).fetchall()
        yield from page
        if len(page) < size:
            return
        after = page[-1]["recipient"]
        left -= size


def _found(connection: Connection, organization_id: UUID, numbers: list[str]) -> list[Row]:
    return connection.execute(
        _OF_ORGANIZATION + " and s.recipient = any (%(numbers)s) order by s.recipient",
        {"organization": organization_id, "numbers": numbers},
    ).fetchall()


def _numbers(given: list[str], reader: NumberReader) -> list[str]:
    """In E.164, each once. Raises CommandError, before anything is done, where one is none."""
    read = [(text, *reader.read(text)) for text in given]
    problems = [
        (text, problem or "not a phone number") for text, number, problem in read if number is None
    ]
    if problems:
        raise CommandError(_refusal(problems))
    return list(dict.fromkeys(number for _, number, _ in read if number is not None))


def _refusal(problems: list[tuple[str, str]]) -> str:
    named = "; ".join(f"{text!r}: {problem}" for text, problem in problems[:_NAMED])
    more = f"; and {len(problems) - _NAMED:,} more" if len(problems) > _NAMED else ""
    return f"nothing was changed: {named}{more}"


def _question(found: list[Row]) -> str:
    named = ", ".join(
        f"{row['recipient']} ({row['scope']}: {_short(row['reason'])})" for row in found[:_NAMED]
    )
    more = f" and {len(found) - _NAMED:,} more" if len(found) > _NAMED else ""
    return f"Suppressed: {named}{more}. Write to them again?"


def _short(reason: str) -> str:
    # A reason comes from outside, and may hold what moves a cursor.
    plain = "".join(character if character.isprintable() else " " for character in reason)
    return textwrap.shorten(plain, _REASON_WIDTH, placeholder="…")


def register(app: typer.Typer) -> None:
    """Add the group ``suppress`` to an application."""
    app.add_typer(commands, name="suppress")
