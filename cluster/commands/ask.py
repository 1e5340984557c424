"""The first step of `reeltune tune`: read and check what was asked for, and plan it. Nothing runs or is written."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch

from reeltune.cluster.commands.sharding import about_search, check_buckets, check_sharded
from reeltune.cluster.data_parallel.batches import check_batches
from reeltune.cluster.judging.baseline import REFERENCE, Baseline
from reeltune.cluster.runs.find import folder_of
from reeltune.cluster.runs.folder import RunFolder
from reeltune.cluster.runs.record import AskedToTune, RunRecord, SizeRecord, data_asked
from reeltune.cluster.search.choice import CLOSE
from reeltune.cluster.search.warm_start import Bounds, named, source_of, wider_as_begun
from reeltune.cluster.search.wider import lines, wider_bounds, with_bounds
from reeltune.cluster.trackers.asked import AskedTracker
from reeltune.search_spaces import (
    Sampling,
    Size,
    Space,
    check_sampler,
    declared,
    has_space,
    read_spaces,
    seeded,
    text_of,
)
from reeltune.trainables.architectures.heads import has_classes
from reeltune.trainables.architectures.registry import Registry, resolve
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.config import FitConfig, Shard, TrainingConfig
from reeltune.trainables.data.prepared import DataOptions, FitData, Prepared, check_looks, prepare
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.data.user_sample import user_sample
from reeltune.trainables.errors import InputError
from reeltune.trainables.fitting.timestamps import check_times
from reeltune.trainables.fitting.weighted import check_weights
from reeltune.trainables.model import Architecture
from reeltune.trainables.scoring.decoders import Decoder
from reeltune.trainables.scoring.metric_table import Metric, Objective

log = logging.getLogger(__name__)

Sample = int | Literal["all"] | None  # rows that search trials fit on; None: SAMPLE of more than MANY
SAMPLE, MANY = 1_000_000, 5_000_000
FEWEST_VALIDATED = 50  # validation rows of a sample, by which its trials are compared


@dataclass(frozen=True, kw_only=True)
class TuneOptions:
    architectures: list[str]  # names, and files or modules of own ones
    data: DataOptions  # of the first fold, or all of it, where there are folds
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
    metric: Metric = "mse"
    sampler: Sampling = "tpe"
    scheduler: str = "asha"
    baseline: Baseline = REFERENCE
    gpus_per_trial: float | None = None
    bfloat16: bool = False  # in trials and refits
    earlier: str | None = None  # the run of `--from`
    trial_seconds: float | None = None  # limit of each trial
    workers_per_trial: int = 1
    shard: Shard | None = None  # what each worker of a fit has a part of; None: each has all
    left_out: tuple[str, ...] = ()  # of all architectures, where none is named: those that cannot be sharded
    keep_ray: bool = False  # a Ray that this starts stays up for the next call of the program
    trackers: tuple[AskedTracker, ...] = ()
    sample: Sample = None
    folds: tuple[DataOptions, ...] = ()  # the data of each; none: one search
    fold: int | None = None  # this is the search of that fold, from 1, in a folder below the run's
    told: bool = False  # the search of another fold has said how these data are read
    command: str | None = None  # the command that does the same; None: the one that this process was started with

    @property
    def objective(self) -> Objective:
        return Objective(decoder=self.decoder, metric=self.metric)

    @property
    def folder(self) -> RunFolder:
        """The run's folder. Raises InputError if the name is no plain one."""
        found = folder_of(self.name, self.storage)
        return found if self.fold is None else found.fold(self.fold)


def searchable(words: list[str]) -> list[str]:
    """The words for the architectures asked for, or the names of all of reeltune's. Raises InputError at another."""
    resolve(words)
    return list(dict.fromkeys(words)) or [name for name in ARCHITECTURES if has_space(name)]


def resolved(options: TuneOptions) -> tuple[TuneOptions, Registry]:
    """The options with names in place of words for architectures, and the registry that has these."""
    names, registry = resolve(options.architectures)
    baseline = options.baseline
    if baseline.kind == "reference" and baseline.name not in registry:
        _, registry = resolve([*options.architectures, baseline.name])
        [name], _ = resolve([baseline.name])
        baseline = replace(baseline, name=name)
    return replace(options, architectures=names, baseline=baseline), registry


def spaces_for(options: TuneOptions, registry: Registry) -> dict[str, Space]:
    """The space of each architecture. Raises InputError at one without any."""
    spaces = declared(registry, options.architectures)
    if options.space is not None:
        spaces = read_spaces(options.space, {name: registry[name] for name in spaces}, spaces)
    for name, space in spaces.items():
        if not (space.parameters or space.fixed):
            word = registry.sources[name].file if name in registry.sources else name
            raise InputError(
                f"{word}: nothing of it varies, for a search; name what may in {name}.toml beside it or in --space, or "
                f"fit it as it is: reeltune train {word}"
            )
    return spaces


def batch_sizes(spaces: dict[str, Space], prepared: Prepared, baseline: Baseline, registry: Registry) -> list[int]:
    """Every batch size that a refit may have: those of the spaces, the references and the baseline."""
    names = [name for name in (baseline.name, *spaces) if name in registry]
    references = [registry[name].reference(prepared.shape) for name in names]
    sizes = [reference.batch_size for reference in references if isinstance(reference, TrainingConfig)]
    for space in spaces.values():
        sizes += [int(size) for size in space.values("batch_size")]
    return sizes


def asked_for(options: TuneOptions, prepared: Prepared, spaces: dict[str, Space], registry: Registry) -> AskedToTune:
    return AskedToTune(
        **data_asked(options.data, prepared),
        architectures=list(spaces),
        sources=registry.hashes,
        seed=options.seed,
        decoder=options.decoder,
        metric=options.metric,
        baseline=options.baseline.name,
        ensemble=options.ensemble,
        trials=options.trials,
        sampler=text_of(options.sampler),
        scheduler=options.scheduler,
        workers_per_trial=options.workers_per_trial,
        shard=options.shard,
        bf16=options.bfloat16,
        sample=sampled_rows(options.sample, prepared.seen),
        within=None if options.fold is None else options.name,
        source=named(options.earlier),
        space={name: space.model_dump(mode="json") for name, space in spaces.items()},
    )


@dataclass(frozen=True, kw_only=True)
class TunePlan:
    """What a search will do, as far as it is known before the run's folder is claimed and Ray is started."""

    options: TuneOptions  # with the architectures' names
    registry: Registry
    folder: RunFolder
    source: RunFolder | None  # the run of `--from`; None also if a resumed search has read it already
    prepared: Prepared
    declared: dict[str, Space]  # as the TOML files have them: in steps per epoch and shares of the scale's span
    spaces: dict[str, Space]  # the same for this data: in batch sizes and rating units
    asked: AskedToTune
    size: SizeRecord
    sample: FitData | None  # what search trials fit on; None: all rows
    wider: dict[str, Bounds]  # ranges that reach beyond those of the TOML files, because of the run of `--from`
    notes: list[str]  # what was changed of what was asked for, for the user

    @property
    def spaces_of_trials(self) -> dict[str, Space]:
        """The spaces for the data that search trials fit on."""
        shape = (self.sample or self.prepared).shape
        return {name: space.on(shape, self.registry[name]) for name, space in self.declared.items()}


def ask(options: TuneOptions) -> TunePlan:
    """Read the spaces and the data, and check the options. Raises InputError if `tune` cannot do what was asked."""
    _check_precision(options)
    check_looks()
    options, registry = resolved(options)
    folder = options.folder
    if folder.home is not None:
        folder.home.check()
    options = replace(options, sample=_sample_as_begun(options, folder))
    _check_shard(options, registry)
    own = spaces_for(options, registry)
    source = source_of(options.earlier, folder, options.architectures)
    wider = wider_bounds(source, own, registry) if source else wider_as_begun(folder) if options.earlier else {}
    as_declared = with_bounds(own, wider)
    prepared = prepare(options.data)
    spaces = {name: space.on(prepared.shape, registry[name]) for name, space in as_declared.items()}
    possible = list(_possible(spaces, prepared.shape, registry))
    check_times((config for _, config in possible), prepared)
    check_weights([*possible, *_of_baseline(options.baseline, prepared.shape, registry)], prepared)
    check_sharded(options.shard, possible)
    check_sampler(options.sampler, spaces, registry, prepared.shape)
    sample = sample_of(options, prepared)
    _check_buckets(options, prepared, sample)
    most = max(options.workers, options.workers_per_trial)
    check_batches(batch_sizes(spaces, prepared, options.baseline, registry), prepared.split.train, workers=most)
    log.info("%s", prepared.summary())
    log.info("searching %s", {name: sorted(space.parameters) for name, space in spaces.items()})
    size = Size.of(prepared.shape)
    return TunePlan(
        options=options,
        registry=registry,
        folder=folder,
        source=source,
        prepared=prepared,
        declared=as_declared,
        spaces=spaces,
        asked=asked_for(options, prepared, spaces, registry),
        size=SizeRecord(ratings=size.ratings, span=size.span),
        sample=sample,
        wider=wider,
        notes=[
            *_about_sample(options, prepared, sample),
            *lines(named(options.earlier), own, wider),
            *_about_sampler(options),
            *about_search(options.shard, possible, workers=most, left_out=options.left_out),
            *about_metric(options, prepared.shape, registry),
        ],
    )


def _check_shard(options: TuneOptions, registry: Registry) -> None:
    """Raise InputError if users are to be sharded, and an architecture's defaults cannot be."""
    check_sharded(options.shard, ((registry[name], registry[name].Config()) for name in options.architectures))
    baseline = options.baseline
    if baseline.kind == "reference":
        asked = [(registry[baseline.name], registry[baseline.name].Config())]
        check_sharded(options.shard, asked, option=f"--baseline {baseline.name}")


def _check_buckets(options: TuneOptions, prepared: Prepared, sample: FitData | None) -> None:
    """Raise InputError if users are to be sharded, and a worker of a trial or refit would have none."""
    check_buckets(options.shard, options.workers, len(prepared.split.train))
    trained = (sample or prepared.seen).train
    check_buckets(options.shard, options.workers_per_trial, len(trained), option="--workers-per-trial")


def _check_precision(options: TuneOptions) -> None:
    """Raise InputError at --bf16 on this machine without a GPU. What a cluster has is known when it is joined."""
    if options.bfloat16 and options.address in (None, "local") and not torch.cuda.is_available():
        raise InputError("--bf16 needs a GPU, and this machine has none; leave it out")


def _sample_as_begun(options: TuneOptions, folder: RunFolder) -> Sample:
    """That of the run that is resumed, unless another is asked for, which is refused: an older version had none.

    A fold that had not begun has that of the whole run.
    """
    if not options.resume or options.sample is not None:
        return options.sample
    for each in (folder, replace(options, fold=None).folder):
        if (content := each.text(each.record.name)) is not None:
            asked = RunRecord.parsed(content, each.place_of(each.record.name)).asked
            return asked.sample or "all" if isinstance(asked, AskedToTune) else None
    return None


def sampled_rows(asked: Sample, every: FitData) -> int | None:
    """About how many rows search trials fit on; None if on all."""
    if asked == "all" or (asked is None and len(every) <= MANY):
        return None
    rows = SAMPLE if asked is None else asked
    return rows if rows < len(every) else None


def sample_of(options: TuneOptions, prepared: Prepared) -> FitData | None:
    """What search trials fit on; None if on all rows. Raises InputError at one of too few validation rows."""
    rows = sampled_rows(options.sample, prepared.seen)
    if rows is None:
        return None
    sample = user_sample(prepared.seen, rows, seed=options.data.split_seed)
    if len(sample.validation) < FEWEST_VALIDATED:
        raise InputError(
            f"--sample {rows}: its {sample.shape.users - 1:,} users have {len(sample.validation):,} validation rows, "
            f"and trials are compared on {FEWEST_VALIDATED} or more; give a larger sample, or --sample all"
        )
    return sample


def _about_sample(options: TuneOptions, prepared: Prepared, sample: FitData | None) -> Iterator[str]:
    every = prepared.seen
    if sample is not None:
        usual = "" if options.sample else f" (as always above {MANY:,} ratings; --sample all: on all)"
        yield (
            f"search trials fit on a sample of {sample.shape.users - 1:,} of {every.shape.users - 1:,} users with all "
            f"their {len(sample):,} ratings, {len(sample.validation):,} of them to validate on{usual}; the best "
            f"configurations are tried again on all rows (once if over {CLOSE:.0%} behind the best of them, or if no "
            "other is left; else twice, and a third time if these disagree), and the chosen ones refitted"
        )
    elif options.sample not in (None, "all"):
        yield f"--sample {options.sample}: search trials fit on all {len(every):,} ratings, which are no more than that"


def _about_sampler(options: TuneOptions) -> Iterator[str]:
    """What a sampler that a program gives cannot promise."""
    if isinstance(options.sampler, str):
        return
    name = text_of(options.sampler)
    if options.resume:
        yield f"--sampler {name}: it keeps its place in no file, and goes on with other random numbers than before"
    elif not seeded(options.sampler):
        yield f"--sampler {name}: it has no seed, so the search cannot be repeated; --seed is not for it"


def about_metric(options: TuneOptions, shape: Shape, registry: Registry) -> list[str]:
    """What does not follow the metric, or only by an assumption; nothing of the mean squared error."""
    measure = options.objective.measure
    said = []
    if measure.probabilities:
        judged = {name: None for name in (*options.architectures, options.baseline.name) if name in registry}
        scalar = [n for n in judged if not has_classes(registry[n], registry[n].reference(shape).as_json(), shape)]
        if scalar:
            said += [
                f"--metric {options.metric}: ratings without probabilities (by {', '.join(scalar)}) get Gaussian "
                "noise, whose width is fitted on validation rows"
            ]
    if options.ensemble and options.metric != "mse" and len(options.architectures) > 1:
        said += [f"--metric {options.metric}: the ensemble's weights minimise the squared error all the same"]
    return said


def _possible(spaces: dict[str, Space], shape: Shape, registry: Registry) -> Iterator[tuple[Architecture, FitConfig]]:
    """Each architecture's reference, and the reference with one setting at a time as its space has it."""
    for name, space in spaces.items():
        reference = registry[name].reference(shape)
        yield registry[name], reference
        for key in (*space.fixed, *space.parameters):
            for value in space.values(key):
                yield registry[name], reference.model_copy(update={**space.fixed, key: value})


def _of_baseline(baseline: Baseline, shape: Shape, registry: Registry) -> Iterator[tuple[Architecture, FitConfig]]:
    """The fit of a baseline that is fitted at its reference."""
    if baseline.kind == "reference":
        yield registry[baseline.name], registry[baseline.name].reference(shape)
