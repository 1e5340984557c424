"""A text file with separators as a frame of text: by pyarrow where its lines are plain, else record by record."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv

from reeltune.trainables.data.reading.dialect import COLONS, Dialect
from reeltune.trainables.data.reading.quotes import Quoting, quoting_of, without_enclosing
from reeltune.trainables.data.reading.records import SPACES, Record, records
from reeltune.trainables.errors import InputError

UNUSED = "\x1f"  # ASCII's own 'unit separator', in place of a separator of several characters
BLOCK = 1 << 24  # bytes that pyarrow parses at a time; a row must fit in
ROWS_OF_PART = 100_000  # lists of text take ten times an Arrow table's memory
SHOWN = 80  # characters of a line in a message


@dataclass(frozen=True, kw_only=True)
class Read:
    """A frame of text, and how its rows lie in the file."""

    frame: pd.DataFrame
    notes: tuple[str, ...] = ()
    lines: np.ndarray | None = None  # of each row, from 1; None where the file's records are to be counted
    multiline: bool = False  # some values go over several lines
    quoting: Quoting = field(default_factory=Quoting)
    unquoted: frozenset[str] = frozenset()  # columns of a file without quoting whose values have lost their quotes


def read_delimited(source: str, content: bytes, dialect: Dialect, *, before: int = 0) -> Read:
    """Read the rows of a text file, or of a part of it that has so many lines before it.

    Raises InputError where a row has more fields than there are columns.
    """
    quoting = quoting_of(content, dialect, before=before)
    found = None if quoting.mixed else _by_arrow(content, dialect, quoting)
    if found is None:
        read = _by_record(source, content, dialect, before)
    else:
        read = Read(frame=found, notes=quoting.notes, multiline=quoting.multiline)
    frame = read.frame
    if dialect.trailing and frame.iloc[:, -1].isna().all():
        frame = frame.iloc[:, :-1]
    names = dialect.names if len(frame.columns) == len(dialect.names) else (*dialect.names, str(dialect.fields))
    frame.columns = pd.Index(names)
    unquoted = frozenset[str]()
    if quoting.literal and found is not None:
        frame, unquoted = without_enclosing(frame)
    return replace(read, frame=frame, quoting=quoting, unquoted=unquoted)


def _by_arrow(content: bytes, dialect: Dialect, quoting: Quoting) -> pd.DataFrame | None:
    """Read rows that have as many fields as there are columns; None where one has not."""
    body, separator = _with_one_character(content, _offset(content, dialect.start), dialect.separator)
    columns = [str(at) for at in range(dialect.fields)]
    irregular = False

    def judge(row: pa.csv.InvalidRow) -> str:
        nonlocal irregular
        if not row.text.strip():
            return "skip"
        irregular = True
        return "error"

    try:
        table = pa.csv.read_csv(
            body,
            read_options=pa.csv.ReadOptions(column_names=columns, block_size=BLOCK),
            parse_options=pa.csv.ParseOptions(
                delimiter=separator,
                quote_char='"' if quoting.enclose else False,
                newlines_in_values=quoting.multiline,
                invalid_row_handler=judge,
            ),
            convert_options=pa.csv.ConvertOptions(
                column_types={name: pa.string() for name in columns},
                null_values=[""],
                strings_can_be_null=True,
                check_utf8=False,
            ),
        )
    except pa.ArrowInvalid:
        return None  # a row of another number of fields, or one too long for a block
    if irregular or _has_empty_rows(table):
        return None
    return table.to_pandas()


def _has_empty_rows(table: pa.Table) -> bool:
    """Whether a row has separators and nothing between them, as Excel writes rows that were cleared."""
    empty = table.column(0).is_null()
    for column in table.columns[1:]:
        if not pa.compute.any(empty).as_py():
            return False
        empty = pa.compute.and_(empty, column.is_null())
    return bool(pa.compute.any(empty).as_py())


def _offset(content: bytes, lines: int) -> int:
    """Where the line after so many lines starts."""
    at = 0
    for _ in range(lines):
        at = content.find(b"\n", at) + 1
        if at == 0:
            return len(content)
    return at


def _with_one_character(content: bytes, start: int, separator: str) -> tuple[pa.Buffer, str]:
    """The rows, which start there, with a separator of one character; without a copy if it is one."""
    if separator == COLONS:
        return pa.py_buffer(content[start:].replace(b"::", UNUSED.encode())), UNUSED
    if separator == SPACES:
        body = re.sub(rb"(?m)^[ \t]+|[ \t]+$", b"", re.sub(rb"[ \t]+", b" ", content[start:]))
        return pa.py_buffer(body), " "
    return pa.py_buffer(content).slice(start), separator


def _by_record(source: str, content: bytes, dialect: Dialect, before: int) -> Read:
    kept = Rows(source=source, dialect=dialect)
    lines = content.decode().split("\n")
    for record in records(
        lines, start=dialect.start, separator=dialect.separator, fields=dialect.fields, quotes=dialect.quotes
    ):
        kept.add(replace(record, line=before + record.line), lines[record.line - 1])
    return Read(
        frame=kept.table().to_pandas(),
        notes=kept.notes(),
        lines=np.array(kept.lines, dtype=np.int64),
        multiline=kept.multiline,
    )


@dataclass(kw_only=True)
class Rows:
    """Collects records as rows of one width."""

    source: str
    dialect: Dialect
    fields: list[list[str]] = field(default_factory=list)  # of the last rows, which are not yet in `parts`
    parts: list[pa.Table] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    short: list[int] = field(default_factory=list)  # the lines of rows that lack fields
    literal: list[int] = field(default_factory=list)  # and of those whose quotes enclose nothing
    empty: list[int] = field(default_factory=list)  # and of those without any value, which are left out
    multiline: bool = False

    def add(self, record: Record, text: str) -> None:
        if not any(cell.strip() for cell in record.fields):
            self.empty.append(record.line)
            return
        fields, width = record.fields, self.dialect.fields
        while len(fields) > width and not fields[-1].strip():
            fields = fields[:-1]
        if len(fields) > width:
            shown = text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
            raise InputError(
                f"{self.source}:{record.line}: expected {width} fields ({', '.join(self.dialect.names)}); "
                f"found {len(fields)}: {shown!r} (a separator within a value needs quotes around the value)"
            )
        if len(fields) < width:
            if len(fields) < len(self.dialect.names):
                self.short.append(record.line)
            fields = [*fields, *[""] * (width - len(fields))]
        if record.literal:
            self.literal.append(record.line)
        self.multiline = self.multiline or record.lines > 1
        self.fields.append(fields)
        self.lines.append(record.line)
        if len(self.fields) == ROWS_OF_PART:
            self._pack()

    def _pack(self) -> None:
        columns = zip(*self.fields, strict=True) if self.fields else [()] * self.dialect.fields
        arrays = [pa.array([cell or None for cell in column], pa.string()) for column in columns]
        self.parts.append(pa.table(arrays, names=[str(at) for at in range(self.dialect.fields)]))
        self.fields = []

    def table(self) -> pa.Table:
        self._pack()
        return pa.concat_tables(self.parts)

    def notes(self) -> tuple[str, ...]:
        notes = []
        if self.short:
            notes.append(f"{_rows(self.short)} fewer fields than the file has columns; what is missing is empty")
        if self.empty:
            notes.append(f"{_rows(self.empty)} no values; left out")
        if self.literal:
            notes.append(f"{_rows(self.literal)} quotes that enclose no value; they are read as they stand")
        return tuple(notes)


def _rows(lines: Sequence[int]) -> str:
    return f"line {lines[0]} has" if len(lines) == 1 else f"{len(lines):,} rows (first line {lines[0]}) have"
