"""Turns a number as people write it into E.164, or says why it is none.

What E.164 is, the database says again for every number that it is given.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING

from sendonce.errors import CommandError

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber


class Strictness(StrEnum):
    """How much a number has to be before it is taken."""

    #: Of a length that the country's plan has.
    POSSIBLE = "possible"
    #: In a range that the plan has given out. The plans change; a new range fails here.
    VALID = "valid"
    #: E.164 by its form alone, also where no country has the code.
    FORM = "form"


#: What may stand between the digits: blanks of every kind, brackets, dots, dashes, slashes.
_PUNCTUATION = re.compile(
    r"[\s()\[\]./\-\u00a0\u00ad\u200b-\u200f\u2010-\u2015\u202a-\u202e\u2060\ufeff]+"
)
#: As most lists have them all: nothing to clean, and a million of them to read.
_PLAIN = re.compile(r"\+[0-9]{4,15}")
#: What programs put around a number so that it stays text: '0171…, ="0171…", tel:0171….
_WRAPPING = re.compile(r"^(?:[\s'`\u2018\u2019\"=]|tel:)+|[\s'`\u2018\u2019\"]+$", re.IGNORECASE)
_EXPONENT = re.compile(r"\+?[0-9]+(?:[.,][0-9]+)?[eE]\+?[0-9]+")
#: A number that a program took for an amount. One with .0 lost nothing.
_DECIMAL = re.compile(r"([1-9][0-9]{6,})[.,]([0-9]{1,2})")
#: A second number after a break, or after a slash that a whole number stands before: taken as one,
#: the digits of both would be somebody else's number.
_SECOND_NUMBER = re.compile(
    r"[\r\n]|[0-9](?:[^0-9/]*[0-9]){8,}[^0-9/]*/|[0-9](?:[^0-9/]*[0-9]){4,}[^0-9/]*/\s*[+0]"
)
_LETTER = re.compile(r"[^\W\d_]")
#: By the numbers that phonenumbers gives to its errors.
_PARSE_PROBLEMS = {
    0: "no country has this code",
    1: "not a phone number",
    2: "too short after the international prefix",
    3: "too short for a phone number",
    4: "too long for a phone number",
}
_LENGTH_PROBLEMS = {
    1: "no country has this code",
    2: "too short for its country",
    3: "too long for its country",
    4: "only dialled locally: the area code is missing",
    5: "of no length that its country has",
}


class NumberReader:
    """Reads numbers of one list."""

    def __init__(
        self,
        region: str | None = None,
        strictness: Strictness = Strictness.POSSIBLE,
        *,
        with_country_code: bool = False,
    ):
        """``region`` is the country of numbers without a country code, such as DE.

        ``with_country_code``: every number has its own, though no plus may stand before it.
        """
        import phonenumbers

        if region and with_country_code:
            raise CommandError("--region is for numbers without a country code: leave one away")

        self._library = phonenumbers
        self._strictness = strictness
        self._with_country_code = with_country_code
        self._region = region.upper() if region else None
        if self._region is not None and self._region not in phonenumbers.SUPPORTED_REGIONS:
            raise CommandError(
                f"no region is called {region!r}: it is a country's code of two letters, such as DE"
            )
        self._abroad = _international_prefix(self._region)

    def read(self, given: str) -> tuple[str | None, str | None]:
        """The number in E.164 and None, or None and the reason why there is none."""
        if _PLAIN.fullmatch(given):
            return (given, None) if self._strictness is Strictness.FORM else self._parsed(given)
        bare = _WRAPPING.sub("", given)
        if _EXPONENT.fullmatch(bare):
            return None, "a spreadsheet rounded this number: format the column as text"
        if (decimal := _DECIMAL.fullmatch(bare)) is not None:
            if decimal[2].strip("0"):
                return None, "an amount, not a phone number"
            bare = decimal[1]
        if _SECOND_NUMBER.search(bare):
            return None, "more than one number"
        text = _PUNCTUATION.sub("", bare)
        if not text:
            return None, "the number is missing"
        if text.startswith("\uff0b"):
            text = "+" + text[1:]
        elif text.startswith("00") and not self._is_dialled_abroad(text):
            text = "+" + text[2:]
        elif self._with_country_code and not text.startswith("+"):
            if text.startswith("0"):
                return None, "no country code begins with 0"
            text = "+" + text
        # The zero in +49 (0)171… is dialled in some countries and not in others; the library knows.
        plain = "(0)" not in bare.replace(" ", "")
        if self._strictness is Strictness.FORM and plain and text.startswith("+"):
            # Digits of other scripts become ours; whether that is E.164, the database says.
            return "".join(
                str(int(character)) if character.isdecimal() else character for character in text
            ), None
        if not text.startswith("+") and self._region is None:
            return None, (
                "without a country code: pass --region, such as DE,"
                " or --with-country-code if it has one"
            )
        return self._parsed(text)

    def _is_dialled_abroad(self, text: str) -> bool:
        """Whether the region's own international prefix is longer than 00, such as 0011."""
        return self._abroad is not None and self._abroad.match(text) is not None

    def _parsed(self, text: str) -> tuple[str | None, str | None]:
        library = self._library
        try:
            number = library.parse(text, self._region)
        except library.NumberParseException as error:
            return None, _PARSE_PROBLEMS.get(error.error_type, "not a phone number")
        if number.extension:
            return None, "a number with an extension gets no messages"
        if _LETTER.search(text):
            return None, "not a phone number: it has letters in it"
        if not text.startswith("+") and self._may_have_its_code(text, number):
            return None, "with or without its country code? write + before it, or 0 if without"
        if self._strictness is Strictness.VALID:
            if not library.is_valid_number(number):
                return None, "no country has given out this number"
        elif self._strictness is Strictness.POSSIBLE:
            reason = library.is_possible_number_with_reason(number)
            if reason != library.ValidationResult.IS_POSSIBLE:
                return None, _LENGTH_PROBLEMS.get(reason, "not a possible number")
        return library.format_number(number, library.PhoneNumberFormat.E164), None

    def _may_have_its_code(self, text: str, number: PhoneNumber) -> bool:
        """Whether the text may begin with the region's own country code, without a plus.

        Lists of WhatsApp ids have their numbers so. Where that cannot be a national number the
        library has taken the code away already; else the two readings are two people's numbers.
        """
        library = self._library
        if not text.startswith(str(number.country_code)):
            return False
        try:
            other = library.parse(f"+{text}", None)
        except library.NumberParseException:
            return False
        return bool(other != number and library.is_valid_number(other))


def _international_prefix(region: str | None) -> re.Pattern[str] | None:
    if region is None:
        return None
    from phonenumbers import PhoneMetadata

    metadata = PhoneMetadata.metadata_for_region(region)
    prefix = metadata.international_prefix if metadata is not None else None
    # 00 itself is + everywhere.
    return re.compile(prefix) if prefix and prefix != "00" else None
