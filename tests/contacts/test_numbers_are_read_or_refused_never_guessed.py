"""A number read wrongly is somebody else's: what is not certain is refused, in words."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendonce.contacts.numbers import NumberReader, Strictness
from sendonce.errors import CommandError

GERMANY = NumberReader("DE")
INDIA = NumberReader("IN")
AMERICA = NumberReader("US")
NOWHERE = NumberReader()
ROUNDED = "a spreadsheet rounded this number: format the column as text"
MORE = "more than one number"
WITHOUT_A_CODE = (
    "without a country code: pass --region, such as DE, or --with-country-code if it has one"
)


@pytest.mark.parametrize(
    "given_as",
    [
        "+49 171 3920000",
        "0049 171 3920000",
        "00491713920000",
        "(+49) 171 / 3920000",
        "+49 (0)171 3920000",
        "+49 (0) 171-39 20 000",
        "0171/3920000",
        "0171 / 39 20 000",
        "(0171) 3920-000",
        "0171.392.0000",
        "0171–3920000",  # noqa: RUF001
        "0171\u00a03920000",
        "171 3920000",
        "\u202a+49 171 3920000\u202c",
        "\ufeff+491713920000",
        "+４９１７１３９２００００",  # noqa: RUF001
        "＋491713920000",  # noqa: RUF001
        "٠١٧١٣٩٢٠٠٠٠",
        "+٤٩١٧١٣٩٢٠٠٠٠",
        "'01713920000",
        "’+491713920000",  # noqa: RUF001
        '="01713920000"',
        "tel:+49-171-3920000",
        "TEL: 0171 3920000",
        "0049/171/3920000",
        "1713920000.0",
        "  01713920000\t",
    ],
)
def test_a_german_number_is_read_however_people_write_it(given_as: str) -> None:
    assert GERMANY.read(given_as) == ("+491713920000", None)


@pytest.mark.parametrize("given_as", ["(202) 555-0143", "1-202-555-0143", "12025550143"])
def test_an_american_number_is_read_with_and_without_its_one(given_as: str) -> None:
    assert AMERICA.read(given_as) == ("+12025550143", None)


@pytest.mark.parametrize("given_as", ["011 49 171 3920000", "+49 171 3920000"])
def test_a_number_abroad_is_read_as_the_region_dials_it(given_as: str) -> None:
    assert AMERICA.read(given_as) == ("+491713920000", None)


def test_a_prefix_longer_than_00_is_not_taken_for_00() -> None:
    assert NumberReader("AU").read("0011 49 171 3920000") == ("+491713920000", None)


@pytest.mark.parametrize("given_as", ["12345 67890", "012345-67890", "91 12345 67890"])
def test_an_indian_number_is_read_with_its_zero_and_its_code(given_as: str) -> None:
    # A possible number that nobody has been given: none is set aside there for examples.
    assert INDIA.read(given_as) == ("+911234567890", None)


@pytest.mark.parametrize(
    "given_as",
    ["4.9155E+12", "4,9155E+12", "4.9155e12", "4E+12", "49E11", "'4.9155E+12", "+4.9155E+12"],
)
@pytest.mark.parametrize("reader", [NOWHERE, GERMANY, NumberReader("DE", Strictness.FORM)])
def test_a_number_that_a_spreadsheet_rounded_is_refused(
    given_as: str, reader: NumberReader
) -> None:
    assert reader.read(given_as) == (None, ROUNDED)


def test_an_amount_is_no_number_and_a_float_without_cents_lost_nothing() -> None:
    assert GERMANY.read("1713920000.5") == (None, "an amount, not a phone number")
    assert GERMANY.read("1713920000,75") == (None, "an amount, not a phone number")
    # Without its point it would be the number of somebody with one zero more.
    assert GERMANY.read("3023125000.0") == ("+493023125000", None)


@pytest.mark.parametrize(
    "given_as",
    [
        "030 23125001/02",
        "0171 3920001 / 0171 3920002",
        "030 23125/030 23126",
        "030 231\n030 232",
        "+49 30 231 / +49 30 232",
    ],
)
def test_two_numbers_in_one_cell_are_not_read_as_one(given_as: str) -> None:
    assert GERMANY.read(given_as) == (None, MORE)


def test_a_number_with_its_code_but_no_plus_is_refused_where_it_is_two_numbers() -> None:
    number, problem = GERMANY.read("491713920000")
    assert number is None
    assert problem == "with or without its country code? write + before it, or 0 if without"
    # Too short to be a number with the code.
    assert GERMANY.read("4915551") == ("+494915551", None)
    assert GERMANY.read("0491713920000") == ("+49491713920000", None)


def test_a_number_with_its_code_but_no_plus_is_read_where_it_can_be_nothing_else() -> None:
    # 04477 0990012 is in no range of the United Kingdom; +44 7700 900123 is set aside for films.
    assert NumberReader("GB").read("447700900123") == ("+447700900123", None)


@pytest.mark.parametrize(
    ("given_as", "reason"),
    [
        ("0171 3920000 ext. 5", "extension"),
        ("0171 3920000 x12", "extension"),
        ("+491713920000;ext=3", "extension"),
        ("+491713920000,5", "extension"),
        ("1-800-FLOWERS", "letters"),
        ("+49 171 392000O", "letters"),
        ("wa.me/491713920000", "letters"),
        ("Ann", "not a phone number"),
        ("nan", "not a phone number"),
        ("N/A", "not a phone number"),
        ("+", "not a phone number"),
        ("00", "not a phone number"),
        ("12", "only dialled locally"),
        ("+999123456789", "no country has this code"),
        ("+491713920000391713920000", "too long"),
        ("+1 202 555", "too short"),
        ("", "the number is missing"),
        ("   ", "the number is missing"),
        ("'", "the number is missing"),
        ("-", "the number is missing"),
        ("0171 3920000 or 0171 3920001", "too long"),
    ],
)
def test_what_is_no_number_is_refused_with_the_reason(given_as: str, reason: str) -> None:
    number, problem = GERMANY.read(given_as)
    assert number is None
    assert problem is not None
    assert reason in problem


@pytest.mark.parametrize("given_as", ["01713920000", "491713920000", "202 555 0143"])
def test_without_a_region_a_number_needs_its_country_code(given_as: str) -> None:
    assert NOWHERE.read(given_as) == (None, WITHOUT_A_CODE)
    assert NOWHERE.read("+491713920000") == ("+491713920000", None)
    assert NOWHERE.read("\uff0b491713920000") == ("+491713920000", None)
    assert NOWHERE.read("00491713920000") == ("+491713920000", None)


def test_the_strictnesses_differ_in_what_has_to_be_given_out() -> None:
    number = {strictness: NumberReader("US", strictness) for strictness in Strictness}
    fictitious = "+15550100200"  # A possible number in no area.
    assert number[Strictness.FORM].read(fictitious)[0] == fictitious
    assert number[Strictness.POSSIBLE].read(fictitious)[0] == fictitious
    assert number[Strictness.VALID].read(fictitious) == (
        None,
        "no country has given out this number",
    )
    assert number[Strictness.POSSIBLE].read("+1555010020") == (None, "too short for its country")
    assert number[Strictness.FORM].read("+1555010020") == ("+1555010020", None)
    for strictness in (Strictness.POSSIBLE, Strictness.VALID):
        assert number[strictness].read("+999123456789")[1] == "no country has this code"
    assert number[Strictness.FORM].read("+999 123-456 789") == ("+999123456789", None)
    assert number[Strictness.FORM].read("+٩٩٩123456789") == ("+999123456789", None)
    for reader in number.values():
        assert reader.read("+12025550143") == ("+12025550143", None)


def test_by_form_alone_the_zero_in_brackets_is_not_dialled_either() -> None:
    reader = NumberReader(None, Strictness.FORM)
    assert reader.read("+49 (0)171 3920000") == ("+491713920000", None)
    assert reader.read("+49 ( 0 ) 171 3920000") == ("+491713920000", None)
    assert reader.read("+39 (0)6 123456") == ("+3906123456", None)


@pytest.mark.parametrize("region", ["XX", "Germany", "49", "001", "D"])
def test_a_region_is_a_country(region: str) -> None:
    with pytest.raises(CommandError, match="no region is called"):
        NumberReader(region)


def test_a_region_is_read_in_small_letters_too() -> None:
    assert NumberReader("de").read("01713920000") == ("+491713920000", None)


@given(
    st.text(alphabet="+0123456789 ()-/.,;eE'=x٣\u00a0\n", max_size=24),
    st.sampled_from([NOWHERE, GERMANY, INDIA, AMERICA]),
)
def test_what_is_read_is_e164_and_what_is_not_has_a_reason(text: str, reader: NumberReader) -> None:
    number, problem = reader.read(text)
    assert (number is None) == (problem is not None)
    if number is not None:
        assert re.fullmatch(r"\+[1-9][0-9]{4,16}", number)
        # Its digits are those written, but for prefixes: none is added or exchanged.
        written = "".join(str(int(c)) for c in text if c.isdecimal())
        assert number[-4:] in written or ".0" in text or ",0" in text


@given(st.integers(0, 99))
def test_a_number_in_e164_is_read_as_itself_in_every_region(end: int) -> None:
    number = f"+4917139200{end:02}"
    for reader in (NOWHERE, GERMANY, INDIA, AMERICA):
        assert reader.read(number) == (number, None)


@pytest.mark.parametrize("strictness", Strictness)
@pytest.mark.parametrize(
    "text", ["12025550143", "+1 202-555-0143", "001 (202) 5550143", "1.2025550143"]
)
def test_a_number_with_its_country_code_needs_no_plus_where_that_is_said(
    strictness: Strictness, text: str
) -> None:
    reader = NumberReader(None, strictness, with_country_code=True)
    assert reader.read(text) == ("+12025550143", None)


def test_where_all_have_their_country_code_none_begins_with_0_and_no_region_is_asked() -> None:
    reader = NumberReader(with_country_code=True)
    assert reader.read("0171 3920000") == (None, "no country code begins with 0")
    assert reader.read("4.9155E+12")[0] is None
    with pytest.raises(CommandError, match="leave one away"):
        NumberReader("DE", with_country_code=True)
