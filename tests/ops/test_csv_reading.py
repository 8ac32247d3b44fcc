"""Reading CSV files of unknown quality: what is broken is named by its line, and everything else is read."""

import os
import threading
from pathlib import Path

import pytest

from ops.failures import CommandFailed
from ops.imports.csv_reading import LONGEST_RECORD, BrokenRecord, CsvFile, Record


def read(tmp_path: Path, content: str | bytes) -> list[tuple[int, list[str] | str]]:
    """Return (line, cells or reason) of each record behind the header."""
    path = tmp_path / "file.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return [
        (one.line, one.cells if isinstance(one, Record) else one.reason)
        for one in CsvFile(path).records()
        if isinstance(one, Record | BrokenRecord)
    ]


def test_quoted_cells_may_hold_anything(tmp_path: Path) -> None:
    """Delimiters, quotes and ends of lines; a record has the line on which it begins."""
    content = 'a,b\n1,"x, ""y""\nz"\n2,\n'
    assert read(tmp_path, content) == [(2, ["1", 'x, "y"\nz']), (4, ["2", ""])]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiter_is_what_the_header_has_most_of(tmp_path: Path, delimiter: str) -> None:
    """Spreadsheets of many countries write semicolons, with commas in numbers."""
    content = f"a{delimiter}b{delimiter}c\n1{delimiter}x y{delimiter}3\n"
    assert read(tmp_path, content) == [(2, ["1", "x y", "3"])]


def test_columns_may_have_no_name(tmp_path: Path) -> None:
    """Spreadsheets write as many as were ever touched."""
    assert read(tmp_path, "a,b,,\n1,2,,\n") == [(2, ["1", "2", "", ""])]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_as_on_any_system(tmp_path: Path, end: str) -> None:
    """Blank lines are nothing, but they count as lines."""
    assert read(tmp_path, end.join(["a,b", "1,2", "", "3,4"])) == [(2, ["1", "2"]), (4, ["3", "4"])]


def test_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    """As spreadsheets write it."""
    path = tmp_path / "file.csv"
    path.write_bytes(b"\xef\xbb\xbf a ,b\n")
    assert CsvFile(path).header == ["a", "b"]


def test_wrong_number_of_columns_breaks_one_row(tmp_path: Path) -> None:
    """Fewer or more than the header names."""
    assert read(tmp_path, "a,b\n1\n1,2\n1,2,3\n") == [
        (2, "1 columns where the header has 2"),
        (3, ["1", "2"]),
        (4, "3 columns where the header has 2"),
    ]


def test_quote_that_is_never_closed_breaks_its_line_only(tmp_path: Path) -> None:
    """What follows is read, however far the end of the file is."""
    rows = "".join(f"{number},ok\n" for number in range(3 * LONGEST_RECORD))
    records = read(tmp_path, f'a,b\n1,"open\n{rows}')
    assert records[0] == (2, "a quote is never closed")
    assert [record[1] for record in records[1:]] == [[str(number), "ok"] for number in range(3 * LONGEST_RECORD)]
    assert records[-1][0] == 3 * LONGEST_RECORD + 2


def test_text_behind_a_closing_quote_breaks_one_row(tmp_path: Path) -> None:
    """A quote within quotes has to be doubled."""
    assert read(tmp_path, 'a,b\n1,"x"y\n2,z\n') == [(2, "text stands behind a closing quote"), (3, ["2", "z"])]


def test_quote_within_plain_text_is_a_quote(tmp_path: Path) -> None:
    """Inches are no quotation."""
    assert read(tmp_path, 'a,b\n1,5" pipe\n') == [(2, ["1", '5" pipe'])]


def test_nul_breaks_one_row(tmp_path: Path) -> None:
    """The database could not hold it."""
    assert read(tmp_path, b"a,b\n1,\x00\n2,x\n") == [(2, "contains a NUL character"), (3, ["2", "x"])]


def test_cell_beyond_all_measure_breaks_one_row(tmp_path: Path) -> None:
    """Two hundred thousand characters are no name."""
    records = read(tmp_path, f"a,b\n1,{'x' * 200_000}\n2,y\n")
    assert records == [(2, "field larger than field limit (131072)"), (3, ["2", "y"])]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        pytest.param("a,b\n1,x\n2,Jürgen\n".encode("latin-1"), 3, id="latin-1"),
        pytest.param("a,b\n1,x\n".encode("utf-16"), 1, id="utf-16"),
        pytest.param(b"a,b\n1,x\n2,\xc3", 3, id="cut off"),
        pytest.param(b"a,b\n" + b"1,x\n" * 400_000 + b"\xff", 400_002, id="far behind"),
    ],
)
def test_other_encodings_are_refused_with_the_line(tmp_path: Path, content: bytes, line: int) -> None:
    """The whole file is: its other names would be wrong too."""
    with pytest.raises(CommandFailed, match=f"file.csv, line {line}: is not UTF-8"):
        read(tmp_path, content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("a,b,a\n", "the column 'a' is there more than once"),
        ('a,"b\n', "line 1: a quote is never closed"),
    ],
)
def test_file_without_a_proper_header_is_refused(tmp_path: Path, content: str, reason: str) -> None:
    """Nobody could know what the cells mean."""
    with pytest.raises(CommandFailed, match=reason):
        read(tmp_path, content)


def test_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """With the reason of the system; a directory likewise."""
    with pytest.raises(CommandFailed, match=r"nothing\.csv cannot be read: No such file"):
        CsvFile(tmp_path / "nothing.csv")
    with pytest.raises(CommandFailed, match="cannot be read: Is a directory"):
        CsvFile(tmp_path)


@pytest.mark.parametrize("blank", [",", " , ", ",,,,", "\t,"])
def test_rows_of_blanks_are_no_rows(tmp_path: Path, blank: str) -> None:
    """Spreadsheets write as many as were ever touched, of any width."""
    assert read(tmp_path, f"a,b\n1,2\n{blank}\n3,4\n{blank}\n{blank}\n") == [(2, ["1", "2"]), (4, ["3", "4"])]


@pytest.mark.parametrize(
    "header",
    ['"name, first, middle, last";b', '"say ""a,b,c""";b', '"two\nlines, of, a, name";b', 'a;"x,y,z"'],
)
def test_delimiters_within_quoted_names_do_not_count(tmp_path: Path, header: str) -> None:
    """They are part of the name."""
    assert [cells for _, cells in read(tmp_path, f"{header}\n1;2\n")] == [["1", "2"]]


@pytest.mark.parametrize(("line", "delimiter"), [("sep=;", ";"), ("SEP=,", ","), ("sep=\t", "\t"), ('"sep=;"', ";")])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_first_line_may_say_what_separates(tmp_path: Path, line: str, delimiter: str, mark: str) -> None:
    """As some spreadsheets want it; it counts as a line."""
    content = f"{mark}{line}\r\na{delimiter}b,|;\t\n".replace("b,|;\t", '"b,|;"') + f"1{delimiter}2\n"
    assert read(tmp_path, content) == [(3, ["1", "2"])]


def test_a_pipe_is_read_as_a_file_is(tmp_path: Path) -> None:
    """More than once."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_text("a,b\n1,2\n"))
    writer.start()
    file = CsvFile(pipe)
    writer.join()
    for _ in range(2):
        assert [one.cells for one in file.records() if isinstance(one, Record)] == [["1", "2"]]
