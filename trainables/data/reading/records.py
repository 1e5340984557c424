"""Splits lines into fields, whatever their quotes: where a quote only opens, it is part of the text.

A quote that a later line closes would swallow the lines between. So a record goes over several lines only where its
lines are not records by themselves.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass

LARGEST_FIELD = 2**31 - 1
SPACES = " "  # as separator: one or more blanks


@dataclass(frozen=True, kw_only=True)
class Record:
    line: int  # its first line in the file, from 1
    fields: list[str]
    lines: int = 1
    literal: bool = False  # its quotes enclose no fields, and are read as they stand


def split_plain(line: str, separator: str) -> list[str]:
    """The fields of a line in which quotes mean nothing."""
    return line.split() if separator == SPACES else line.split(separator)


def split_quoted(text: str, separator: str, *, backslashes: bool = False) -> list[str] | None:
    """The fields of one record by the rules of quoting; None where a quote is not closed, or closes within a field.

    `backslashes`: a quote in a quoted field is written `\\"`, as Spark does it, and not doubled.
    """
    csv.field_size_limit(LARGEST_FIELD)
    spaced = separator == SPACES
    reader = csv.reader(
        [text.strip() if spaced else text],
        delimiter=separator,
        strict=True,
        skipinitialspace=spaced or f'{separator} "' in text,
        escapechar="\\" if backslashes else None,
        doublequote=not backslashes,
    )
    try:
        return next(reader, [])
    except csv.Error:
        return None


def split_line(line: str, separator: str, fields: int | None = None) -> list[str] | None:
    """The fields of a line that is a record by itself: `fields` of them if a number is given; else None."""
    if '"' in line and len(separator) == 1:
        for backslashes in (False, True):
            if not backslashes or '\\"' in line:
                found = split_quoted(line, separator, backslashes=backslashes)
                if found is not None and fields in (None, len(found)):
                    return found
    plain = split_plain(line, separator)
    return plain if fields in (None, len(plain)) else None


def records(lines: list[str], *, start: int, separator: str, fields: int, quotes: bool = True) -> Iterator[Record]:
    """The records from the line with index `start` on. Some may have another number of fields: the caller judges it."""
    quotes = quotes and len(separator) == 1
    at = start
    while at < len(lines):
        line = lines[at]
        if not line.strip():
            at += 1
            continue
        if quotes and '"' in line:
            record = _quoted(lines, at, separator, fields)
        else:
            record = Record(line=at + 1, fields=split_plain(line, separator))
        yield record
        at += record.lines


def _quoted(lines: list[str], at: int, separator: str, fields: int) -> Record:
    line = lines[at]
    found = _alone(line, separator, fields)
    if found is not None:
        return Record(line=at + 1, fields=found)
    joined = _joined(lines, at, separator, fields)
    if joined is not None:
        return joined
    plain = split_plain(line, separator)
    if len(plain) == fields:
        return Record(line=at + 1, fields=plain, literal=True)
    quoted = split_quoted(line, separator)
    return Record(line=at + 1, fields=plain if quoted is None else quoted, literal=quoted is None)


def _alone(line: str, separator: str, fields: int) -> list[str] | None:
    """The fields of a line whose quotes enclose some of them, if it is a record by itself."""
    for backslashes in (False, True) if '\\"' in line else (False,):
        found = split_quoted(line, separator, backslashes=backslashes)
        if found is not None and len(found) == fields:
            return found
    return None


def first_open(lines: list[str], *, start: int, separator: str, fields: int) -> int:
    """The index of the first line with a quote that no later line closes; the number of lines if there is none.

    What comes before it is the same records whatever lines follow.
    """
    at = start
    while at < len(lines):
        if '"' not in lines[at]:
            at += 1
            continue
        if _alone(lines[at], separator, fields) is None and _closing(lines, at) is None:
            return at
        at += _quoted(lines, at, separator, fields).lines
    return len(lines)


def _closing(lines: list[str], at: int) -> int | None:
    """The index of the line that closes the quotes from this line on; None if none does."""
    marks = 0
    for end in range(at, len(lines)):
        marks += lines[end].count('"') - lines[end].count('\\"')
        if marks % 2 == 0:
            return end
    return None


def _joined(lines: list[str], at: int, separator: str, fields: int) -> Record | None:
    """The record that opens a quote here and closes it in a later line; None where the lines are records themselves."""
    end = _closing(lines, at)
    if end is None or end == at:
        return None
    swallowed = lines[at : end + 1]
    if all(split_line(line, separator, fields) for line in swallowed):
        return None
    text = "\n".join(swallowed)
    found = split_quoted(text, separator, backslashes='\\"' in text)
    if found is None or len(found) != fields:
        return None
    return Record(line=at + 1, fields=found, lines=len(swallowed))
