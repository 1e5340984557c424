"""The options of `reeltune train` and `lr-find`, and the configuration that they give."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from reeltune.cluster.commands.sharding import check_sharded, unsharded
from reeltune.cluster.session.deaths import may_be_memory
from reeltune.cluster.trackers.asked import AskedTracker
from reeltune.trainables.architectures.parts.trunk import TrunkConfig
from reeltune.trainables.architectures.registry import SHIPPED, Registry, resolve
from reeltune.trainables.bundle import config_of
from reeltune.trainables.config import FitConfig, Shard
from reeltune.trainables.data.prepared import DataOptions
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.data.streamed import check_streamed
from reeltune.trainables.errors import InputError
from reeltune.trainables.options import explain, explain_setting
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
    shard: Shard | None = None  # what each worker has a part of; None: each has all
    stream: bool = False  # no process holds all rows
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


def check_shard(options: TrainOptions, registry: Registry, config: FitConfig | None = None) -> None:
    """Raise InputError if users are to be sharded, and the architecture or configuration cannot.

    Without `config` that of the architecture's defaults is meant.
    """
    architecture = registry[options.architecture]
    meant = architecture.Config() if config is None else config
    check_sharded(options.shard, [(architecture, meant)])


def check_stream(options: TrainOptions, config: FitConfig | None = None) -> None:
    """Raise InputError if no process is to hold all rows, and something asked for needs them."""
    if not options.stream:
        return
    if options.shard is None:
        raise InputError("--stream: without --shard users each worker holds all rows; add it, or leave --stream out")
    if options.refit:
        raise InputError("--stream: a second fit on other rows is not taken yet; leave --refit out, or --stream")
    check_streamed(options.data)
    if config is not None and config.timed:
        raise InputError("--stream: workers keep no times, which this model uses; leave --stream out")
    if isinstance(config, TrunkConfig) and config.bias_pull:
        raise InputError(
            f"--stream: {options.architecture} with bias_pull = {config.bias_pull:g}, its reference on data of so few "
            "ratings per id, looks at all rows on each worker; add --set bias_pull=0, or leave --stream out"
        )


def with_less_memory(options: TrainOptions, reason: str) -> str:
    """What to do where a fit was lost for this reason; empty if that was not memory."""
    if not may_be_memory(reason):
        return ""
    if options.stream:
        return "; with more --workers, on more nodes, each holds fewer rows; go on with --resume"
    return f"; {_not_streamed(options)}"


def if_killed(options: TrainOptions) -> str:
    """The last line of a command that is killed where it may hold all rows, or all ids."""
    said = "error: the process was killed, for lack of memory perhaps"
    if options.stream:
        return f"{said}; with --stream it holds all ids, 4 bytes a row while it splits, and the model"
    return f"{said}; {_not_streamed(options)}"


def _not_streamed(options: TrainOptions) -> str:
    own = options.architecture not in SHIPPED
    if not own and unsharded([options.architecture]):
        return "it needs all rows on each worker: give it fewer, or a machine with more memory"
    word = "--stream" if options.shard else "--shard users --stream"
    where = ", if its model has `user_blocks`," if own and options.shard is None else ""
    return f"with {word}{where} it reads Parquet a part at a time, and each of several workers holds its own rows alone"


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
        setting = explain_setting(error, architecture.Config, options.settings)
        raise InputError(setting or f"{source}: {explain(error, architecture.Config)}") from None
