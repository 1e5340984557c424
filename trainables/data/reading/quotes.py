"""What the quotes in a text file do: enclose values, or stand in them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from reeltune.trainables.data.reading.dialect import Dialect
from reeltune.trainables.data.reading.records import SPACES, split_quoted

ENCLOSED = r'".*"'  # a value with quotes around it


@dataclass(frozen=True, kw_only=True)
class Quoting:
    """What the quotes of a file do: `enclose` fields, stand in them (`literal`), or some of each (`mixed`)."""

    enclose: bool = False
    literal: bool = False
    mixed: bool = False
    multiline: bool = False  # they enclose line breaks
    line: int | None = None  # the first with one that stands in a value, where they are `literal`
    notes: tuple[str, ...] = ()


def quoting_of(content: bytes, dialect: Dialect, *, before: int = 0) -> Quoting:
    """Tell what the quotes of a file do, or of a part of it that has so many lines before it."""
    if b"\r" in content:  # within a line: pyarrow would end the line there
        return Quoting(mixed=True)
    if not dialect.quotes or b'"' not in content:
        return Quoting()
    separator = dialect.separator
    if separator != SPACES and (strict := _strict(content, dialect)) is not None:
        return strict
    first_open = None
    whole = literal = True
    for line, text in lines_with_quotes(content, dialect.start):
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
    first_open = None if first_open is None else before + first_open
    note = f"read without quoting: a quote in line {first_open} does not enclose a value"
    return Quoting(literal=True, line=first_open, notes=(note,))


def encloses_strictly(content: bytes, dialect: Dialect) -> bool:
    """Whether every quote opens, closes or doubles another as the rules have it, and none may swallow lines."""
    return b"\r" not in content and dialect.separator != SPACES and _strict(content, dialect) is not None


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


def lines_with_quotes(content: bytes, start: int) -> list[tuple[int, str]]:
    lines = enumerate(content.split(b"\n"), 1)
    return [(number, line.decode()) for number, line in lines if number > start and b'"' in line]


def without_enclosing(frame: pd.DataFrame) -> tuple[pd.DataFrame, frozenset[str]]:
    """Of a file that is read without quoting: no quotes around the values of columns where most have them.

    Beside the frame, these columns.
    """
    plain, found = {}, set()
    for name in frame.columns:
        values = frame[name]
        enclosed = values.str.fullmatch(ENCLOSED, na=False)
        if enclosed.sum() * 2 > values.notna().sum():
            inner = values.str[1:-1].str.replace('""', '"', regex=False)
            values = values.where(~enclosed, inner)
            values = values.mask(values == "")
            found.add(name)
        plain[name] = values
    return pd.DataFrame(plain), frozenset(found)
