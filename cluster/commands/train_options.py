"""The options of `reeltune train` and `lr-find`, and the configuration that they give."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from reeltune.cluster.trackers.asked import AskedTracker
from reeltune.trainables.architectures.registry import SHIPPED, Registry, resolve
from reeltune.trainables.bundle import config_of
from reeltune.trainables.config import FitConfig
from reeltune.trainables.data.prepared import DataOptions
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.errors import InputError
from reeltune.trainables.options import explain
from reeltune.trainables.scoring.decoders import Decoder
from reeltune.trainables.scoring.metric_table import Metric, Objective


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    architecture: str  # a name, or the file or module of an own one
    data: DataOptions
    config: Path | Mapping[str, Any] | None
    settings: Mapping[str, Any]  # as text or as Python's own values
    decoder: Decoder
    workers: int
    seed: int
    score_test: bool
    checkpoint_every: float
    bfloat16: bool
    address: str | None
    name: str
    resume: bool
    storage: str | None = None
    metric: Metric = "mse"
    refit: bool = False
    keep_ray: bool = False  # a Ray that this starts stays up for the next call of the program
    trackers: tuple[AskedTracker, ...] = ()
    command: str | None = None  # the command that does the same; None: the one that this process was started with

    @property
    def objective(self) -> Objective:
        return Objective(decoder=self.decoder, metric=self.metric)


def resolved(options: TrainOptions) -> tuple[TrainOptions, Registry]:
    """The options with the architecture's name, and the registry that has it. Raises InputError if there is none."""
    [name], registry = resolve([options.architecture])
    return replace(options, architecture=name), registry


def configured(options: TrainOptions, shape: Shape, registry: Registry = SHIPPED) -> FitConfig:
    """The reference configuration, changed by `--config` and then by each `--set`. Raises InputError."""
    architecture = registry[options.architecture]
    values = architecture.reference(shape).model_dump()
    source = "--set"
    if isinstance(options.config, Mapping):
        source = "--config"
        values |= options.config
    elif options.config is not None:
        source = str(options.config)
        values |= config_of(options.config)
    values |= options.settings
    try:
        return architecture.Config.model_validate(values)
    except ValidationError as error:
        raise InputError(f"{source}: {explain(error, architecture.Config)}") from None
