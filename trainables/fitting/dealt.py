"""Rows that are dealt to files, one for each bucket of users: a worker reads those of its own buckets alone."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reeltune.trainables.data.ratings import Rows
from reeltune.trainables.data.spool import append
from reeltune.trainables.data.spooled_split import Part, SpooledSplit
from reeltune.trainables.errors import StorageFailed
from reeltune.trainables.fitting.buckets import Buckets

# `place` is the row's place in its part, in the order of the split.
ROW = np.dtype([("place", "<u4"), ("user", "<i4"), ("item", "<i4"), ("rating", "<f4")])


@dataclass(frozen=True, kw_only=True)
class Dealt:
    """The rows of one part of a split. `len` counts all of them."""

    part: Part
    rows: int
    buckets: Buckets
    read: Callable[[str], bytes | None]  # a file by its name; on any worker
    weights: None = None  # of `Rows`: none here has any

    def __len__(self) -> int:
        return self.rows

    def of(self, buckets: Iterable[int]) -> Rows:
        """The rows of these buckets, in the order of the split; `number` is the place in the part.

        Columns have 32 bits, and one after the other is put in order: the worker may have little more memory than its
        rows take.
        """
        read = [np.empty(0, ROW), *(self._bucket(bucket) for bucket in buckets)]
        columns = {name: np.concatenate([rows[name] for rows in read]) for name in ROW.fields or ()}
        del read
        order = np.argsort(columns["place"])
        number, users, items, ratings = (columns.pop(name)[order] for name in ("place", "user", "item", "rating"))
        return Rows(number=number, users=users, items=items, ratings=ratings)

    def _bucket(self, bucket: int) -> np.ndarray:
        name = file_of(self.part, bucket)
        content = self.read(name)
        if content is None:
            raise StorageFailed(f"{name}, rows to fit on, is not there")
        return np.frombuffer(content, ROW)


def file_of(part: Part, bucket: int) -> str:
    return f"{part}-{bucket}"


def deal(
    split: SpooledSplit, buckets: Buckets, folder: Path, parts: Iterable[Part] = ("train", "validation")
) -> list[str]:
    """Write the rows of these parts to an empty folder, by bucket. Returns the names of all files."""
    ranks = {part: split.ranks(part) for part in parts}
    for _, (users, items, ratings, rank) in split.spool.chunks("users", "items", "ratings", "ranks"):
        of_rows = buckets.of_users[users]
        for part, (first, end) in ranks.items():
            mine = np.flatnonzero((first <= rank) & (rank < end))
            mine = mine[np.argsort(of_rows[mine], kind="stable")]
            rows = np.empty(len(mine), ROW)
            rows["place"], rows["user"], rows["item"], rows["rating"] = (
                column[mine] for column in (rank - np.uint32(first), users, items, ratings)
            )
            found, starts = np.unique(of_rows[mine], return_index=True)
            for bucket, some in zip(found, np.split(rows, starts)[1:], strict=True):
                with (folder / file_of(part, bucket)).open("ab") as file:
                    append(file, some)
    names = [file_of(part, bucket) for part in ranks for bucket in range(len(buckets))]
    for name in names:
        (folder / name).touch()
    return names
