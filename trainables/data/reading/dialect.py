"""How a text file is written: what comes before its table, its separator, its header and its fields a row."""

import re
from collections import Counter
from dataclasses import dataclass

from reeltune.trainables.data.reading.header import (
    LEAST_OF_MATRIX,
    ROW_NAMES,
    Header,
    column_names,
    header_of,
    is_header,
    is_value,
)
from reeltune.trainables.data.reading.records import SPACES, records, split_line, split_plain
from reeltune.trainables.errors import InputError

COLONS = "::"  # MovieLens' separator; quotes mean nothing beside it
SEPARATORS = (COLONS, "\t", ";", "|", ",")
SAMPLE = 262_144  # bytes
SAMPLE_LINES = 500
NEARLY_ALL = 0.9  # of the lines have as many fields where a separator is the right one
SEP_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)  # Excel's
COMMENTS = "#%"


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How a text file is written."""

    separator: str
    start: int  # lines before the first row of data
    names: tuple[str, ...]
    in_file: bool  # whether the names stand in it
    quotes: bool  # whether quotes may enclose fields
    trailing: bool  # a separator ends each row: a field more, which holds nothing
    unnamed_first: bool = False  # there is a name fewer than fields, as R writes row names
    notes: tuple[str, ...] = ()

    @property
    def fields(self) -> int:
        """Of a row, with the empty one behind a separator that ends it."""
        return len(self.names) + self.trailing

    @property
    def too_few_names(self) -> str:
        named, fields = ", ".join(self.names[1:]), len(self.names)
        return f"{fields - 1} columns are named ({named}) and rows have {fields} fields; name all in line {self.start}"


def dialect_of(source: str, file: str, content: bytes) -> Dialect:
    """Tell by the head of a file how it is written. Raises InputError where there is nothing in it."""
    whole = len(content) <= SAMPLE
    sample = content if whole else content[: content.rfind(b"\n", 0, SAMPLE) + 1] or content[:SAMPLE]
    lines = sample.decode(errors="replace").split("\n")[:SAMPLE_LINES]
    at, separator, comments = _preamble(lines)
    if at == len(lines):
        raise InputError(f"{source}: is empty" if not comments else f"{source}: has comments and no rows")
    body = [line for line in lines[at:] if line.strip()]
    separator = separator or _separator(body)
    notes: tuple[str, ...] = ()
    if comments and _is_row(comments[-1], body, separator):
        body.insert(0, comments.pop())
        at = lines.index(body[0])
    if comments:
        header = _commented_header(comments[-1], body, separator)
        skipped = len(comments) - bool(header)
        if skipped:
            notes = (f"{skipped} comment line{'s' if skipped > 1 else ''} skipped",)
        if header:
            # The names are put before the rows, without their comment mark, as if they were the file's first line.
            body = [header, *body]
            notes = (*notes, "the names of the columns are in a comment line")
            at -= 1
    return _with_header(source, file, body, at, separator, notes)


def _preamble(lines: list[str]) -> tuple[int, str | None, list[str]]:
    """The index of the first line of the table, the separator if a line says it, and the lines of comments."""
    comments: list[str] = []
    separator = None
    marked = all(line.startswith(tuple(COMMENTS)) for line in lines if line.strip())
    for at, line in enumerate(lines):
        if not line.strip():
            continue
        said = SEP_LINE.fullmatch(line)
        if said and separator is None:
            separator = said[1]
        elif (line[0] in COMMENTS and not marked) or _has_sizes(comments):
            comments.append(line)
        else:
            return at, separator, comments
    return len(lines), separator, comments


def _has_sizes(comments: list[str]) -> bool:
    """Whether the next line says how many rows and columns there are, in the Matrix Market's format."""
    marked = [line for line in comments if line[0] in COMMENTS]
    return len(marked) == len(comments) > 0 and comments[0].startswith("%%MatrixMarket")


def _is_row(comment: str, body: list[str], separator: str) -> bool:
    """Whether a line is no comment but a row whose first id starts with the mark of one."""
    cells = split_line(comment, separator) or []
    rows = _rows(body, separator, len(cells))
    marked = comment[0] in COMMENTS and comment[1:2].strip() != ""
    return marked and len(cells) > 1 and bool(rows) and is_header(cells, rows) is False


def _commented_header(comment: str, body: list[str], separator: str) -> str | None:
    """A comment's text where it holds the names of the columns, as numpy's `savetxt` writes them."""
    text = comment.lstrip(COMMENTS).strip() if separator == SPACES else comment[1:].removeprefix(" ")
    cells = split_line(text, separator) or []
    rows = _rows(body, separator, len(cells))
    if len(cells) < 2 or not rows or any(is_value(cell) for cell in cells):
        return None
    return text if is_header(rows[0], rows[1:]) is not True and is_header(cells, rows) is not False else None


def _separator(lines: list[str]) -> str:
    """The separator by which nearly all lines have the same number of fields, and more than one."""
    counts = {separator: _counts(lines, separator) for separator in (*SEPARATORS, SPACES)}
    fields = {separator: _agreed(found) for separator, found in counts.items()}
    fit = [separator for separator in SEPARATORS if fields[separator]]
    if len(fit) > 1 and "," in fit and _decimal_commas(lines):
        fit.remove(",")
    best = max(fit, key=lambda separator: fields[separator], default=None)
    numbers = len(lines) > 1 and all(is_value(cell) for line in lines[1:] for cell in split_plain(line, SPACES))
    if fields[SPACES] > (2 if best is None else fields[best]) and (best is None or numbers):
        return SPACES
    if best is not None:
        return best
    if fields[SPACES] and numbers:
        return SPACES
    # Text over several lines hides the pattern.
    first = lines[0]
    return max((",", "\t", ";", "|", COLONS), key=lambda separator: first.count(separator))


def _counts(lines: list[str], separator: str) -> list[int]:
    return [len(split_line(line, separator) or ()) for line in lines]


def _agreed(counts: list[int]) -> int:
    """The number of fields that nearly all lines have; 0 where they have no such, or one.

    R's files have one name fewer in their first line.
    """
    fields, times = Counter(counts).most_common(1)[0]
    if fields < 2 or times < NEARLY_ALL * (len(counts) - 1):
        return 0
    return fields if counts[0] >= fields or counts[0] == fields - 1 >= 2 else 0


def _decimal_commas(lines: list[str]) -> bool:
    commas = sum(line.count(",") for line in lines)
    return commas == sum(len(re.findall(r"(?<=\d),(?=\d)", line)) for line in lines)


def _rows(lines: list[str], separator: str, fields: int) -> list[list[str]]:
    found = (split_line(line, separator, fields) for line in lines)
    return [row for row in found if row is not None]


def _with_header(source: str, file: str, body: list[str], at: int, separator: str, notes: tuple[str, ...]) -> Dialect:
    counted = _counts(body, separator)
    first = next(records(body, start=0, separator=separator, fields=counted[0]))
    agreed = _agreed(counted) if len(body) > 1 else 0
    short = agreed == len(first.fields) + 1
    if short:
        rows = _rows(body[1:], separator, agreed)
        trailing = _end_empty(rows)
        names = column_names(first.fields if trailing else ["", *first.fields])
        found = Header(names=names, in_file=True)
    else:
        rows = [first.fields, *_rows(body[1:], separator, len(first.fields))]
        trailing = _end_empty(rows)
        found = header_of(file, [row[:-1] for row in rows] if trailing else rows)
    if found.in_file and found.names[0] == ROW_NAMES:
        notes = (*notes, f"the first column has no name; it is called {ROW_NAMES}")
    dialect = Dialect(
        separator=separator,
        start=at + first.lines * found.in_file,
        names=_distinct(source, at + 1, found.names),
        in_file=found.in_file,
        quotes=separator != COLONS and not found.known,
        trailing=trailing,
        unnamed_first=short and not trailing,
        notes=(*notes, *found.notes),
    )
    if dialect.unnamed_first and not _are_row_names([row[0] for row in rows], columns=agreed):
        raise InputError(f"{source}:{dialect.start}: {dialect.too_few_names}")
    return dialect


def _are_row_names(cells: list[str], *, columns: int) -> bool:
    """R's row names: whole numbers that rise, or, of a matrix, anything that tells the rows apart."""
    if len(set(cells)) < len(cells):
        return False
    return columns > LEAST_OF_MATRIX or (all(cell.isdecimal() for cell in cells) and sorted(cells, key=int) == cells)


def _end_empty(rows: list[list[str]]) -> bool:
    """Whether each row ends with a separator, after which nothing comes."""
    return len(rows[0]) > 1 and all(not row[-1].strip() for row in rows)


def _distinct(source: str, line: int, names: tuple[str, ...]) -> tuple[str, ...]:
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise InputError(f"{source}:{line}: two columns are called {twice[0]!r}; rename one of them")
    return names
