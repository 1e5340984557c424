"""Ratings on this machine's disk, a file for each column: for data that no process is to hold as a whole."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from reeltune.trainables.data.ratings import HASHED, Rows, fingerprint_of

TYPES = {"users": "<i4", "items": "<i4", "ratings": "<f8", "timestamps": "<i8", "ranks": "<u4"}
CHUNK = 1 << 20  # rows that are in memory at once
PAIRS = 1 << 20  # pairs among which those that are there twice are looked for at once: 50 MB
PAIR = np.dtype([("key", "<i8"), ("place", "<i8")])  # user and item as one number, and which row it is


def append(file: BinaryIO, values: np.ndarray) -> None:
    """Write values at the end of a file. Raises OSError, which `ndarray.tofile` does not for its last 4 KB."""
    file.write(np.ascontiguousarray(values).data)


@dataclass(frozen=True, kw_only=True)
class Spool:
    """Rated pairs by index, in the order of their file. `columns` are those of TYPES that are there."""

    folder: Path
    rows: int
    columns: tuple[str, ...]

    def file(self, column: str) -> Path:
        return self.folder / column

    def chunks(self, *columns: str) -> Iterator[tuple[int, tuple[np.ndarray, ...]]]:
        """All rows, CHUNK or fewer at a time: the place of the first, and these columns."""
        for start in range(0, self.rows, CHUNK):
            yield start, tuple(self._read(column, start) for column in columns)

    def _read(self, column: str, start: int) -> np.ndarray:
        kind = np.dtype(TYPES[column])
        return np.fromfile(self.file(column), kind, count=CHUNK, offset=start * kind.itemsize)

    def take(self, places: np.ndarray) -> Rows:
        """The rows at these places, in their order."""
        found = {
            name: np.memmap(self.file(name), TYPES[name], mode="r")[places] for name in HASHED if name in self.columns
        }
        return Rows(number=places.astype(np.int64), **found)

    def fingerprint(self) -> str:
        """That of `Rows`."""
        return fingerprint_of(
            {name: (piece for _, (piece,) in self.chunks(name)) for name in HASHED if name in self.columns}
        )

    def with_column(self, name: str, values: np.ndarray) -> "Spool":
        """With one column more, of shape (rows,)."""
        with self.file(name).open("wb") as file:
            append(file, values.astype(TYPES[name], copy=False))
        return replace(self, columns=(*self.columns, name))

    def without(self, dropped: np.ndarray) -> "Spool":
        """Without the rows at these places, ascending. The files of this one are written over."""
        for column in self.columns:
            shorter = self.folder / f".{column}"
            with shorter.open("wb") as file:
                for start, (values,) in self.chunks(column):
                    low, high = np.searchsorted(dropped, [start, start + len(values)])
                    append(file, np.delete(values, dropped[low:high] - start))
            shorter.replace(self.file(column))
        return replace(self, rows=self.rows - len(dropped))

    def first_rows(self, column: str, count: int) -> np.ndarray:
        """The place of the first row of each index from 1 to `count`, all of which have one; shape (count,)."""
        first = np.full(count + 1, self.rows)
        for start, (indices,) in self.chunks(column):
            found, place = np.unique(indices, return_index=True)
            first[found] = np.minimum(first[found], place + start)
        return first[1:]

    def renumber(self, column: str, now: np.ndarray) -> None:
        """Write `now[index]` for each index of a column, in its file."""
        other = self.folder / f".{column}"
        with other.open("wb") as file:
            for _, (indices,) in self.chunks(column):
                append(file, now[indices].astype(TYPES[column]))
        other.replace(self.file(column))


@dataclass(frozen=True, kw_only=True)
class Repeated:
    """Pairs that have several rows: how many pairs and rows, the place of the first row, and all rows but the latest.

    The latest by time, else the last in the file. `earlier` has the places of the others, ascending.
    """

    pairs: int
    first: int
    earlier: np.ndarray

    @classmethod
    def none(cls) -> "Repeated":
        return cls(pairs=0, first=0, earlier=np.empty(0, dtype=np.int64))


def repeated(spool: Spool) -> Repeated:
    """Those of all rows: pairs are dealt to files by user, and looked for in one file at a time."""
    found = [_repeated_among(spool, pairs) for pairs in _by_user(spool)]
    return Repeated(
        pairs=sum(each.pairs for each in found),
        first=min(each.first for each in found),
        earlier=np.sort(np.concatenate([each.earlier for each in found])),
    )


def _by_user(spool: Spool) -> Iterator[np.ndarray]:
    """The pairs of some users after the other, each row once: about PAIRS at a time, of type PAIR."""
    groups = -(-spool.rows // PAIRS)
    files = [spool.file(f".pairs-{group}") for group in range(groups)]
    for start, (users, items) in spool.chunks("users", "items"):
        pairs = np.empty(len(users), PAIR)
        pairs["key"] = users.astype(np.int64) << 32 | items
        pairs["place"] = np.arange(start, start + len(users))
        group = (users % groups).astype(np.uint16)  # NumPy sorts 16 bits by counting
        order = np.argsort(group, kind="stable")
        ends = np.cumsum(np.bincount(group, minlength=groups))[:-1]
        for file, dealt in zip(files, np.split(pairs[order], ends), strict=True):
            with file.open("ab") as opened:  # of very many rows there are more files than may be open at once
                append(opened, dealt)
    for file in files:
        pairs = np.fromfile(file, PAIR)
        file.unlink()
        yield pairs


def _repeated_among(spool: Spool, pairs: np.ndarray) -> Repeated:
    """Those of pairs that hold all rows of their users."""
    order = np.argsort(pairs["key"], kind="stable")
    key = pairs["key"][order]
    same = key[1:] == key[:-1]
    among = np.append(False, same) | np.append(same, False)
    if not among.any():
        return Repeated(pairs=0, first=spool.rows, earlier=np.empty(0, dtype=np.int64))
    key, place = key[among], pairs["place"][order[among]]
    times = spool.take(place).timestamps
    order = np.lexsort((place, key) if times is None else (place, times, key))
    last = np.append(np.diff(key[order]) != 0, True)
    return Repeated(pairs=int(last.sum()), first=int(place.min()), earlier=place[order][~last])
