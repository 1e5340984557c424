"""Users in buckets: which worker has which of them, and which of their rows are in which batch.

A batch takes its part of each bucket, and a worker has whole buckets. So batches hold the same rows however many
workers there are, and each worker shuffles its own rows alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from reeltune.trainables.fitting.seeds import mix

BUCKETS, MORE = 64, 1024
LARGE = 100_000_000  # rows from which on there are more buckets, and so may be more workers
GOLDEN = 0.6180339887  # multiples of the golden ratio spread most evenly over a circle
HALVINGS = 60  # after which a number from 0 to 2 is known to the last bit


def buckets_of(rows: int) -> int:
    """How many buckets the users of so many rows are dealt to."""
    return MORE if rows >= LARGE else BUCKETS


@dataclass(frozen=True, kw_only=True)
class Buckets:
    """Bucket b belongs to the worker of rank b modulo the number of workers."""

    of_users: np.ndarray  # each user's bucket, shape (users,); -1 for 'unknown'
    sizes: np.ndarray  # the rows of each bucket, shape (buckets,)

    @classmethod
    def of(cls, users: np.ndarray, count: int) -> "Buckets":
        """Deal `count` users, given those of the rows to fit on: by falling number of rows, to and fro.

        Index 0 is 'unknown', and is dealt only if it has rows.
        """
        return cls.of_counts(np.bincount(users, minlength=count))

    @classmethod
    def of_counts(cls, rows: np.ndarray) -> "Buckets":
        """As `of`, given how many rows each user has, shape (users,)."""
        count, buckets = len(rows), buckets_of(int(rows.sum()))
        order = np.argsort(-rows, kind="stable")
        order = order[(order > 0) | (rows[0] > 0)]
        turn, seat = np.divmod(np.arange(len(order)), buckets)
        of_users = np.full(count, -1, dtype=np.int16)
        of_users[order] = np.where(turn % 2, buckets - 1 - seat, seat)
        sizes = np.bincount(of_users[order], weights=rows[order], minlength=buckets)
        return cls(of_users=of_users, sizes=sizes.astype(np.int64))

    def __len__(self) -> int:
        return len(self.sizes)

    def users(self, bucket: int) -> np.ndarray:
        """Their indices, ascending."""
        return np.flatnonzero(self.of_users == bucket)


@dataclass(frozen=True, kw_only=True)
class Turns:
    """How many rows of each bucket the steps of an epoch take."""

    before: np.ndarray  # how many of each bucket the earlier steps take, shape (steps + 1, buckets)

    @classmethod
    def of(cls, buckets: Buckets, *, steps: int, batch_size: int) -> "Turns":
        """Steps of `batch_size` rows each (of a row more or less where two buckets tie).

        Row j of a bucket of n rows has its turn at (j + phase) / n, from 0 to 1: so each step takes its part of every
        bucket. Phases differ by bucket, so that not all buckets give a row at once.
        """
        phases = np.arange(len(buckets)) * GOLDEN % 1

        def until(time: np.ndarray) -> np.ndarray:
            turns = np.ceil(time[:, None] * buckets.sizes - phases)
            return np.clip(turns, 0, buckets.sizes).astype(np.int64)

        # The latest times before which as many rows as that have their turn, by bisection.
        wanted = np.arange(steps + 1) * batch_size
        early, late = np.zeros(steps + 1), np.full(steps + 1, 2.0)
        for _ in range(HALVINGS):
            middle = (early + late) / 2
            over = until(middle).sum(1) > wanted
            early, late = np.where(over, early, middle), np.where(over, middle, late)
        return cls(before=until(early))

    @property
    def steps(self) -> int:
        return len(self.before) - 1

    def rows(self, step: int) -> int:
        """The rows of a step over all workers."""
        return int((self.before[step + 1] - self.before[step]).sum())


@dataclass(frozen=True, kw_only=True)
class Order:
    """The rows of one worker in the order in which an epoch takes them."""

    rows: Tensor  # 32 bits, shape (rows,)
    starts: np.ndarray  # where the rows of each step start, and their end; shape (steps + 1,)

    @classmethod
    def of(cls, held: Mapping[int, Tensor], turns: Turns, *, seed: int, epoch: int) -> "Order":
        """`held` has the worker's rows by bucket. Each bucket is shuffled with a seed of its own.

        Numbers are as short as they can be: the worker may have little more memory than its rows take.
        """
        starts = turns.before[:, list(held)].sum(1)
        rows = torch.empty(int(starts[-1]), dtype=torch.int32)
        step = np.empty(len(rows), dtype=np.min_scalar_type(turns.steps))
        end = 0
        for bucket, own in held.items():
            draw = torch.Generator().manual_seed(mix(seed, epoch, bucket))
            taken = own[torch.randperm(len(own), generator=draw)[: turns.before[-1, bucket]]]
            start, end = end, end + len(taken)
            rows[start:end] = taken
            step[start:end] = np.repeat(np.arange(turns.steps, dtype=step.dtype), np.diff(turns.before[:, bucket]))
        return cls(rows=rows[torch.from_numpy(np.argsort(step, kind="stable"))], starts=starts)

    def of_step(self, step: int) -> Tensor:
        return self.rows[self.starts[step] : self.starts[step + 1]].long()
