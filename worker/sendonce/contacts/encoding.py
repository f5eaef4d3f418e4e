"""Which encoding a text file has."""

from __future__ import annotations

import codecs
import re

from sendonce.contacts.records import UnreadableFileError

#: Longest first: the mark of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def checked_encoding(name: str) -> str:
    """The encoding of this name. Raises UnreadableFileError where Python knows none."""
    try:
        found = codecs.lookup(name)
        # Some codecs, such as base64, make no text.
        "".encode(found.name)
    except (LookupError, ValueError):
        raise UnreadableFileError(f"there is no encoding called {name!r}") from None
    return found.name


def recognised_encoding(sample: bytes, *, complete: bool) -> str:
    """The encoding of a file that begins like this: by its mark, else UTF-8, else by likeness.

    ``complete`` says that the sample is the whole file; else a character may be cut at its end.
    """
    for mark, name in _MARKS:
        if sample.startswith(mark):
            return name
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample, final=complete)
    except UnicodeDecodeError:
        return _likeliest(sample)
    return _without_mark(sample) or "utf-8"


def _without_mark(sample: bytes) -> str | None:
    # Digits, delimiters and ends of lines in UTF-16 have every second byte NUL, whatever script
    # the names are in, and may read as UTF-8 with NULs in it.
    pairs = len(sample) // 2
    first, second = sample[0::2].count(0), sample[1::2].count(0)
    if pairs >= 4:
        if second > 0.25 * pairs and first < 0.1 * second:
            return "utf-16-le"
        if first > 0.25 * pairs and second < 0.1 * first:
            return "utf-16-be"
    return None


def _likeliest(sample: bytes) -> str:
    if (wide := _without_mark(sample)) is not None:
        return wide
    # What Excel writes in Western Europe. Nothing else is taken for granted: a list has too little
    # text to tell the others apart, and a wrong guess sends people mangled names.
    if not _NOT_WESTERN.search(sample.decode("cp1252", errors="replace")):
        return "cp1252"
    from charset_normalizer import from_bytes

    best = from_bytes(sample[:65536]).best()
    perhaps = "" if best is None else f" (it may be {best.encoding})"
    raise UnreadableFileError(
        f"this is not UTF-8, and no other encoding is certain{perhaps}:"
        " pass --encoding, or save the file as UTF-8"
    )


_CAPITAL = "ŠŽŒŸÀ-ÖØ-Þ"
_SMALL = "šžœß-öø-ÿ"
_LETTER = f"A-Za-z{_CAPITAL}{_SMALL}"
#: What text of Western Europe does not have: a byte without a character, a control character,
#: three accented letters in a row, a sign inside a word or at its beginning, such as £ukasz, an
#: accented capital inside a word of small letters.
_NOT_WESTERN = re.compile(
    "\ufffd|[\\x00-\\x08\\x0e-\\x1f]"
    f"|[{_CAPITAL}{_SMALL}]{{3}}"
    f"|[{_LETTER}][¡-©«¬®-³µ¶¹»-¿\u00d7÷“”„‚‘‹›ƒ†‡ˆ\u02dc‰™][{_LETTER}]"  # noqa: RUF001
    f"|(?<!\\w)[¢-©¬®-±³¶¹¼-¾\u00d7÷][a-z{_CAPITAL}{_SMALL}]"
    f"|[A-Za-z{_SMALL}][{_CAPITAL}][a-z{_SMALL}]"
)
