"""``sendonce import`` reads numbers as people write them, and rejects what is not certain."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.command import Answer, refusal
from cli.import_support import WITHOUT_A_CODE, Draft, made
from support.database import Connection, Database


@pytest.fixture
def draft(database: Database, connection: Connection) -> Draft:
    return made(database, connection)


def imported(draft: Draft, directory: Path, *numbers: str, flags: tuple[str, ...] = ()) -> Answer:
    file = directory / "list.tsv"
    file.write_text("\n".join(["phone\tnote", *(f"{number}\tx" for number in numbers)]))
    return draft.imports(file, "--ignore", "note", "--json", *flags)


def test_the_same_number_written_in_many_ways_is_one_contact(draft: Draft, tmp_path: Path) -> None:
    written = ("0171/3920000", "+49 171 3920000", "0049 (171) 39-20-000", "'01713920000")
    answer = imported(draft, tmp_path, *written, "٠١٧١٣٩٢٠٠٠٠", flags=("--region", "de"))
    assert answer.code == 0, answer
    assert (answer.json()["added"], answer.json()["duplicate"]) == (1, 4)
    assert set(draft.entries()) == {"+491713920000"}


def test_what_is_not_certain_is_rejected_with_the_reason(draft: Draft, tmp_path: Path) -> None:
    answer = imported(
        draft,
        tmp_path,
        "4.9155E+12",
        "491713920000",
        "0171 3920001 / 0171 3920002",
        "0171 3920000 ext 7",
        "+49 171 392000O",
        "",
        "0171 3920009",
        flags=("--region", "DE"),
    )
    assert answer.code == 1, answer
    assert set(answer.json()["rejected_by_reason"]) == {
        "a spreadsheet rounded this number: format the column as text",
        "with or without its country code? write + before it, or 0 if without",
        "more than one number",
        "a number with an extension gets no messages",
        "not a phone number: it has letters in it",
        "the number is missing",
    }
    assert set(draft.entries()) == {"+491713920009"}


def test_without_a_region_only_numbers_with_a_country_code_are_read(
    draft: Draft, tmp_path: Path
) -> None:
    answer = imported(draft, tmp_path, "01713920000", "00 1 202 555 0143")
    assert answer.json()["rejected_by_reason"] == {WITHOUT_A_CODE: 1}
    assert set(draft.entries()) == {"+12025550143"}
    assert "no region is called 'XX'" in refusal(
        draft.imports(tmp_path / "list.tsv", "--region", "XX")
    )


def test_a_list_of_whatsapp_ids_is_read_when_that_is_said(draft: Draft, tmp_path: Path) -> None:
    answer = imported(draft, tmp_path, "491713920000", "0171", flags=("--with-country-code",))
    assert answer.json()["rejected_by_reason"] == {"no country code begins with 0": 1}
    assert set(draft.entries()) == {"+491713920000"}
    assert "leave one away" in refusal(
        draft.imports(tmp_path / "list.tsv", "--with-country-code", "--region", "DE")
    )


def test_the_strictness_says_which_numbers_are_taken(draft: Draft, tmp_path: Path) -> None:
    given = ("+1 202 555 0143", "+1 555 010 0200", "+999 123456789", "+1", "+0123456789")
    # Each takes what the one before took, and one more.
    for strictness, added in (
        ("valid", {"+12025550143"}),
        ("possible", {"+12025550143", "+15550100200"}),
        ("form", {"+12025550143", "+15550100200", "+999123456789"}),
    ):
        answer = imported(draft, tmp_path, *given, flags=("--numbers", strictness))
        assert answer.code == 1
        assert answer.json()["rejected"] == len(given) - len(added)
        assert set(draft.entries()) == added
