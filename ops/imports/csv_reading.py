"""Reading a CSV file of unknown quality, line by line: what is broken is reported with its line, the rest is read.

Encoding and header are checked before the first record, because a file that is wrong there is wrong everywhere.
"""

import codecs
import csv
import re
import shutil
import stat
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ops.failures import CommandFailed

DELIMITERS = (",", ";", "\t", "|")
#: Lines that one record may have; a quote that is open for longer was never meant to be.
LONGEST_RECORD = 1_000
#: Name of a file that stands for standard input.
STANDARD_INPUT = Path("-")

_QUOTED = re.compile(r'"(?:[^"]|"")*"')
#: First line by which spreadsheets say what separates the columns.
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Record:
    """A row of the file, with the line on which it begins."""

    line: int
    cells: list[str]


@dataclass(frozen=True, slots=True)
class BrokenRecord:
    """A row that cannot be read."""

    line: int
    reason: str


class CsvFile:
    """A file whose encoding and header are right; raises CommandFailed for one that is not.

    It is read more than once, so what can be read only once (standard input for `-`, pipes) is copied first.
    """

    def __init__(self, path: Path) -> None:
        name = "standard input" if path == STANDARD_INPUT else str(path)
        self._copy = _copy_of_stream(path, name)
        self._path = path if self._copy is None else Path(self._copy.name)
        #: About as many as there are records.
        self.line_count = _check_encoding(self._path, name)
        self._delimiter, self._lines_before_header = self._find_delimiter()
        header = next(self._records(), None)
        if header is None:
            raise CommandFailed(f"{name} is empty: its first line has to name the columns.")
        if isinstance(header, BrokenRecord):
            raise CommandFailed(f"{name}, line {header.line}: {header.reason}.")
        self.header = [name.strip() for name in header.cells]
        # Spreadsheets like to write columns that have no name; nobody can ask for one.
        repeated = [name for name, count in Counter(self.header).items() if name and count > 1]
        if repeated:
            raise CommandFailed(f"{name}: the column {repeated[0]!r} is there more than once.")

    def records(self) -> Iterator[Record | BrokenRecord]:
        """Yield what comes after the header, rows of nothing but blanks left out: spreadsheets add them at the end."""
        records = self._records()
        next(records)
        width = len(self.header)
        for record in records:
            if isinstance(record, Record) and not any(cell.strip() for cell in record.cells):
                continue
            if isinstance(record, Record) and len(record.cells) != width:
                counts = f"{len(record.cells)} columns where the header has {width}"
                yield BrokenRecord(record.line, counts)
            else:
                yield record

    def _find_delimiter(self) -> tuple[str, int]:
        """Return what separates the columns, and how many lines come before the header: a line like `sep=;` or none."""
        with self._path.open(encoding="utf-8-sig", newline="") as file:
            lines = [line for _, line in zip(range(LONGEST_RECORD), file, strict=False)]
        for number, line in enumerate(lines):
            if said := _SEPARATOR_LINE.fullmatch(line):
                return said[1], number + 1
            if line.strip():
                return _delimiter("".join(lines[number:])), 0
        return DELIMITERS[0], 0

    def _records(self) -> Iterator[Record | BrokenRecord]:
        with self._path.open(encoding="utf-8-sig", newline="") as file:
            lines = _Lines(file)
            for _ in range(self._lines_before_header):
                lines.begin_record()
                next(lines)
            while lines.begin_record():
                begin = lines.number + 1
                try:
                    # A new reader for each record: one that has failed once does not find back by itself.
                    cells = next(csv.reader(lines, delimiter=self._delimiter, strict=True))
                except (csv.Error, StopIteration) as error:
                    lines.go_back_to_second()
                    yield BrokenRecord(begin, _reason(error))
                    continue
                if any("\0" in cell for cell in cells):
                    yield BrokenRecord(begin, "contains a NUL character")
                elif cells:
                    yield Record(begin, cells)


class _Lines(Iterator[str]):
    """Lines of a file, of which those of the present record can be read again."""

    def __init__(self, file: Iterator[str]) -> None:
        self._file = file
        self._again: list[str] = []
        self._record: list[str] = []
        self.number = 0

    def begin_record(self) -> bool:
        """Forget the last record; tell whether there is another one."""
        self._record = []
        if not self._again:
            line = next(self._file, None)
            if line is None:
                return False
            self._again.append(line)
        return True

    def __next__(self) -> str:
        if len(self._record) == LONGEST_RECORD:
            raise StopIteration
        line = self._again.pop(0) if self._again else next(self._file)
        self._record.append(line)
        self.number += 1
        return line

    def go_back_to_second(self) -> None:
        """Have all lines of the record but its first read again: they may be records themselves."""
        following = self._record[1:]
        self._again = following + self._again
        self.number -= len(following)


def _reason(error: Exception) -> str:
    text = str(error)
    if not text or "unexpected end of data" in text:
        return "a quote is never closed"
    if "expected after" in text:
        return "text stands behind a closing quote"
    return text


def _copy_of_stream(path: Path, name: str) -> IO[bytes] | None:
    """Return a copy of what can be read only once; None for a file, and for what is not there."""
    try:
        if path != STANDARD_INPUT and (path.is_dir() or not path.exists() or stat.S_ISREG(path.stat().st_mode)):
            return None
        copy = tempfile.NamedTemporaryFile(prefix="mandate-import-")  # noqa: SIM115 - gone with the CsvFile
        if path == STANDARD_INPUT:
            shutil.copyfileobj(sys.stdin.buffer, copy)
        else:
            with path.open("rb") as stream:
                shutil.copyfileobj(stream, copy)
        copy.flush()
    except OSError as error:
        raise CommandFailed(f"{name} cannot be read: {error.strerror}.") from error
    return copy


def _check_encoding(path: Path, name: str) -> int:
    """Return the number of lines; raises CommandFailed, naming the line, unless all of it is UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    lines = 0
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                try:
                    decoder.decode(block)
                except UnicodeDecodeError as error:
                    # What the decoder had kept of the block before holds no end of a line.
                    lines += error.object[: error.start].count(b"\n")
                    raise CommandFailed(_encoding_problem(name, lines + 1)) from error
                lines += block.count(b"\n")
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise CommandFailed(_encoding_problem(name, lines + 1)) from error
    except OSError as error:
        raise CommandFailed(f"{name} cannot be read: {error.strerror}.") from error
    return lines


def _encoding_problem(name: str, line: int) -> str:
    return f"{name}, line {line}: is not UTF-8. Save the file with this encoding; nothing was imported."


def _delimiter(text: str) -> str:
    """Return the delimiter that the first record has most of, quoted names left out.

    Spreadsheets of many countries write semicolons.
    """
    header = _QUOTED.sub("", text).lstrip("\r\n").partition("\n")[0].partition("\r")[0]
    return max(DELIMITERS, key=header.count)
