"""A text file with separators as a frame of text: by pyarrow where its lines are plain, else record by record."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv

from reeltune.trainables.data.dialect import COLONS, Dialect
from reeltune.trainables.data.records import SPACES, Record, records, split_quoted
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


def read_delimited(source: str, content: bytes, dialect: Dialect) -> Read:
    """Read the rows of a text file. Raises InputError where a row has more fields than there are columns."""
    quoting = _quoting(content, dialect)
    if b"\r" in content:  # within a line: pyarrow would end the line there
        quoting = Quoting(mixed=True)
    found = None if quoting.mixed else _by_arrow(content, dialect, quoting)
    if found is None:
        read = _by_record(source, content, dialect)
    else:
        read = Read(frame=found, notes=quoting.notes, multiline=quoting.multiline)
    frame = read.frame
    if dialect.trailing and frame.iloc[:, -1].isna().all():
        frame = frame.iloc[:, :-1]
    names = dialect.names if len(frame.columns) == len(dialect.names) else (*dialect.names, str(dialect.fields))
    frame.columns = pd.Index(names)
    if quoting.literal and found is not None:
        frame = _without_enclosing(frame)
    return Read(frame=frame, notes=read.notes, lines=read.lines, multiline=read.multiline)


@dataclass(frozen=True, kw_only=True)
class Quoting:
    """What the quotes of a file do: `enclose` fields, stand in them (`literal`), or some of each (`mixed`)."""

    enclose: bool = False
    literal: bool = False
    mixed: bool = False
    multiline: bool = False  # they enclose line breaks
    notes: tuple[str, ...] = ()


def _quoting(content: bytes, dialect: Dialect) -> Quoting:
    if not dialect.quotes or b'"' not in content:
        return Quoting()
    separator = dialect.separator
    if separator != SPACES and (strict := _strict(content, dialect)) is not None:
        return strict
    first_open = None
    whole = literal = True
    for line, text in _lines_with_quotes(content, dialect.start):
        literal = literal and separator != SPACES and text.count(separator) == dialect.fields - 1
        quoted = split_quoted(text, separator)
        if quoted is None or len(quoted) != dialect.fields:
            first_open = first_open or line
            whole = False
        if not whole and not literal:
            return Quoting(mixed=True)
    if whole:
        # Runs of blanks are for the records to split; so are blanks before a quote.
        spaced = separator == SPACES or f'{separator} "'.encode() in content
        return Quoting(mixed=spaced, enclose=not spaced)
    note = f"read without quoting: a quote in line {first_open} does not enclose a value"
    return Quoting(literal=True, notes=(note,))


def _strict(content: bytes, dialect: Dialect) -> Quoting | None:
    """Of a file in which every quote opens, closes or doubles another as the rules have it; else None.

    None too where a quote may swallow lines: what is before the closing one's line end is a row by itself.
    """
    text = np.frombuffer(b"\n" + content + b"\n", dtype=np.uint8)
    places = np.flatnonzero(text == ord('"'))
    if len(places) % 2:
        return None
    edges = np.zeros(256, dtype=bool)
    edges[[ord(dialect.separator), ord("\n"), ord('"')]] = True
    opens, closes = places[::2], places[1::2]
    if not (edges[text[opens - 1]].all() and edges[text[closes + 1]].all()):
        return None
    breaks = np.flatnonzero(text == ord("\n"))
    last = np.searchsorted(breaks, closes)
    over = np.searchsorted(breaks, opens) < last
    if over.any():
        separators = np.flatnonzero(text == ord(dialect.separator))
        lines = np.unique(last[over])
        in_line = np.searchsorted(separators, breaks[lines]) - np.searchsorted(separators, breaks[lines - 1])
        if (in_line == dialect.fields - 1).any():
            return None
    return Quoting(enclose=True, multiline=bool(over.any()))


def _lines_with_quotes(content: bytes, start: int) -> list[tuple[int, str]]:
    lines = enumerate(content.split(b"\n"), 1)
    return [(number, line.decode()) for number, line in lines if number > start and b'"' in line]


def _by_arrow(content: bytes, dialect: Dialect, quoting: Quoting) -> pd.DataFrame | None:
    """Read rows that have as many fields as there are columns; None where one has not."""
    body, separator = _with_one_character(content[_offset(content, dialect.start) :], dialect.separator)
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
            pa.py_buffer(body),
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
    return None if irregular else table.to_pandas()


def _offset(content: bytes, lines: int) -> int:
    """Where the line after so many lines starts."""
    at = 0
    for _ in range(lines):
        at = content.find(b"\n", at) + 1
        if at == 0:
            return len(content)
    return at


def _with_one_character(body: bytes, separator: str) -> tuple[bytes, str]:
    if separator == COLONS:
        return body.replace(b"::", UNUSED.encode()), UNUSED
    if separator == SPACES:
        return re.sub(rb"(?m)^[ \t]+|[ \t]+$", b"", re.sub(rb"[ \t]+", b" ", body)), " "
    return body, separator


def _by_record(source: str, content: bytes, dialect: Dialect) -> Read:
    kept = Rows(source=source, dialect=dialect)
    lines = content.decode().split("\n")
    for record in records(
        lines, start=dialect.start, separator=dialect.separator, fields=dialect.fields, quotes=dialect.quotes
    ):
        kept.add(record, lines[record.line - 1])
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
    multiline: bool = False

    def add(self, record: Record, text: str) -> None:
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
        if self.literal:
            notes.append(f"{_rows(self.literal)} quotes that enclose no value; they are read as they stand")
        return tuple(notes)


def _rows(lines: Sequence[int]) -> str:
    return f"line {lines[0]} has" if len(lines) == 1 else f"{len(lines):,} rows (first line {lines[0]}) have"


def _without_enclosing(frame: pd.DataFrame) -> pd.DataFrame:
    """Of a file that is read without quoting: no quotes around the values of columns where most have them."""
    plain = {}
    for name in frame.columns:
        values = frame[name]
        enclosed = values.str.fullmatch(r'".*"', na=False)
        if enclosed.sum() * 2 > values.notna().sum():
            inner = values.str[1:-1].str.replace('""', '"', regex=False)
            values = values.where(~enclosed, inner)
            values = values.mask(values == "")
        plain[name] = values
    return pd.DataFrame(plain)
