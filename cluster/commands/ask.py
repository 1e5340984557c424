"""The first step of `reeltune tune`: read and check what was asked for, and plan it. Nothing runs or is written."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from reeltune.cluster.data_parallel.fit_all import check_batches
from reeltune.cluster.judging.baseline import REFERENCE, Baseline
from reeltune.cluster.runs.find import folder_of
from reeltune.cluster.runs.folder import RunFolder
from reeltune.cluster.runs.record import AskedToTune, SizeRecord, data_asked
from reeltune.cluster.search.warm_start import named, source_of
from reeltune.search_spaces import Size, Space, has_space, read_spaces, shipped
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.config import FitConfig, TrainingConfig
from reeltune.trainables.data.prepared import DataOptions, Prepared, prepare
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.errors import InputError
from reeltune.trainables.fitting.timestamps import check_times
from reeltune.trainables.scoring.decoders import Decoder

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class TuneOptions:
    architectures: list[str]
    data: DataOptions
    trials: int
    seconds: float | None  # limit of the search, without the refits
    workers: int  # for each refit
    concurrent: int | None
    decoder: Decoder
    ensemble: bool
    space: Path | None
    seed: int
    address: str | None
    name: str
    resume: bool
    storage: str | None = None
    sampler: str = "tpe"
    scheduler: str = "asha"
    baseline: Baseline = REFERENCE
    gpus_per_trial: float | None = None
    earlier: str | None = None  # the run of `--from`
    trial_seconds: float | None = None  # limit of each trial
    workers_per_trial: int = 1
    keep_ray: bool = False  # a Ray that this starts stays up for the next call of the program
    command: str | None = None  # the command that does the same; None: the one that this process was started with


def searchable(names: list[str]) -> list[str]:
    """The architectures asked for, or all that can be searched. Raises InputError at an unknown name."""
    for name in names:
        if name not in ARCHITECTURES or not has_space(name):
            known = ", ".join(name for name in ARCHITECTURES if has_space(name))
            raise InputError(f"no architecture {name!r} to search; there are {known}")
    return list(dict.fromkeys(names)) or [name for name in ARCHITECTURES if has_space(name)]


def spaces_for(options: TuneOptions) -> dict[str, Space]:
    chosen = {name: ARCHITECTURES[name] for name in options.architectures}
    if options.space is not None:
        return read_spaces(options.space, chosen)
    return {name: shipped(name, architecture) for name, architecture in chosen.items()}


def batch_sizes(spaces: dict[str, Space], prepared: Prepared, baseline: Baseline) -> list[int]:
    """Every batch size that a refit may have: those of the spaces, the references and the baseline."""
    names = [name for name in (baseline.name, *spaces) if name in ARCHITECTURES]
    references = [ARCHITECTURES[name].reference(prepared.shape) for name in names]
    sizes = [reference.batch_size for reference in references if isinstance(reference, TrainingConfig)]
    for space in spaces.values():
        sizes += [int(size) for size in space.values("batch_size")]
    return sizes


def asked_for(options: TuneOptions, prepared: Prepared, spaces: dict[str, Space]) -> AskedToTune:
    return AskedToTune(
        **data_asked(options.data, prepared),
        architectures=list(spaces),
        seed=options.seed,
        decoder=options.decoder,
        baseline=options.baseline.name,
        ensemble=options.ensemble,
        trials=options.trials,
        sampler=options.sampler,
        scheduler=options.scheduler,
        workers_per_trial=options.workers_per_trial,
        source=named(options.earlier),
        space={name: space.model_dump(mode="json") for name, space in spaces.items()},
    )


@dataclass(frozen=True, kw_only=True)
class TunePlan:
    """What a search will do, as far as it is known before the run's folder is claimed and Ray is started."""

    options: TuneOptions
    folder: RunFolder
    source: RunFolder | None  # the run of `--from`; None also if a resumed search has read it already
    prepared: Prepared
    declared: dict[str, Space]  # as the TOML files have them: in steps per epoch and shares of the scale's span
    spaces: dict[str, Space]  # the same for this data: in batch sizes and rating units
    asked: AskedToTune
    size: SizeRecord


def ask(options: TuneOptions) -> TunePlan:
    """Read the spaces and the data, and check the options. Raises InputError if `tune` cannot do what was asked."""
    folder = folder_of(options.name, options.storage)
    if folder.home is not None:
        folder.home.check()
    declared = spaces_for(options)
    source = source_of(options.earlier, folder, options.architectures)
    prepared = prepare(options.data)
    spaces = {name: space.on(prepared.shape) for name, space in declared.items()}
    check_times(_possible(spaces, prepared.shape), prepared)
    most = max(options.workers, options.workers_per_trial)
    check_batches(batch_sizes(spaces, prepared, options.baseline), prepared.split.train, workers=most)
    log.info("%s", prepared.summary())
    log.info("searching %s", {name: sorted(space.parameters) for name, space in spaces.items()})
    size = Size.of(prepared.shape)
    return TunePlan(
        options=options,
        folder=folder,
        source=source,
        prepared=prepared,
        declared=declared,
        spaces=spaces,
        asked=asked_for(options, prepared, spaces),
        size=SizeRecord(ratings=size.ratings, span=size.span),
    )


def _possible(spaces: dict[str, Space], shape: Shape) -> Iterator[FitConfig]:
    """Each architecture's reference, and the reference with one setting at a time as its space has it."""
    for name, space in spaces.items():
        reference = ARCHITECTURES[name].reference(shape)
        yield reference
        for key in (*space.fixed, *space.parameters):
            yield from (reference.model_copy(update={**space.fixed, key: value}) for value in space.values(key))
