"""The encoding of a list is certain, or it has to be named: mangled names go to real people."""

from __future__ import annotations

import io

import pytest

from sendonce.contacts.delimited import read_delimited
from sendonce.contacts.encoding import checked_encoding
from sendonce.contacts.records import ContactList, UnreadableFileError

WESTERN = [
    "Müller",
    "José",
    "Zoë Ångström",
    "François Œuvré",
    "Straße",
    "é",
    "Conceição",
    "O’Brien",  # noqa: RUF001
    "“naïve” – 5 €",  # noqa: RUF001
    "¡Hola, Iñigo!",
    "«Ça va»",
    "N.º 1ª",
]


def names(content: bytes, encoding: str | None = None) -> list[str]:
    return [record.values[1] for record in listed(content, encoding).records]


def listed(content: bytes, encoding: str | None = None) -> ContactList:
    return read_delimited(io.BytesIO(content), encoding=encoding)


def of(name: str, times: int = 1) -> str:
    return "recipient;name\n" + f"+15005550001;{name}\n" * times


@pytest.mark.parametrize("times", [1, 5, 50])
@pytest.mark.parametrize("name", WESTERN)
def test_what_excel_writes_in_western_europe_is_recognised(name: str, times: int) -> None:
    content = of(name, times).encode("cp1252")
    assert names(content) == [name] * times
    assert listed(content).description == "CP1252, separated by semicolons"


@pytest.mark.parametrize("name", ["Müller", "Conceição", "José"])
def test_latin_1_reads_as_its_windows_relative(name: str) -> None:
    assert names(of(name).encode("latin-1")) == [name]


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("Иван Петров", "cp1251"),
        ("Иван Петров", "koi8-r"),
        ("Łukasz Żółć", "cp1250"),
        ("Γιώργος", "cp1253"),
        ("محمد", "cp1256"),
        ("山田太郎", "shift_jis"),
        ("王伟", "gb18030"),
        ("Müller", "cp437"),
        ("Żaneta", "cp1250"),
        ("Müller", "mac_roman"),
    ],
)
@pytest.mark.parametrize("times", [1, 50])
def test_every_other_encoding_has_to_be_named(name: str, encoding: str, times: int) -> None:
    content = of(name, times).encode(encoding)
    with pytest.raises(UnreadableFileError, match=r"no other encoding is certain.*pass --encoding"):
        listed(content)
    assert names(content, encoding) == [name] * times


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("name", ["Müller", "राहुल", "山田", "محمد", "Zoe\u0301", "👩‍👩‍👧"])
def test_unicode_with_a_mark_and_utf_8_without_are_recognised(name: str, encoding: str) -> None:
    content = of(name).encode(encoding)
    assert listed(content).header == ["recipient", "name"]
    assert names(content) == [name]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("name", ["Müller", "राहुल शर्मा", "山田", "محمد"])
def test_utf_16_without_a_mark_is_recognised(name: str, encoding: str) -> None:
    assert names(of(name).encode(encoding)) == [name]
    assert names(of(name, 500).encode(encoding)) == [name] * 500


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
def test_a_mark_is_no_part_of_the_first_name_even_before_a_quotation_mark(encoding: str) -> None:
    content = ('\ufeff"recipient";"name"\n' + "1;Ann\n").encode(encoding)
    assert listed(content, encoding).header == ["recipient", "name"]


def test_a_character_cut_by_the_end_of_the_sample_is_no_other_encoding() -> None:
    for shift in range(4):
        content = ("recipient;name\n" + "x" * shift + ";" + "1;é\n" * 70_000).encode()
        assert listed(content).description.startswith("UTF-8")


def test_a_list_that_ends_inside_a_character_is_not_utf_8() -> None:
    with pytest.raises(UnreadableFileError, match=r"is not UTF-8 .*pass --encoding"):
        names("recipient;name\n1;é".encode()[:-1], "utf-8")


def test_bytes_that_turn_bad_late_are_told_with_a_row_at_or_before_them() -> None:
    content = of("Ann", 70_000).encode() + b"+15005550002;M\xfcller\n" + of("Bob", 70_000).encode()
    assert len(of("Ann", 70_000)) > 1 << 20
    records = listed(content).records
    read: list[int] = []
    with pytest.raises(UnreadableFileError) as told:
        read.extend(record.row for record in records)
    assert f"after row {read[-1]} a byte is not UTF-8" in str(told.value)
    assert 50_000 < read[-1] <= 70_001
    assert read == list(range(2, read[-1] + 1))


def test_utf_16_that_ends_in_half_a_character_is_told() -> None:
    with pytest.raises(UnreadableFileError, match="a byte is not UTF-16"):
        names(of("Ann").encode("utf-16") + b"x")


@pytest.mark.parametrize("name", ["no-such", "base64", "rot13", "", "cp 1252 x"])
def test_an_encoding_that_makes_no_text_is_refused(name: str) -> None:
    with pytest.raises(UnreadableFileError, match="there is no encoding called"):
        checked_encoding(name)


def test_an_encoding_that_is_given_is_not_second_guessed() -> None:
    assert names(of("Дом").encode("cp1251"), "cp1251") == ["Дом"]
    assert names(of("Dvořák").encode("cp1250"), "cp1250") == ["Dvořák"]
