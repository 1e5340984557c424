"""Checkpoints of running fits on several workers: written by the first of them, or, if users are sharded, by all."""

from collections.abc import Mapping
from typing import Protocol

import torch

from reeltune.cluster.runs.fit_states import FitState, Snapshots
from reeltune.trainables.fitting.fit import Fit
from reeltune.trainables.fitting.sharded import ShardedFit
from reeltune.trainables.scoring.metrics import add_up


class States(Protocol):
    """Those of one fit. All workers call both together."""

    def save(self, state: FitState) -> None:
        """Keep a state, of which `fit` is the fit's. Raises StorageFailed if the store keeps failing."""
        ...

    def load(self) -> FitState | None:
        """The latest state that is whole; None if there is none."""
        ...


class OneFile:
    """Of a fit whose workers all have the whole model: the first worker's state."""

    def __init__(self, name: str, order: Mapping[str, object], snapshots: Snapshots, fit: Fit) -> None:
        self.name, self.order, self.snapshots, self.fit = name, order, snapshots, fit

    def save(self, state: FitState) -> None:
        if self.fit.rank == 0:
            self.snapshots.save(self.name, self.order, state)

    def load(self) -> FitState | None:
        return self.snapshots.load(self.name, self.order)


class FilePerBucket:
    """Of a sharded fit: a file for each bucket of users, by its owner, and one for all else, by the first worker.

    That one is written last, when all buckets are there: a state is whole if it has it. So any number of workers may go
    on from a state, each with the files of its own buckets.
    """

    def __init__(self, name: str, order: Mapping[str, object], snapshots: Snapshots, fit: ShardedFit) -> None:
        self.name, self.order, self.snapshots, self.fit = name, order, snapshots, fit
        self.number = -1  # of the latest state that is whole

    def save(self, state: FitState) -> None:
        buckets = state["fit"]["buckets"]
        for bucket, rows in buckets.items():
            self.snapshots.save(self._file(bucket), self.order, rows, number=self.number + 1)
        self._count(1)  # after this, all have written theirs
        self.number += 1
        if self.fit.rank == 0:
            shared = {key: value for key, value in state["fit"].items() if key != "buckets"}
            self.snapshots.save(self.name, self.order, {**state, "fit": shared}, number=self.number)

    def load(self) -> FitState | None:
        for number in self._numbers():
            state = self._of_number(number)
            if self._count(int(state is not None)) == self.fit.world:
                self.number = number
                return state
        return None

    def _numbers(self) -> list[int]:
        """Of the states that the first worker finds, the latest first: the same on every worker."""
        found = self.snapshots.numbers(self.name, self.order) if self.fit.rank == 0 else []
        both = torch.tensor([*(number + 1 for number in found), 0, 0][:2], device=self.fit.device)
        return [number - 1 for number in add_up(both).tolist() if number]

    def _of_number(self, number: int) -> FitState | None:
        """The state with this worker's buckets; None if a part of it is missing."""
        state = self.snapshots.load(self.name, self.order, number=number)
        if state is None:
            return None
        files = {bucket: self._file(bucket) for bucket in self.fit.buckets_here}
        buckets = {b: self.snapshots.load(file, self.order, number=number) for b, file in files.items()}
        return None if None in buckets.values() else {**state, "fit": {**state["fit"], "buckets": buckets}}

    def _count(self, mine: int) -> int:
        """The sum over workers, for which each waits for the others."""
        return int(add_up(torch.tensor(mine, device=self.fit.device)))

    def _file(self, bucket: int) -> str:
        return f"{self.name}.users{bucket}"


def states_of(name: str, order: Mapping[str, object], snapshots: Snapshots, fit: Fit) -> States:
    """Those of a fit of this name; states of other orders are none of it."""
    if isinstance(fit, ShardedFit):
        return FilePerBucket(name, order, snapshots, fit)
    return OneFile(name, order, snapshots, fit)
