"""``sendonce import``: puts a list of contacts into a campaign that has not started."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, cast

import typer

from sendonce.cli import choose, list_options, list_progress, list_result, output
from sendonce.cli.chunks import ChunkCaller, Item
from sendonce.cli.database import Connection, Row, Url, call, translated_errors
from sendonce.cli.list_columns import columns
from sendonce.cli.list_run import ListRun, stop_told
from sendonce.contacts.mapping import ColumnMapping, Wishes, parsed_variables, variables_of
from sendonce.contacts.numbers import NumberReader, Strictness
from sendonce.contacts.reading import opened
from sendonce.contacts.records import ContactList, Record
from sendonce.contacts.rejects import Rejects, rejects_path
from sendonce.contacts.seen import SeenNumbers
from sendonce.errors import CommandError


@dataclass
class Counts:
    """What became of the rows."""

    rows: int = 0
    added: int = 0
    duplicate: int = 0
    suppressed: int = 0
    estimated_cost: Decimal = Decimal(0)

    def add(self, answer: Row) -> None:
        """Add the answer of add_recipients."""
        self.added += answer["added"]
        self.duplicate += answer["duplicate"]
        self.suppressed += answer["suppressed"]
        self.estimated_cost += Decimal(answer["estimated_cost"])


def import_contacts(
    file: list_options.File,
    campaign: Annotated[str, typer.Option(help="Id or name of the campaign.")],
    url: Url = None,
    region: list_options.Region = None,
    with_country_code: list_options.WithCountryCode = False,
    recipient: list_options.RecipientColumn = None,
    variable: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=COLUMN", help="Column that fills a variable; repeatable."),
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="Column to leave out; repeatable.")
    ] = None,
    ignore_rest: Annotated[
        bool, typer.Option("--ignore-rest", help="Leave out every column that is not needed.")
    ] = False,
    delimiter: list_options.Delimiter = None,
    encoding: list_options.Encoding = None,
    sheet: list_options.Sheet = None,
    chunk: list_options.Chunk = 2000,
    rejects: list_options.RejectsFile = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Write nothing; say what would be added and its cost.")
    ] = False,
    numbers: list_options.Numbers = Strictness.POSSIBLE,
    as_json: output.AsJson = False,
) -> None:
    """Put a list of contacts into a campaign that has not started.

    A bad row stops no good one: it goes to the rejects file, which can be corrected and imported
    again. The same list again adds nobody twice, so after a break at any point, run it again.

    Exit codes: 0 every row is in the campaign, 1 rows were rejected, 2 wrong use, an unreadable
    file, or refused by the database; what was added before stays.
    """
    wishes = Wishes(recipient, parsed_variables(variable or []), ignore or [], ignore_rest)
    reader = NumberReader(region, numbers, with_country_code=with_country_code)
    path = rejects_path(file, rejects)
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
            chosen, template = _campaign_and_template(caller.connection(), campaign)
        mapping = columns(contacts, template["variables"], wishes)
        counts = Counts()
        # A dry run leaves nothing behind that was not asked for.
        noted = Rejects(path if rejects or not dry_run else None, contacts.header)
        with noted:
            run = _Import(caller, chosen, mapping, reader, noted, counts)
            if dry_run:
                with SeenNumbers() as seen:
                    run.judge(contacts, seen)
            else:
                with stop_told(counts):
                    run.add(contacts)
    _show(contacts, chosen, mapping, noted, counts, caller.repeated, dry_run, as_json)
    if noted.count:
        raise typer.Exit(1)


class _Import:
    """One list on its way into one campaign."""

    def __init__(
        self,
        caller: ChunkCaller,
        campaign: Row,
        mapping: ColumnMapping,
        reader: NumberReader,
        rejects: Rejects,
        counts: Counts,
    ) -> None:
        self._campaign = campaign
        self._mapping = mapping
        self._counts = counts
        self._run = ListRun(caller, mapping.recipient, reader, rejects, self._item)

    def add(self, contacts: ContactList) -> None:
        """Add everybody who can be added."""
        self._run.go(contacts, self._added, self._counts)

    def judge(self, contacts: ContactList, seen: SeenNumbers) -> None:
        """Count as `add` would."""

        def judged(connection: Connection, items: list[Item]) -> Row:
            fresh: list[Item] = []
            again: list[Item] = []
            for item in items:
                (again if item["recipient"] in seen else fresh).append(item)
            answer = self._would_add(connection, fresh)
            rejected = {row["row"] for row in answer["rejected"]}
            if again:
                # What the list had in an earlier chunk adds nobody, but is judged all the same.
                repeated = self._would_add(connection, again)
                answer["duplicate"] += repeated["added"] + repeated["duplicate"]
                answer["rejected"] += repeated["rejected"]
            seen.add(item["recipient"] for item in fresh if item["row"] not in rejected)
            return answer

        self._run.go(contacts, judged, self._counts)

    def _added(self, connection: Connection, items: list[Item]) -> Row:
        return self._answer(connection, items, dry_run=False)

    def _would_add(self, connection: Connection, items: list[Item]) -> Row:
        return self._answer(connection, items, dry_run=True)

    def _answer(self, connection: Connection, items: list[Item], *, dry_run: bool) -> Row:
        return cast(
            "Row",
            call(
                connection,
                "add_recipients",
                _campaign_id=self._campaign["id"],
                _recipients=items,
                _dry_run=dry_run,
            ),
        )

    def _item(self, record: Record, number: str) -> Item:
        return {
            "recipient": number,
            "variables": variables_of(self._mapping.variables, record.values),
            "row": record.row,
        }


def _campaign_and_template(connection: Connection, given: str) -> tuple[Row, Row]:
    campaign = choose.campaign(connection, given)
    template = connection.execute(
        "select t.* from public.templates t where t.id = %s", [campaign["template_id"]]
    ).fetchone()
    if template is None:
        raise CommandError("the template of the campaign cannot be read")
    return campaign, template


def _show(
    contacts: ContactList,
    campaign: Row,
    mapping: ColumnMapping,
    noted: Rejects,
    counts: Counts,
    repeated: int,
    dry_run: bool,
    as_json: bool,
) -> None:
    if as_json:
        output.print_json(
            {
                "campaign_id": campaign["id"],
                "dry_run": dry_run,
                "columns": {
                    "recipient": contacts.header[mapping.recipient],
                    "variables": {
                        name: contacts.header[place] for name, place in mapping.variables.items()
                    },
                },
                "rows": counts.rows,
                "added": counts.added,
                "duplicate": counts.duplicate,
                "suppressed": counts.suppressed,
                **list_result.reject_fields(noted),
                "estimated_cost": counts.estimated_cost,
                "currency": campaign["currency"],
                "repeated_after_a_break": repeated,
            }
        )
        return
    console = output.console()
    title = "Would be added to" if dry_run else "Imported into"
    console.print(f"{title} {campaign['name']} ({contacts.description})", markup=False)
    lines = [
        ("rows", counts.rows),
        ("would be added" if dry_run else "added", counts.added),
        ("  of them suppressed: not written to", counts.suppressed),
        ("duplicate", counts.duplicate),
        *list_result.reject_lines(noted),
        ("estimated cost", output.money(counts.estimated_cost, campaign["currency"])),
    ]
    console.print(output.table(("what", "contacts"), lines, right=("contacts",)))
    list_result.print_notes(console, noted, repeated, count_as="duplicate")


def register(app: typer.Typer) -> None:
    """Add the command ``import`` to an application."""
    app.command("import")(import_contacts)
