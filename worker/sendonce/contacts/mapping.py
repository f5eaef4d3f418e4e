"""Which column holds the number, and which column fills which variable of the template."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sendonce.errors import CommandError

#: What people call the column of the number, without accents, in the order of likelihood.
RECIPIENT_NAMES = frozenset(
    """recipient phone phone_number phonenumber phone_no mobile mobile_number mobile_phone
    mobilephone cell cellphone cell_phone whatsapp whatsapp_number whatsapp_phone wa_number number
    msisdn tel telephone telephone_number telefon telefonnummer telefon_nr telefonnr handy
    handynummer mobil mobilnummer mobiltelefon rufnummer nummer telefono numero cellulare movil
    celular telefone telemovel portable numero_de_telephone contact_number e164 to""".split()
)
#: The columns that a rejects file has before the columns of its list.
REJECT_COLUMNS = ("rejected_row", "rejected_value", "rejected_reason")


@dataclass(frozen=True)
class ColumnMapping:
    """Places of columns in the header."""

    recipient: int
    variables: dict[str, int]


@dataclass
class Wishes:
    """What the person at the keyboard said about the columns."""

    recipient: str | None = None
    variables: dict[str, str] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)
    ignore_rest: bool = False


@dataclass
class Draft:
    """A mapping that may still have gaps."""

    recipient: int | None
    #: Columns of which any may be the recipient's.
    candidates: list[str]
    variables: dict[str, int]
    missing: list[str]
    surplus: list[str]

    @property
    def is_clear(self) -> bool:
        """Whether nothing is left to decide."""
        return self.recipient is not None and not self.missing and not self.surplus

    def finished(self) -> ColumnMapping:
        """The mapping, which has to be clear."""
        assert self.recipient is not None  # noqa: S101
        return ColumnMapping(self.recipient, self.variables)


def normalised(name: str) -> str:
    """A name without accents, capitals and punctuation, for comparing."""
    plain = unicodedata.normalize("NFKD", name).casefold()
    plain = "".join(character for character in plain if not unicodedata.combining(character))
    return re.sub(r"[\W_]+", "_", plain).strip("_")


def drafted(header: Sequence[str], expected: Sequence[str], wishes: Wishes) -> Draft:
    """Map what is given, then what has the same name. Raises CommandError for unknown names."""
    recipient = None if wishes.recipient is None else _place(header, wishes.recipient)
    variables: dict[str, int] = {}
    for variable, column in wishes.variables.items():
        if variable not in expected:
            raise CommandError(
                f"the template has no variable named {variable!r}: {_listed(expected, 'it has')}"
            )
        variables[variable] = _place(header, column)
    ignored = {_place(header, column) for column in wishes.ignored}
    free = set(range(len(header))) - ignored - set(variables.values())
    for variable in expected:
        if variable not in variables:
            place = _of_the_same_name(header, variable, free)
            if place is not None:
                variables[variable] = place
    free -= set(variables.values())

    candidates: list[str] = []
    if recipient is None:
        places = [place for place in sorted(free) if normalised(header[place]) in RECIPIENT_NAMES]
        if len(places) == 1:
            recipient = places[0]
        else:
            candidates = [header[place] for place in places]
    free.discard(-1 if recipient is None else recipient)
    rest = [header[place] for place in sorted(free) if header[place] not in REJECT_COLUMNS]
    return Draft(
        recipient=recipient,
        candidates=candidates,
        variables=variables,
        missing=[variable for variable in expected if variable not in variables],
        surplus=[] if wishes.ignore_rest else rest,
    )


def refusal(header: Sequence[str], expected: Sequence[str], draft: Draft) -> str:
    """What is unclear about the columns, and the flags that make it clear."""
    problems = []
    if draft.recipient is None:
        if draft.candidates:
            named = ", ".join(map(repr, draft.candidates))
            problems.append(f"which column holds the number, {named}? pass --recipient COLUMN")
        else:
            problems.append("no column is known to hold the number: pass --recipient COLUMN")
    problems += [
        f"no column is called like the variable {variable!r}: pass --variable {variable}=COLUMN"
        for variable in draft.missing
    ]
    surplus = draft.surplus
    if draft.recipient is None:
        # One of them will be the recipient's; the rest is next time's question.
        surplus = []
    if surplus:
        named = ", ".join(map(repr, surplus))
        problems.append(
            f"the template has no variable for {named}:"
            " pass --variable NAME=COLUMN, --ignore COLUMN or --ignore-rest"
        )
    known = [_listed(header, "columns")]
    if expected or surplus:
        known.append(_listed(expected, "variables of the template"))
    return "; ".join([*problems, *known])


def checked_first_row(header: Sequence[str]) -> None:
    """Refuse a list that begins with its first contact. Raises CommandError."""
    for name in header:
        if re.fullmatch(r"\+?[\d\s()./-]{7,}", name) and sum(map(str.isdigit, name)) >= 7:
            raise CommandError(
                f"row 1 holds {name!r} where the names of the columns should be:"
                " put a header above it, such as recipient"
            )


def parsed_variables(given: Sequence[str]) -> dict[str, str]:
    """The flags ``--variable name=COLUMN``. Raises CommandError for one of another form."""
    found: dict[str, str] = {}
    for item in given:
        name, equals, column = item.partition("=")
        if not name or not equals or not column:
            raise CommandError(f"--variable takes NAME=COLUMN, not {item!r}")
        if name in found:
            raise CommandError(f"--variable names {name!r} twice")
        found[name] = column
    return found


def _place(header: Sequence[str], column: str) -> int:
    if column in header:
        return header.index(column)
    alike = _of_the_same_name(header, column, set(range(len(header))))
    if alike is None:
        raise CommandError(f"no column is called {column!r}: {_listed(header, 'the file has')}")
    return alike


def _of_the_same_name(header: Sequence[str], name: str, free: set[int]) -> int | None:
    exact = [place for place in free if header[place] == name]
    if exact:
        return exact[0]
    wanted = normalised(name)
    alike = [place for place in free if wanted and normalised(header[place]) == wanted]
    return alike[0] if len(alike) == 1 else None


def _listed(names: Sequence[str], what: str) -> str:
    shown = ", ".join(map(repr, names[:30])) + (", …" if len(names) > 30 else "")
    return f"{what}: {shown or 'none'}"


def variables_of(mapping: Mapping[str, int], values: Sequence[str]) -> dict[str, str]:
    """The variables of one record."""
    return {name: values[place].strip() for name, place in mapping.items()}
