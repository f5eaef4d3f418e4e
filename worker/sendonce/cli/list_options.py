"""The options of every command that takes a list of numbers from a file."""

from __future__ import annotations

from typing import Annotated

import typer

from sendonce.cli.chunks import LARGEST_CHUNK
from sendonce.contacts.numbers import Strictness
from sendonce.errors import CommandError

File = Annotated[str, typer.Argument(help="CSV, TSV or XLSX; - is CSV on standard input.")]
Region = Annotated[
    str | None,
    typer.Option(help="Country of numbers without a country code, such as DE.", show_default=False),
]
WithCountryCode = Annotated[
    bool,
    typer.Option(
        "--with-country-code",
        help="Every number has its country code, with a plus or without, as WhatsApp ids do.",
    ),
]
Numbers = Annotated[
    Strictness,
    typer.Option(
        help="possible: of a length its country has; valid: in a range that is given out;"
        " form: anything of E.164's form."
    ),
]
RecipientColumn = Annotated[
    str | None, typer.Option("--recipient", help="Column of the number.", show_default=False)
]
Delimiter = Annotated[
    str | None,
    typer.Option(help="One character, or tab; recognised if left out.", show_default=False),
]
Encoding = Annotated[
    str | None, typer.Option(help="Such as cp1252; recognised if left out.", show_default=False)
]
Sheet = Annotated[
    str | None, typer.Option(help="Sheet of a spreadsheet; the first one.", show_default=False)
]
Chunk = Annotated[
    int, typer.Option(help="Rows in one call.", min=1, max=LARGEST_CHUNK, metavar="ROWS")
]
RejectsFile = Annotated[
    str | None,
    typer.Option(
        "--rejects",
        metavar="FILE",
        help="Where rejected rows go: a new file (default FILE.rejects.csv, or the next number).",
        show_default=False,
    ),
]


def checked_delimiter(given: str | None) -> str | None:
    """The character of the flag. Raises CommandError where it is none."""
    if given is None:
        return None
    found = {"tab": "\t", "\\t": "\t"}.get(given, given)
    if len(found) != 1 or found in '"\r\n':
        raise CommandError("--delimiter takes one character, or tab")
    return found
