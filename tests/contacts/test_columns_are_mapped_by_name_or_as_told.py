"""Which column is the number's and which fills which variable."""

from __future__ import annotations

import pytest

from sendonce.contacts.mapping import (
    REJECT_COLUMNS,
    Draft,
    Wishes,
    checked_first_row,
    drafted,
    normalised,
    parsed_variables,
    refusal,
    variables_of,
)
from sendonce.errors import CommandError


def clear(header: list[str], expected: list[str], wishes: Wishes | None = None) -> Draft:
    draft = drafted(header, expected, wishes or Wishes())
    assert draft.is_clear, refusal(header, expected, draft)
    return draft


def told(header: list[str], expected: list[str], wishes: Wishes | None = None) -> str:
    draft = drafted(header, expected, wishes or Wishes())
    assert not draft.is_clear
    return refusal(header, expected, draft)


@pytest.mark.parametrize(
    "name",
    [
        "recipient",
        "Phone",
        "phone number",
        "PHONE-NO.",
        "Mobile",
        "WhatsApp",
        "Telefón",
        "Handy",
        "Número",
        "Celular",
        "Rufnummer",
        "msisdn",
        "téléphone",
        "teléphone",
        "To",
    ],
)
def test_the_column_of_the_number_is_known_by_its_name(name: str) -> None:
    assert clear(["first", name], ["first"]).recipient == 1


def test_two_columns_that_may_be_the_number_are_asked_about() -> None:
    said = told(["phone", "mobile"], [])
    assert "which column holds the number, 'phone', 'mobile'? pass --recipient COLUMN" in said
    assert told(["a", "b"], []).startswith("no column is known to hold the number")
    wishes = Wishes(recipient="mobile", ignored=["phone"])
    assert clear(["phone", "mobile"], [], wishes).recipient == 1


def test_a_column_that_is_ignored_is_no_candidate() -> None:
    assert clear(["phone", "mobile"], [], Wishes(ignored=["phone"])).recipient == 1


def test_variables_are_matched_without_capitals_accents_and_punctuation() -> None:
    draft = clear(["Phone", "First Name", "CODÉ"], ["first_name", "code"])
    assert draft.variables == {"first_name": 1, "code": 2}
    assert normalised("  Prénom (courant) ") == normalised("PRENOM_courant") == "prenom_courant"


def test_two_columns_of_nearly_the_same_name_are_not_chosen_between() -> None:
    said = told(["phone", "Name", "NAME"], ["name"])
    assert "no column is called like the variable 'name'" in said
    assert clear(["phone", "Name", "name"], ["name"], Wishes(ignored=["Name"])).variables == {
        "name": 2
    }


def test_a_missing_variable_and_a_surplus_column_are_named_with_what_helps() -> None:
    said = told(["phone", "city"], ["name"])
    assert "no column is called like the variable 'name': pass --variable name=COLUMN" in said
    assert "the template has no variable for 'city': pass --variable" in said
    assert "columns: 'phone', 'city'; variables of the template: 'name'" in said


def test_columns_are_given_to_variables_and_left_out_as_told() -> None:
    header = ["phone", "city", "x", "y"]
    draft = clear(header, ["name"], Wishes(variables={"name": "city"}, ignored=["x", "Y"]))
    assert draft.variables == {"name": 1}
    assert clear(header, ["x"], Wishes(ignore_rest=True)).variables == {"x": 2}


def test_one_column_may_be_the_number_and_a_variable() -> None:
    draft = clear(["phone", "name"], ["phone", "name"], Wishes(recipient="phone"))
    assert (draft.recipient, draft.variables) == (0, {"phone": 0, "name": 1})


def test_a_name_that_nothing_has_is_refused() -> None:
    for wishes in (
        Wishes(recipient="fone"),
        Wishes(ignored=["fone"]),
        Wishes(variables={"name": "fone"}),
    ):
        with pytest.raises(CommandError, match="no column is called 'fone': the file has: 'phone'"):
            drafted(["phone"], ["name"], wishes)
    with pytest.raises(CommandError, match="no variable named 'nome': it has: 'name'"):
        drafted(["phone"], ["name"], Wishes(variables={"nome": "phone"}))


def test_the_columns_of_a_rejects_file_are_not_surplus() -> None:
    assert clear([*REJECT_COLUMNS, "phone", "name"], ["name"]).recipient == 3


@pytest.mark.parametrize("name", ["+15005550001", "01713920000", "(0171) 392-0000", "+49 171 392"])
def test_a_list_without_a_header_is_refused(name: str) -> None:
    with pytest.raises(CommandError, match=r"row 1 holds '.*' where the names of the columns"):
        checked_first_row(["Ann", name])


def test_a_name_with_a_few_digits_is_a_name() -> None:
    checked_first_row(["phone", "name 1", "2024", "column 7", "Q1/2024", "2024 / 25"])


def test_the_flag_of_a_variable_has_a_name_and_a_column() -> None:
    assert parsed_variables(["a=b", "c=d=e"]) == {"a": "b", "c": "d=e"}
    for given in ("a", "=b", "a="):
        with pytest.raises(CommandError, match="takes NAME=COLUMN"):
            parsed_variables([given])
    with pytest.raises(CommandError, match="names 'a' twice"):
        parsed_variables(["a=b", "a=c"])


@pytest.mark.parametrize(
    "text", ["Zoe\u0301", "Zo\u00e9", "محمد", "\u200fمريم\u200e", "👩‍👩‍👧", "A\nB", "a  b"]
)
def test_a_variable_keeps_its_characters_and_loses_the_blanks_around_it(text: str) -> None:
    assert variables_of({"name": 1}, ["x", f" \u00a0{text}\t\n"]) == {"name": text}
