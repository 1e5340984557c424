"""A tracker shows fits as they go: their curves, how they ended, and what a search chose. TensorBoard is one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from pydantic import JsonValue

from reeltune.cluster.runs.answer import Metrics
from reeltune.cluster.runs.folder import RunFolder

State = Literal["done", "stopped", "failed"]
RunState = Literal["done", "failed", "interrupted"]


@dataclass(frozen=True, kw_only=True)
class TrackedFit:
    """A fit that begins. Its name tells it from all others of the run."""

    name: str
    architecture: str
    stage: Literal["search", "confirm", "refit", "train"]
    config: dict[str, JsonValue]


@dataclass(frozen=True, kw_only=True)
class EpochPoint:
    """What a fit says at the end of an epoch; no errors where it has no validation rows."""

    epoch: int  # completed, from 1
    train_loss: float
    learning_rate: float
    mse: float | None  # on validation rows
    argmax_mse: float | None
    value: float | None = None  # the metric that is minimised


@dataclass(frozen=True, kw_only=True)
class FitEnd:
    """How a fit ended."""

    state: State
    epochs: int
    value: float | None = None  # the validation error that a search compares


class Tracker(Protocol):
    """Called in the process that drives the fits, in this order for each of them."""

    def began(self, fit: TrackedFit) -> None:
        """A fit begins, or begins again after a crash: its next points are all points so far."""

    def update(self, name: str, points: Sequence[EpochPoint]) -> None:
        """Epochs of a fit have ended. After a crash of its workers, epochs may be repeated."""

    def ended(self, name: str, end: FitEnd) -> None:
        """A fit has ended."""

    def chosen(self, folder: RunFolder) -> None:
        """A search has chosen and judged: its answer and its bundles are in the run's folder."""

    def close(self) -> None:
        """Nothing more comes; fits that have not ended were cut off."""


class TrackerFailed(Exception):
    """A tracker could not write what it was told. Its text has no secrets, and says why."""


class RunTracker(Tracker, Protocol):
    """A tracker elsewhere, which knows the run itself too. Each method may raise TrackerFailed, and takes its time."""

    def trained(self, folder: RunFolder, architecture: str, errors: Mapping[str, Metrics | None]) -> None:
        """The one fit of `train` is scored, and its bundle is in the run's folder. Errors by part of the data."""

    def finished(self, state: RunState) -> None:
        """The run has ended; it may go on later."""

    def answers(self) -> bool:
        """Whether it can be written to at all."""
