"""Where a large text file can be cut: at ends of rows, as the whole file would be read."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from reeltune.trainables.data.reading.dialect import Dialect
from reeltune.trainables.data.reading.quotes import encloses_strictly
from reeltune.trainables.data.reading.records import first_open, split_line
from reeltune.trainables.errors import InputError

BLOCKS_HELD = 4  # blocks in which a quote may stay open; more is no value of a table but a stray quote


def pieces(source: str, dialect: Dialect, blocks: Iterable[bytes], *, most: int) -> Iterator[bytes]:
    """The same bytes, cut where rows end.

    Raises InputError where a quote is open for more than `most` bytes and the lines in it are no rows by themselves.
    """
    rest, lines = b"", 0
    for block in blocks:
        rest += block
        here = replace(dialect, start=0) if lines else dialect
        end = end_of_rows(rest, here)
        if not end and len(rest) > most:
            end = _end_of_plain_rows(source, rest, here, lines)
        if end:
            yield rest[:end]
            lines += rest.count(b"\n", 0, end)
            rest = rest[end:]
    if rest:
        yield rest


def end_of_rows(content: bytes, dialect: Dialect) -> int:
    """Where the last row ends that nothing behind it can change; 0 if none does."""
    breaks = _places(content, "\n")
    lines = _whole_lines(content, breaks, dialect)
    return int(breaks[lines - 1]) + 1 if lines > dialect.start else 0


def _whole_lines(content: bytes, breaks: np.ndarray, dialect: Dialect) -> int:
    """How many lines there are up to there."""
    quotes = _places(content, '"') if dialect.quotes else breaks[:0]
    if not len(breaks) or not len(quotes):
        return len(breaks)
    even = np.flatnonzero(np.searchsorted(quotes, breaks) % 2 == 0)
    if len(even) and encloses_strictly(_plain(content[: breaks[even[-1]] + 1]), dialect):
        return int(even[-1]) + 1
    # Some quotes enclose nothing, so counting them tells nothing: go the way of the records.
    lines = _lines(content[: breaks[-1]])
    return first_open(lines, start=dialect.start, separator=dialect.separator, fields=dialect.fields)


def _end_of_plain_rows(source: str, content: bytes, dialect: Dialect, before: int) -> int:
    """The last line's end, where no line closes the quote of the first and all are rows without it."""
    end = content.rfind(b"\n") + 1
    for line in _lines(content[: end - 1] if end else content)[dialect.start :]:
        if line.strip() and split_line(line, dialect.separator, dialect.fields) is None:
            raise InputError(
                f"{source}:{before + dialect.start + 1}: a quote opens here that is not closed within "
                f"{len(content) >> 20:,} MiB (close it, or take it out)"
            )
    return end


def _places(content: bytes, sign: str) -> np.ndarray:
    return np.flatnonzero(np.frombuffer(content, dtype=np.uint8) == ord(sign))


def _plain(content: bytes) -> bytes:
    return content.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")


def _lines(content: bytes) -> list[str]:
    return _plain(content + b"\n")[:-1].decode(errors="replace").split("\n")
