"""The options of each job, with their defaults and checks: the command line and the Python names both build them here.

Jobs are loaded when they are asked for: Ray and torch take seconds.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reeltune.cluster.api.checks import (
    CHANGED_SOURCE,
    DECODERS,
    DUPLICATES,
    EXPORTS,
    KNOWN_IDS,
    METRICS,
    MISSING_IDS,
    SHARDS,
    SHARE_OF_NEW,
    UNKNOWN_IDS,
    at_least,
    here,
    one_of,
    sample_of,
    scheduler_of,
    seconds,
    settings_of,
    share_of,
    shares_of,
    split_of,
    whole_number,
)
from reeltune.cluster.api.folds import checked_folds, refuse_given_folds
from reeltune.cluster.trackers.asked import asked_trackers
from reeltune.trainables.errors import InputError

if TYPE_CHECKING:
    from reeltune.cluster.commands.ask import TuneOptions
    from reeltune.cluster.commands.train_options import TrainOptions
    from reeltune.cluster.commands.update import UpdateOptions
    from reeltune.search_spaces import Sampling
    from reeltune.trainables.architectures.kept_source import OwnSource
    from reeltune.trainables.data import Reading
    from reeltune.trainables.data.prepared import DataOptions
    from reeltune.trainables.data.reading.frames import Source
    from reeltune.trainables.folding.newcomers import KnownIds

DATA, SMOKE_DATA, SMOKE_TRIALS, TRIALS = "ml-100k", "synthetic:ratings=2000", 2, 20


def data_options(
    data: str,
    *,
    test: str | None = None,
    split: str = "random",
    takes_folds: bool = True,
    split_seed: int = 0,
    validation: float | None = None,
    test_share: float | None = None,
    duplicates: str | None = None,
    user: str | None = None,
    item: str | None = None,
    rating: str | None = None,
    timestamp: str | None = None,
    weight: str | None = None,
    users: str | None = None,
    items: str | None = None,
    matrix: bool = False,
    not_rated: Sequence[str] | None = None,
    missing_ids: str | None = None,
    unknown_ids: str | None = None,
) -> "DataOptions":
    """The options of data. Raises InputError at a value that is not allowed."""
    from reeltune.cluster.runs.storage import refuse_credentials
    from reeltune.trainables.data import Columns
    from reeltune.trainables.data.prepared import DataOptions

    for option, value in {"--data": data, "--test": test, "--users": users, "--items": items}.items():
        refuse_credentials(value or "", option)
    if unknown_ids is not None and test is None:
        raise InputError(f"--unknown-ids {unknown_ids}: is about the ids of a test file; add --test, or leave it out")
    kind, fold = split_of(split, takes_folds=takes_folds)
    return DataOptions(
        data=data,
        test=test,
        split=kind,
        split_seed=whole_number("--split-seed", split_seed, 0),
        shares=shares_of(validation, test_share, test=test),
        columns=Columns(user=user, item=item, rating=rating, timestamp=timestamp, fold=fold, weight=weight),
        duplicates=None if duplicates is None else one_of("--duplicates", duplicates, DUPLICATES),
        users=users,
        items=items,
        matrix=matrix,
        not_rated=tuple(not_rated or ()),
        missing_ids=None if missing_ids is None else one_of("--missing-ids", missing_ids, MISSING_IDS),
        unknown_ids=None if unknown_ids is None else one_of("--unknown-ids", unknown_ids, UNKNOWN_IDS),
    )


def reading(
    *,
    user: str | None = None,
    item: str | None = None,
    rating: str | None = None,
    timestamp: str | None = None,
    missing_ids: str | None = None,
    unknown_ids: str | None = None,
) -> "Reading":
    """How a table beside a model is read."""
    from reeltune.trainables.data import Columns, Reading

    return Reading(
        columns=Columns(user=user, item=item, rating=rating, timestamp=timestamp),
        missing_ids=one_of("--missing-ids", missing_ids or "error", MISSING_IDS),
        unknown_ids=one_of("--unknown-ids", unknown_ids or "error", UNKNOWN_IDS),
    )


def known_ids_of(value: str | None, *, folds_in: bool = True) -> "KnownIds":
    """What becomes of pairs to fold in whose user and item are both known. `folds_in`: there are any."""
    if value is not None and not folds_in:
        raise InputError(f"--known-ids {value}: is about the pairs of --ratings; give these too, or leave it out")
    return one_of("--known-ids", value or "error", KNOWN_IDS)


def refuse_rating_column(column: str | None, *, folds_in: bool) -> None:
    """Raise InputError where a column of ratings is named, and no table of ratings is folded in."""
    if column is not None and not folds_in:
        raise InputError(f"--rating-column {column}: is about the table of --ratings; give that too, or leave it out")


def own_source(files: Sequence[str] | None, changed: str | None) -> "OwnSource":
    """The sources that are given for a model of one's own architecture."""
    from reeltune.trainables.architectures.kept_source import OwnSource

    return OwnSource(files=tuple(files or ()), changed=one_of("--changed-source", changed or "error", CHANGED_SOURCE))


def export_asked(to: str, decoder: str | None) -> tuple[str, str | None]:
    """What a model is exported to, and its decoder if another than its own is asked for."""
    return one_of("--to", to, EXPORTS), None if decoder is None else one_of("--decoder", decoder, DECODERS)


def train_options(
    architecture: str,
    data: "DataOptions",
    *,
    config: Path | Mapping[str, Any] | None = None,
    settings: Sequence[str] | Mapping[str, Any] | None = None,
    seed: int = 42,
    decoder: str = "argmax",
    metric: str = "mse",
    workers: int = 1,
    shard: str | None = None,
    stream: bool = False,
    score_test: bool = False,
    refit: bool = False,
    checkpoint_every: float = 10.0,
    bfloat16: bool = False,
    address: str | None = None,
    name: str | None = None,
    storage: str | None = None,
    resume: bool = False,
    tracker: str | Sequence[str] | None = None,
    command: str | None = None,
) -> "TrainOptions":
    """The options of `train` and `lr-find`. Raises InputError at a value that is not allowed."""
    from reeltune.cluster.commands.train_options import TrainOptions
    from reeltune.cluster.runs.find import name_of_run
    from reeltune.trainables.architectures.registry import resolve

    resolve([architecture])  # an unknown one is refused before anything else
    refuse_given_folds(data, "is for tune, which searches for each fold; use --split random, user or time, or --test")
    _check_held_out(data, score_test=score_test, refit=refit, metric=metric)
    return TrainOptions(
        architecture=architecture,
        data=data,
        config=config,
        settings=settings_of(settings),
        decoder=one_of("--decoder", decoder, DECODERS),
        metric=one_of("--metric", metric, METRICS),
        workers=whole_number("--workers", workers, 1),
        shard=None if shard is None else one_of("--shard", shard, SHARDS),
        stream=stream,
        seed=whole_number("--seed", seed, 0),
        score_test=score_test,
        refit=refit,
        checkpoint_every=at_least("--checkpoint-every", checkpoint_every, 0.1),
        bfloat16=bfloat16,
        address=address,
        name=name_of_run(name, resume=resume),
        storage=storage,
        resume=resume,
        trackers=asked_trackers(tracker),
        command=command,
    )


def update_options(
    model: str,
    data: "Source",
    output: str | Path,
    *,
    own: "OwnSource",
    old: "Source | None" = None,
    test_share: float = 0.5,
    users: "Source | None" = None,
    items: "Source | None" = None,
    duplicates: str | None = None,
    user: str | None = None,
    item: str | None = None,
    rating: str | None = None,
    timestamp: str | None = None,
    weight: str | None = None,
    not_rated: Sequence[str] | None = None,
    missing_ids: str | None = None,
) -> "UpdateOptions":
    """The options of `update`. Raises InputError at a value that is not allowed."""
    from reeltune.cluster.commands.update import UpdateOptions
    from reeltune.cluster.runs.storage import refuse_credentials
    from reeltune.trainables.data import Columns, Reading
    from reeltune.trainables.data.newer import NewerData

    for option, source in {"--data": data, "--with": old, "--users": users, "--items": items}.items():
        if isinstance(source, (str, Path)):  # the new bundle says what its data is
            refuse_credentials(str(source), option)
    columns = Columns(user=user, item=item, rating=rating, timestamp=timestamp, weight=weight)
    missing = one_of("--missing-ids", missing_ids or "error", MISSING_IDS)
    return UpdateOptions(
        model=model,
        data=NewerData(
            data=data,
            old=old,
            users=users,
            items=items,
            reading=Reading(columns=columns, not_rated=tuple(not_rated or ()), missing_ids=missing, takes_matrix=False),
            duplicates=one_of("--duplicates", duplicates or "last", DUPLICATES),
        ),
        output=here("--output", output),
        test_share=share_of("--test-share", test_share, SHARE_OF_NEW, may_be_0=False),
        own=own,
    )


def tune_options(
    data: "DataOptions",
    architectures: Sequence[str] | None = None,
    *,
    trials: int | None = None,
    time: str | float | None = None,
    trial_timeout: str | float | None = None,
    workers_per_trial: int = 1,
    workers: int = 1,
    shard: str | None = None,
    concurrent: int | None = None,
    gpus_per_trial: float | None = None,
    bfloat16: bool = False,
    decoder: str = "argmax",
    metric: str = "mse",
    sampler: "Sampling" = "tpe",
    sample: int | str | None = None,
    folds: Sequence["DataOptions"] = (),
    scheduler: str | None = None,
    asha: bool | None = None,
    ensemble: bool = True,
    baseline: str = "pmf",
    space: Path | None = None,
    earlier: str | None = None,
    seed: int = 42,
    address: str | None = None,
    name: str | None = None,
    storage: str | None = None,
    resume: bool = False,
    smoke_test: bool = False,
    tracker: str | Sequence[str] | None = None,
    command: str | None = None,
) -> "TuneOptions":
    """The options of `tune`. Raises InputError at a value that is not allowed, or an unknown architecture."""
    from reeltune.cluster.commands.ask import TuneOptions, searchable
    from reeltune.cluster.commands.sharding import unsharded
    from reeltune.cluster.judging.baseline import baseline_of
    from reeltune.cluster.runs.find import name_of_run
    from reeltune.search_spaces import sampling_of
    from reeltune.trainables.architectures.registry import resolve

    every = searchable(list(architectures or []))
    part = None if shard is None else one_of("--shard", shard, SHARDS)
    left_out = () if part is None or architectures else unsharded(every)
    asked = [name for name in every if name not in left_out]
    _check_search(data, asked[0])
    if bfloat16 and gpus_per_trial == 0:
        raise InputError("--bf16 with --gpus-per-trial 0: trials would be on CPUs, and bfloat16 needs a GPU; drop one")
    fewest = SMOKE_TRIALS if smoke_test else TRIALS
    return TuneOptions(
        architectures=asked,
        data=data,
        trials=fewest if trials is None else whole_number("--trials", trials, 1),
        seconds=None if time is None else seconds("--time", time),
        trial_seconds=None if trial_timeout is None else seconds("--trial-timeout", trial_timeout),
        workers=whole_number("--workers", workers, 1),
        workers_per_trial=whole_number("--workers-per-trial", workers_per_trial, 1),
        shard=part,
        left_out=left_out,
        concurrent=None if concurrent is None else whole_number("--concurrent", concurrent, 1),
        gpus_per_trial=None if gpus_per_trial is None else at_least("--gpus-per-trial", gpus_per_trial, 0),
        bfloat16=bfloat16,
        decoder=one_of("--decoder", decoder, DECODERS),
        metric=one_of("--metric", metric, METRICS),
        folds=checked_folds(folds, earlier),
        sampler=sampling_of(sampler),
        sample=sample_of(sample),
        scheduler=scheduler_of(scheduler, asha=asha),
        ensemble=ensemble,
        space=space,
        seed=whole_number("--seed", seed, 0),
        address=address,
        name=name_of_run(name, resume=resume),
        storage=storage,
        resume=resume,
        trackers=asked_trackers(tracker),
        baseline=baseline_of(baseline, resolve(asked)[0], metric=one_of("--metric", metric, METRICS)),
        earlier=earlier,
        command=command,
    )


def _check_held_out(data: "DataOptions", *, score_test: bool, refit: bool, metric: str) -> None:
    """Raise InputError where one fit would use rows that its shares do not hold out."""
    from reeltune.trainables.scoring.metric_table import METRICS as MEASURES

    if score_test and data.test is None and data.shares.test == 0:
        raise InputError("--score-test: --test-share 0 holds no test rows out; drop one option, or give --test")
    if refit and data.shares.validation == 0:
        raise InputError("--refit: --validation 0 holds nothing out, so the fit has all these rows; drop one option")
    if data.shares.validation == 0 and MEASURES[one_of("--metric", metric, METRICS)].probabilities:
        raise InputError(
            f"--metric {metric}: --validation 0 leaves no rows to calibrate probabilities on; drop one option"
        )


def _check_search(data: "DataOptions", architecture: str) -> None:
    """Raise InputError at a share of 0, with which a search could compare or judge nothing."""

    alone = f"fit one configuration without: reeltune train {architecture}"
    if data.shares.validation == 0:
        raise InputError(
            "--validation 0: a search compares its trials on validation rows; give a share above 0, or "
            f"{alone} --validation 0"
        )
    if data.test is None and data.shares.test == 0:
        raise InputError(
            "--test-share 0: a verdict needs test rows, which no trial has seen; give a share above 0, or --test FILE, "
            f"or {alone} --test-share 0"
        )
