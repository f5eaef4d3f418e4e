"""Which encoding a text file has."""

from __future__ import annotations

import codecs

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
    # ASCII text in UTF-16 is every second byte NUL, and reads as UTF-8 with NULs in it.
    pairs = len(sample) // 2
    if pairs >= 4:
        if sample[1::2].count(0) > 0.7 * pairs and sample[0::2].count(0) < 0.1 * pairs:
            return "utf-16-le"
        if sample[0::2].count(0) > 0.7 * pairs and sample[1::2].count(0) < 0.1 * pairs:
            return "utf-16-be"
    return None


def _likeliest(sample: bytes) -> str:
    from charset_normalizer import from_bytes

    if (wide := _without_mark(sample)) is not None:
        return wide
    # What Excel writes in Western Europe: as likely as everything else together, and a short
    # sample gives the guess nothing to go by.
    best = from_bytes(sample[:65536]).best()
    if best is None or best.encoding in _WESTERN:
        return "cp1252"
    return best.encoding


_WESTERN = frozenset({"latin_1", "iso8859_15", "cp1252", "cp1250", "cp850", "cp437", "mac_roman"})
