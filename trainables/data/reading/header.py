"""Whether a text file's first line names its columns, and what the columns of a file without such a line are."""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from reeltune.trainables.data.reading.missing import is_missing

NUMBER = r"[-+]?(?:\d+(?:[.,]\d+)*|[.,]\d+)(?:[eE][-+]?\d+)?"
DATE = r"(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4})(?:[T ].*)?"
VALUE = re.compile(rf"(?:{NUMBER}\s*(?:%|/\s*\d+|stars?|points?)?|{DATE})", re.IGNORECASE)
NAMELIKE = re.compile(r"user|item|id\b|name|title|rating|score|product|movie|film|book|asin|track|song", re.IGNORECASE)
NEARLY_ALL = 0.9  # of a column's values must be numbers or dates for the first line's to tell
LEAST_OF_MATRIX = 5  # so many columns named 1, 2, 3, ... are no row of data
FEWEST_PLACES = 3  # columns named 0, 1, 2: two may be a pair
FEW = 101  # distinct whole numbers up to which a column can be ratings
CODES = 11  # distinct values up to which a column can be ratings however few users there are
TIME = 1e8  # seconds since 1970 are larger, in March 1973
ROLES = ("user", "item", "rating", "timestamp")
NO_HEADER = "no header line"
SHOWN = 8  # names in a note
TAKEN = "line 1 is taken for the names of the columns"
ROW_NAMES = "row.names"  # as R calls them
FLAGS = (  # of a film's genres, in the order of u.item
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama"),
    *("Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
)
HEADERLESS = {  # MovieLens' own files, which have no header line
    "u.data": ROLES,
    "ratings.dat": ROLES,
    "u.user": ("user_id", "age", "gender", "occupation", "zip_code"),
    "u.item": ("item_id", "title", "release_date", "video_release_date", "url", *FLAGS),
    "users.dat": ("user_id", "gender", "age", "occupation", "zip_code"),
    "movies.dat": ("movieId", "title", "genres"),
}
SPLITS = re.compile(r"u[1-5ab]\.(?:base|test)|r[1-5ab]\.(?:train|test)")  # MovieLens' own folds


@dataclass(frozen=True, kw_only=True)
class Header:
    """The names of a file's columns, whether they stand in the file, and what was guessed."""

    names: tuple[str, ...]
    in_file: bool
    notes: tuple[str, ...] = ()
    known: bool = False  # one of MovieLens' files


def known_names(file: str) -> tuple[str, ...] | None:
    """The columns of MovieLens' own files, which have no header line."""
    return HEADERLESS.get(file) or (ROLES if SPLITS.fullmatch(file) else None)


def header_of(file: str, rows: Sequence[Sequence[str]]) -> Header:
    """Tell by the first rows of a file (all of the same number of fields) what its columns are called."""
    known = known_names(file)
    first, rest = rows[0], rows[1:]
    certain = is_header(first, rest)
    if known is not None and len(known) == len(first) and certain is not True:
        return Header(names=known, in_file=False, known=True)
    if certain is False:
        return _by_position(rows)
    notes: tuple[str, ...] = ()
    if certain is None and rest and not any(NAMELIKE.search(cell) for cell in first):
        shown = ", ".join(first[:SHOWN]) + (", ..." if len(first) > SHOWN else "")
        notes = (f"{TAKEN} ({shown}); no column of numbers tells",)
    if rest and _are_places(first, rest):
        notes = (f"{TAKEN} ({', '.join(column_names(first))})",)
    return Header(names=column_names(first), in_file=True, notes=notes)


def column_names(cells: Sequence[str]) -> tuple[str, ...]:
    """Names without spaces around; of a nameless first column R's, of any other its number."""
    names = [" ".join(cell.split()) for cell in cells]
    return tuple(name or (ROW_NAMES if at == 0 else str(at + 1)) for at, name in enumerate(names))


def is_header(first: Sequence[str], rest: Sequence[Sequence[str]]) -> bool | None:
    """Whether a line holds names: text over numbers; None where no column of numbers tells.

    A number over numbers is data, and so is text that is found again below itself.
    """
    if not rest:
        return not any(is_value(cell) for cell in first)
    if _are_places(first, rest):
        return True
    over = [cell.strip() for cell, *below in zip(first, *rest, strict=True) if _are_values(below)]
    numbers = [cell for cell in over if is_value(cell)]
    # '034545104X' among ISBNs is text over numbers, and no name.
    names = [cell for cell in over if not is_missing(cell) and not cell[0].isdigit() and not is_value(cell)]
    if _counts(numbers) or _ascend(numbers, least=LEAST_OF_MATRIX + bool(first[0].strip())):
        return True  # a matrix' columns
    if names:
        return len(names) > len(numbers) or any(NAMELIKE.search(name) for name in names)
    if numbers:
        return False
    repeated = any(not is_missing(cell) and cell in below for cell, *below in zip(first, *rest, strict=True))
    return False if repeated else None


def _are_places(first: Sequence[str], rest: Sequence[Sequence[str]]) -> bool:
    """Whether a line is `0,1,2`, as pandas calls columns without names, and no user 0 has rows below."""
    at = 0 if first[0].strip() else 1  # the index has no name
    cells = [cell.strip() for cell in first[at:]]
    counted = len(cells) >= FEWEST_PLACES and cells == [str(place) for place in range(len(cells))]
    return counted and (at == 1 or not any(row[0].strip() == "0" for row in rest))


def is_value(cell: str) -> bool:
    """Whether a cell holds a number, a date or a rating such as `4/5`, `80%` or `5 stars`."""
    return VALUE.fullmatch(cell.strip()) is not None


def _are_values(cells: Sequence[str]) -> bool:
    given = [cell for cell in cells if not is_missing(cell)]
    return bool(given) and sum(map(is_value, given)) >= NEARLY_ALL * len(given)


def _counts(cells: Sequence[str]) -> bool:
    """Whether cells are 0, 1, 2, ... or 1, 2, 3, ...: the names of a matrix' columns."""
    starts = (range(len(cells)), range(1, len(cells) + 1))
    return len(cells) >= LEAST_OF_MATRIX and any(list(cells) == [str(at) for at in start] for start in starts)


def _ascend(cells: Sequence[str], *, least: int) -> bool:
    """Whether cells can be item numbers over a matrix' columns."""
    if len(cells) < least or not all(cell.isdecimal() for cell in cells):
        return False
    numbers = [int(cell) for cell in cells]
    return all(left < right for left, right in itertools.pairwise(numbers))


def _by_position(rows: Sequence[Sequence[str]]) -> Header:
    """The columns of a file without header line: user, item, rating and time in this order if they can be that."""
    numbered = tuple(str(at + 1) for at in range(len(rows[0])))
    if not _can_be_ratings(rows):
        note = f"{NO_HEADER}: columns are called 1 to {len(numbered)}"
        return Header(names=numbered, in_file=False, notes=(note,))
    names = ROLES[: len(numbered)]
    joint = "1 and 2" if len(names) == 2 else f"1 to {len(names)}"
    note = f"{NO_HEADER}: columns {joint} are read as {', '.join(names[:-1])} and {names[-1]}"
    return Header(names=names, in_file=False, notes=(note,))


def _can_be_ratings(rows: Sequence[Sequence[str]]) -> bool:
    columns = [[cell.strip() for cell in column] for column in zip(*rows, strict=True)]
    if not 2 <= len(columns) <= len(ROLES) or counts_rows(columns[0]):
        return False
    if len(columns) == 2:
        return True
    distinct = [len(set(column)) for column in columns]
    if CODES < distinct[2] > min(distinct[:2]) and all(cell.isdecimal() for cell in columns[2]):
        return False
    return can_be_rating(columns[2]) and (len(columns) == 3 or can_be_time(columns[3]))


def counts_rows(column: Sequence[str]) -> bool:
    """Whether a column counts the rows, from 0 or from 1."""
    return len(column) >= LEAST_OF_MATRIX and _counts(column)


def can_be_rating(column: Sequence[str]) -> bool:
    """Whether a column can hold ratings: numbers, none of them large, and few distinct ones if all are whole."""
    if not _are_values(column) or any(re.fullmatch(DATE, cell) for cell in column):
        return False
    numbers = [float(cell.replace(",", ".")) for cell in column if re.fullmatch(r"[-+]?\d*[.,]?\d+", cell)]
    broken = any(number % 1 for number in numbers)
    return all(abs(number) <= 1000 for number in numbers) and (broken or len(set(column)) <= FEW)


def can_be_time(column: Sequence[str]) -> bool:
    """Whether a column can hold times: dates, or seconds since 1970."""
    given = [cell for cell in column if not is_missing(cell)]
    return bool(given) and all(_is_time(cell) for cell in given)


def _is_time(cell: str) -> bool:
    if re.fullmatch(DATE, cell):
        return True
    return re.fullmatch(r"\d+(\.\d+)?", cell) is not None and (float(cell) == 0 or float(cell) >= TIME or _is_day(cell))


def _is_day(cell: str) -> bool:
    """YYYYMMDD"""
    return re.fullmatch(r"(19|20)\d{2}(0[1-9]|1[0-2])([0-2]\d|3[01])", cell) is not None
