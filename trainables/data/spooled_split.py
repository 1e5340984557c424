"""A random split of ratings on disk, some rows at a time: the very parts that `split.split` makes in memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from reeltune.trainables.data.ratings import RatingCounts, Rows, fingerprint_of
from reeltune.trainables.data.scale import Scale
from reeltune.trainables.data.split import Shares, Sizes, write_down_look
from reeltune.trainables.data.spool import CHUNK, Spool, append
from reeltune.trainables.data.spooling import Distinct
from reeltune.trainables.errors import InputError

Part = Literal["train", "validation", "test"]
MOST_ROWS = 1 << 32  # that a rank of 32 bits tells apart


@dataclass(frozen=True, kw_only=True)
class SpooledSplit:
    """The rows' places in the order of the split are in the file `order`, and their ranks in it a column of the spool.

    The test rows come first in it, then those to validate on, then those to train on.
    """

    spool: Spool
    sizes: Sizes

    @classmethod
    def of(cls, spool: Spool, *, seed: int, shares: Shares) -> "SpooledSplit":
        """Raises InputError as `split.split` does. While it draws it takes 4 bytes a row of memory."""
        if spool.rows >= MOST_ROWS:
            raise InputError(f"{spool.rows:,} ratings are more than --stream can split, {MOST_ROWS - 1:,}")
        sizes = Sizes.of(spool.rows, shares)
        order = np.arange(spool.rows, dtype="<u4")
        np.random.default_rng(seed).shuffle(order)  # as `permutation` draws, which has 8 bytes for each row
        with spool.file("order").open("wb") as file:
            append(file, order)
        del order
        ranks = np.empty(spool.rows, dtype="<u4")
        for start in range(0, spool.rows, CHUNK):
            places = _places(spool, start, start + CHUNK)
            ranks[places] = np.arange(start, start + len(places))
        return cls(spool=spool.with_column("ranks", ranks), sizes=sizes)

    def ranks(self, part: Part) -> tuple[int, int]:
        """The first rank of a part, and that after its last."""
        test, validation = self.sizes.test, self.sizes.test + self.sizes.validation
        return {"test": (0, test), "validation": (test, validation), "train": (validation, self.spool.rows)}[part]

    def pieces(self, part: Part) -> Iterator[Rows]:
        """The rows of a part in the order of the split, CHUNK or fewer at a time."""
        first, end = self.ranks(part)
        for start in range(first, end, CHUNK):
            yield self.spool.take(_places(self.spool, start, min(start + CHUNK, end)))

    def some(self, part: Part, most: int) -> Rows:
        """A part's rows, or of more than `most` every second, third … one: up to that number."""
        first, end = self.ranks(part)
        every = max(1, -(-(end - first) // most))
        order = np.memmap(self.spool.file("order"), "<u4", mode="r")
        return self.spool.take(np.array(order[first:end:every]))

    @property
    def test(self) -> "SealedOnDisk":
        return SealedOnDisk(self)

    def counted(self, users: int, items: int) -> tuple[RatingCounts, Scale]:
        """How many rows to train on each id has, of so many, and the scale of these and of those to validate on."""
        counts, seen = RatingCounts(users=np.zeros(users, np.int64), items=np.zeros(items, np.int64)), Distinct("")
        first, _ = self.ranks("train")
        for _, (of_users, of_items, ratings, ranks) in self.spool.chunks("users", "items", "ratings", "ranks"):
            seen.add(ratings[ranks >= self.sizes.test])
            for total, ids in ((counts.users, of_users), (counts.items, of_items)):
                total += np.bincount(ids[ranks >= first], minlength=len(total))
        return counts, Scale.of_distinct(seen.values, seen.counts)


class SealedOnDisk:
    """Test rows as `split.SealedRows` has them: opened alone they are read, and every opening is written down."""

    def __init__(self, split: SpooledSplit) -> None:
        self._split = split

    def __len__(self) -> int:
        return self._split.sizes.test

    def __reduce__(self) -> str:
        raise TypeError("sealed test rows stay in the process that split them")

    @property
    def fingerprint(self) -> str:
        names = [name for name in self._split.spool.columns if name != "ranks"]
        return fingerprint_of({name: self._column(name) for name in names})

    def _column(self, name: str) -> Iterator[np.ndarray]:
        return (getattr(rows, name) for rows in self._split.pieces("test"))

    def open(self, ledger: Path, *, reason: str) -> tuple[Iterator[Rows], int]:
        """The rows, some at a time, and which look at them this is, counting from 1."""
        return self._split.pieces("test"), write_down_look(ledger, self.fingerprint, len(self), reason=reason)


def _places(spool: Spool, start: int, end: int) -> np.ndarray:
    """Which rows have these ranks."""
    return np.fromfile(spool.file("order"), "<u4", count=end - start, offset=4 * start)
