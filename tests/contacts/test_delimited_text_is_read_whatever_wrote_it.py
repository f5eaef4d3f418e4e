"""CSV and its relatives: delimiters, quotation marks, empty lines, ragged rows, row numbers."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sendonce.contacts.delimited import read_delimited
from sendonce.contacts.records import ContactList, UnreadableFileError


def read(text: str, *, delimiter: str | None = None) -> ContactList:
    return read_delimited(io.BytesIO(text.encode()), delimiter=delimiter)


def rows(text: str, *, delimiter: str | None = None) -> list[tuple[int, list[str], str | None]]:
    listed = read(text, delimiter=delimiter)
    return [(record.row, record.values, record.problem) for record in listed.records]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_recognised(delimiter: str) -> None:
    lines = ("phone;name", "+15005550001;Ann", "+15005550002;Bob")
    text = "".join(line.replace(";", delimiter) + "\r\n" for line in lines)
    assert read(text).header == ["phone", "name"]
    assert [values for _, values, _ in rows(text)] == [
        ["+15005550001", "Ann"],
        ["+15005550002", "Bob"],
    ]


def test_commas_in_the_cells_do_not_make_it_a_file_of_commas() -> None:
    text = "phone;name\n+15005550001;Lee, Ann\n+15005550002;Ray, Bob, jr.\n"
    assert [values[1] for _, values, _ in rows(text)] == ["Lee, Ann", "Ray, Bob, jr."]


def test_the_delimiter_is_the_one_that_cuts_the_rows_alike() -> None:
    text = "phone;name, as you like it, or not\n+15005550001;Ann\n+15005550002;Bob\n"
    assert read(text).header == ["phone", "name, as you like it, or not"]


def test_a_delimiter_that_is_given_is_not_second_guessed() -> None:
    assert read("phone,a;b\n1,2;3\n", delimiter=";").header == ["phone,a", "b"]


def test_a_list_of_one_column_needs_no_delimiter() -> None:
    assert [values for _, values, _ in rows("phone\n+15005550001\n")] == [["+15005550001"]]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_as_any_system_ends_them(end: str) -> None:
    text = end.join(("phone,name", "1,Ann", "2,Bob"))
    assert [values for _, values, _ in rows(text)] == [["1", "Ann"], ["2", "Bob"]]


def test_rows_are_counted_as_a_spreadsheet_counts_them() -> None:
    text = '\nphone,name\n1,"two\nlines"\n\n , \n2,Bob\n'
    # Row 1 is empty, row 2 the header, row 3 takes two lines, rows 4 and 5 are empty.
    assert rows(text) == [(3, ["1", "two\nlines"], None), (6, ["2", "Bob"], None)]


def test_quotation_marks_and_delimiters_inside_quotation_marks_are_text() -> None:
    assert rows('phone,name\n1,"Ann ""A"", Lee"\n2,5" pipe\n') == [
        (2, ["1", 'Ann "A", Lee'], None),
        (3, ["2", '5" pipe'], None),
    ]


def test_a_row_that_ends_early_has_empty_cells_there() -> None:
    assert rows("phone,name,city\n1,Ann\n") == [(2, ["1", "Ann", ""], None)]


def test_a_row_that_is_too_long_is_unusable_and_keeps_what_is_too_much() -> None:
    assert rows("phone,name\n1,Lee,Ann\n2,Bob,,\n") == [
        (2, ["1", "Lee", "Ann"], "the row has 3 cells, the header has 2"),
        (3, ["2", "Bob"], None),
    ]


def test_a_row_with_a_nul_character_is_unusable() -> None:
    ((row, values, problem),) = rows("phone,name\n1,An\0n\n")
    assert (row, values, problem) == (2, ["1", "An\0n"], "the row contains a NUL character")


def test_a_quotation_mark_nobody_closed_takes_no_other_row_with_it() -> None:
    text = 'phone,name\n1,"Ann\n' + "".join(f"{number},Bob\n" for number in range(2, 500))
    first, *others = rows(text)
    assert first[:2] == (2, ["1", '"Ann'])
    assert first[2] is not None
    assert "quotation mark is not closed" in first[2]
    assert others == [(number + 1, [str(number), "Bob"], None) for number in range(2, 500)]


def test_a_quotation_mark_closed_by_that_of_a_later_row_takes_no_row_with_it() -> None:
    text = 'phone,name\n1,"Ann\n2,Bob\n3,"Cy"\n4,Di\n'
    read_as = rows(text)
    assert [(row, problem is None) for row, _, problem in read_as] == [
        (2, False),
        (3, True),
        (4, True),
        (5, True),
    ]
    assert [values for _, values, problem in read_as if problem is None] == [
        ["2", "Bob"],
        ["3", "Cy"],
        ["4", "Di"],
    ]


def test_a_quotation_mark_nobody_closed_in_a_long_list_takes_no_row_with_it() -> None:
    text = 'phone,name\n1,"Ann\n' + "".join(f"{number},Bob\n" for number in range(2, 40_000))
    read_as = rows(text)
    assert len(read_as) == 39_999
    assert [row for row, _, problem in read_as if problem is not None] == [2]


def test_the_delimiter_is_recognised_before_a_quotation_mark_nobody_closed() -> None:
    text = 'phone;name\n1;"Ann\n' + "".join(f"{number};Bob\n" for number in range(2, 40_000))
    assert read(text).header == ["phone", "name"]


def test_text_after_a_closing_quotation_mark_is_not_guessed_at() -> None:
    ((_, values, problem), last) = rows('phone,name\n1,"say \\"hi\\""\n2,Bob\n')
    assert values == ["1", '"say \\"hi\\""']
    assert problem is not None
    assert "quotation mark" in problem
    assert last == (3, ["2", "Bob"], None)


def test_a_cell_of_100_000_characters_is_read_and_one_of_200_000_is_not() -> None:
    text = f"phone,name\n1,{'x' * 100_000}\n2,{'y' * 200_000}\n3,Ann\n"
    long, longer, short = rows(text)
    assert long == (2, ["1", "x" * 100_000], None)
    assert longer[2] is not None
    assert "more than 131,072 characters" in longer[2]
    assert longer[1] == ["2", "y" * 200_000]
    assert short == (4, ["3", "Ann"], None)


@pytest.mark.parametrize("text", ["", "\n\n", "  \n", "\ufeff", "\ufeff\r\n", ",,\n"])
def test_a_file_without_a_header_is_refused(text: str) -> None:
    with pytest.raises(UnreadableFileError, match="it needs a header row"):
        read(text)


def test_a_header_with_an_open_quotation_mark_is_refused() -> None:
    with pytest.raises(UnreadableFileError, match="row 1 cannot be read: a quotation mark"):
        read('phone,"name\n1,Ann\n')


def test_a_header_alone_is_a_list_of_nobody() -> None:
    assert rows("phone,name\n") == rows("phone,name") == []


def test_a_header_names_each_column_once() -> None:
    with pytest.raises(UnreadableFileError, match="the header names 'name' twice"):
        read("phone,name,city,name\n")


def test_columns_without_a_name_are_called_by_their_place_and_empty_ones_at_the_end_are_none() -> (
    None
):
    assert read(" phone ,,name,,\n").header == ["phone", "column 2", "name"]


@pytest.mark.parametrize("beginning", [b"PK\x03\x04", b"\xd0\xcf\x11\xe0"])
def test_a_spreadsheet_under_another_name_is_not_read_as_text(beginning: bytes) -> None:
    with pytest.raises(UnreadableFileError, match=r"this is a spreadsheet: name it \.xlsx"):
        read_delimited(io.BytesIO(beginning + bytes(100)))


#: Everything but half a surrogate, which no encoding has, and NUL, which makes a row unusable.
cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
tables = st.integers(2, 4).flatmap(
    lambda width: st.lists(st.lists(cells, min_size=width, max_size=width), max_size=8)
)


@given(
    table=tables,
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]),
    # Python's writer takes no \r for a reason to quote where lines end with \n.
    style=st.sampled_from(
        [(csv.QUOTE_MINIMAL, "\r\n"), (csv.QUOTE_ALL, "\r\n"), (csv.QUOTE_ALL, "\n")]
    ),
)
@example([["1", "\ufeffAnn"]], ",", "utf-8", (csv.QUOTE_MINIMAL, "\r\n"))
@example([["1", '"\r\n"']], ";", "utf-16-be", (csv.QUOTE_ALL, "\n"))
@example([["\r", "\n"]], "|", "utf-8", (csv.QUOTE_MINIMAL, "\r\n"))
def test_what_a_writer_of_csv_writes_is_read_back_the_same(
    table: list[list[str]], delimiter: str, encoding: str, style: tuple[int, str]
) -> None:
    width = len(table[0]) if table else 2
    header = [f"column_{place}" for place in range(width)]
    text = io.StringIO(newline="")
    quoting, end = style
    writer = csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator=end)  # type: ignore[arg-type]
    writer.writerows([header, *table])
    listed = read_delimited(
        io.BytesIO(text.getvalue().encode(encoding)),
        delimiter=delimiter,
        # Without a mark it has to be said, where a table has more signs than digits.
        encoding=encoding if encoding.endswith(("le", "be")) else None,
    )
    assert listed.header == header
    assert [(record.row, record.values, record.problem) for record in listed.records] == [
        (row, values, None)
        for row, values in enumerate(table, start=2)
        if any(value.strip() for value in values)
    ]


@given(st.binary(max_size=400), st.sampled_from([b"", b"phone,name\n", b"\xff\xfep\0\n\0"]))
def test_any_bytes_are_read_or_refused_and_break_nothing(content: bytes, beginning: bytes) -> None:
    try:
        listed = read_delimited(io.BytesIO(beginning + content))
        for record in listed.records:
            assert len(record.values) >= len(listed.header)
    except UnreadableFileError:
        pass
