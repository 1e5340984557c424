"""What a fit of `train` or a refit is asked for, what it sees, and its result, also as kept in storage."""

import hashlib
import json
import logging
import re
from dataclasses import asdict, dataclass
from typing import Literal

import torch
from pydantic import ConfigDict, Field
from safetensors.torch import load, save

from reeltune.cluster.runs.storage import Store
from reeltune.cluster.runs.stored import Stored
from reeltune.cluster.tracking.tracker import EpochPoint, TrackedFit
from reeltune.trainables.architectures.registry import SHIPPED, Registry
from reeltune.trainables.config import Configuration, Shard
from reeltune.trainables.data import Rows
from reeltune.trainables.data.prepared import Prepared
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.errors import InputError
from reeltune.trainables.fitting.dealt import Dealt
from reeltune.trainables.scoring.decoders import Decoder
from reeltune.trainables.scoring.metric_table import Metric, Objective

log = logging.getLogger(__name__)
SCHEMA = 2  # of a result in storage; files without `schema` are version 1


@dataclass(frozen=True, kw_only=True)
class FitOrder:
    """A fit that workers are asked for. Its key is unique among the orders of one call."""

    key: str
    architecture: str
    config: Configuration
    seed: int
    rows: Literal["training", "fitting"] = "training"  # "fitting": validation rows too, and nothing to validate on
    shard: Shard | None = None  # what of the model and the rows each worker has a part of; None: each has all

    @property
    def tracked(self) -> TrackedFit:
        """The fit as trackers know it: `refits/pmf-seed-42`, or the architecture of a `train`."""
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", self.key)
        stage: Literal["refit", "train"] = "train" if self.key == self.architecture else "refit"
        return TrackedFit(
            name=name if stage == "train" else f"refits/{name}",
            architecture=self.architecture,
            stage=stage,
            config=self.config,
        )

    @property
    def content(self) -> dict[str, object]:
        """What tells it from other orders. What is not sharded has no `shard`, as before there was such a thing."""
        return {key: value for key, value in asdict(self).items() if key != "shard" or value is not None}

    @property
    def name(self) -> str:
        """File name: a hash of the order, so different orders never share a file."""
        return hashlib.sha256(json.dumps(self.content, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class GroupData:
    """What every worker sees. There are no test rows in it. Rows in files are read by the workers that need them."""

    train: Rows | Dealt
    validation: Rows | Dealt
    shape: Shape
    decoder: Decoder
    metric: Metric = "mse"
    registry: Registry = SHIPPED

    @classmethod
    def of(cls, prepared: Prepared, objective: Objective, registry: Registry = SHIPPED) -> "GroupData":
        return cls(
            train=prepared.split.train,
            validation=prepared.split.validation,
            shape=prepared.shape,
            decoder=objective.decoder,
            metric=objective.metric,
            registry=registry,
        )

    @property
    def objective(self) -> Objective:
        return Objective(decoder=self.decoder, metric=self.metric)

    def rows(self, order: FitOrder) -> Rows | Dealt:
        """Those to fit on."""
        if order.rows == "training":
            return self.train
        assert isinstance(self.train, Rows), "refits of rows in files are refused"
        assert isinstance(self.validation, Rows), "as those to train on"
        return self.train.joined(self.validation)

    def held_out(self, order: FitOrder) -> Rows | Dealt | None:
        """Those to validate on; None for a fit on all rows, or if none are held out."""
        return self.validation if order.rows == "training" and len(self.validation) else None


@dataclass(frozen=True, kw_only=True)
class FitUpdate:
    """A progress update of a fit; `done` marks the last."""

    done: bool
    lines: tuple[str, ...]  # to show, one for each epoch that has ended since the update before
    points: tuple[EpochPoint, ...]  # of these epochs; of all so far after a crash
    progress: float = 1.0  # the share of the fit's steps that are done


class Fitted(Stored):
    """What came of a fit. `metrics` is None where it was on validation rows too, or there are none."""

    model_config = ConfigDict(arbitrary_types_allowed=True)  # a tensor is none of pydantic's

    schema_number: int = Field(SCHEMA, alias="schema")  # version 1 has the same fields
    key: str
    weights: dict[str, torch.Tensor] = Field(default_factory=dict, exclude=True)  # kept in a file of their own
    # Of the rows of users and items, for new ones; kept beside the weights. None of a version that did not learn them.
    priors: dict[str, torch.Tensor] = Field(default_factory=dict, exclude=True)
    seconds: float  # in the loop: validation and states kept included
    epochs: int
    train_loss: float
    metrics: dict[str, float | None] | None
    temperature: float
    notes: list[str] = Field(default_factory=list)  # what the model says of its fit


@dataclass(frozen=True, kw_only=True)
class Lost:
    """A fit that could not go on, and why. The others are not touched by it."""

    key: str
    reason: str


def keep(store: Store, order: FitOrder, fitted: Fitted) -> None:
    """Write what came of a fit: the weights, then the rest, without which they are not taken. Raises StorageFailed."""
    store.write(f"{order.name}.safetensors", save(fitted.weights))
    if fitted.priors:
        store.write(f"{order.name}.priors.safetensors", save(fitted.priors))
    store.write(f"{order.name}.json", json.dumps(fitted.as_json()).encode())


def has_ended(store: Store, order: FitOrder) -> bool:
    """Whether the result of a fit is in storage, without its weights being read. Raises StorageFailed."""
    return store.read(f"{order.name}.json") is not None


def kept(store: Store, order: FitOrder) -> Fitted | None:
    """What came of a fit, if it has been done. Raises StorageFailed.

    A result that cannot be read, of an upload that was cut off perhaps, is none.
    """
    file = f"{order.name}.json"
    content = store.read(file)
    weights = None if content is None else store.read(f"{order.name}.safetensors")
    if content is None or weights is None:
        return None
    try:
        fitted = Fitted.parsed(content, file)
    except InputError as error:
        log.warning("no result: %s (%d bytes)", error, len(content))
        return None
    priors = store.read(f"{order.name}.priors.safetensors")
    return fitted.model_copy(update={"weights": load(weights), "priors": {} if priors is None else load(priors)})
