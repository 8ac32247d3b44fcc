"""Reading a CSV file of unknown quality, line by line: what is broken is reported with its line, the rest is read.

Encoding and header are checked before the first record, because a file that is wrong there is wrong everywhere.
"""

import codecs
import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ops.failures import CommandFailed

DELIMITERS = (",", ";", "\t", "|")
#: Lines that one record may have; a quote that is open for longer was never meant to be.
LONGEST_RECORD = 1_000


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
    """A file whose encoding and header are right; raises CommandFailed for one that is not."""

    def __init__(self, path: Path) -> None:
        self._path = path
        #: About as many as there are records.
        self.line_count = _check_encoding(path)
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = next((line for line in file if line.strip()), "")
        self._delimiter = _delimiter(first)
        header = next(self._records(), None)
        if header is None:
            raise CommandFailed(f"{path} is empty: its first line has to name the columns.")
        if isinstance(header, BrokenRecord):
            raise CommandFailed(f"{path}, line {header.line}: {header.reason}.")
        self.header = [name.strip() for name in header.cells]
        # Spreadsheets like to write columns that have no name; nobody can ask for one.
        repeated = [name for name, count in Counter(self.header).items() if name and count > 1]
        if repeated:
            raise CommandFailed(f"{path}: the column {repeated[0]!r} is there more than once.")

    def records(self) -> Iterator[Record | BrokenRecord]:
        """Yield what comes after the header, blank lines left out."""
        records = self._records()
        next(records)
        width = len(self.header)
        for record in records:
            if isinstance(record, Record) and len(record.cells) != width:
                counts = f"{len(record.cells)} columns where the header has {width}"
                yield BrokenRecord(record.line, counts)
            else:
                yield record

    def _records(self) -> Iterator[Record | BrokenRecord]:
        with self._path.open(encoding="utf-8-sig", newline="") as file:
            lines = _Lines(file)
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


def _check_encoding(path: Path) -> int:
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
                    raise CommandFailed(_encoding_problem(path, lines + 1)) from error
                lines += block.count(b"\n")
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise CommandFailed(_encoding_problem(path, lines + 1)) from error
    except OSError as error:
        raise CommandFailed(f"{path} cannot be read: {error.strerror}.") from error
    return lines


def _encoding_problem(path: Path, line: int) -> str:
    return f"{path}, line {line}: is not UTF-8. Save the file with this encoding; nothing was imported."


def _delimiter(header: str) -> str:
    """Return the delimiter that the header has most of: spreadsheets of many countries write semicolons."""
    return max(DELIMITERS, key=header.count)
