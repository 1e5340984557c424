"""`reeltune train`: one fit, on Ray's data-parallel workers or in this process; its metrics, and a bundle.

With `--refit` there are two: the first is validated, and the second, on all rows but the test's, is the model.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from pydantic import Field, JsonValue

from reeltune.cluster.commands.progress import Watch
from reeltune.cluster.commands.train_options import (
    TrainOptions,
    about_shard,
    check_shard,
    check_stream,
    check_workers,
    configured,
    resolved,
)
from reeltune.cluster.data_parallel.dealing import group_of
from reeltune.cluster.data_parallel.in_process import fit_here
from reeltune.cluster.data_parallel.orders import FitOrder, Fitted, Lost
from reeltune.cluster.data_parallel.updates import notes
from reeltune.cluster.judging.scores import by_value, score, score_pieces
from reeltune.cluster.runs.answer import ByValue, Metrics
from reeltune.cluster.runs.claim import claim, ran_on
from reeltune.cluster.runs.find import folder_of
from reeltune.cluster.runs.folder import RunFolder
from reeltune.cluster.runs.kept_tables import keep_tables
from reeltune.cluster.runs.record import AskedToTrain, data_asked
from reeltune.cluster.runs.sources import keep_sources
from reeltune.cluster.runs.stored import Stored
from reeltune.cluster.session.guard import guarded
from reeltune.cluster.session.interrupt import how_to_go_on, interruptible
from reeltune.cluster.session.resources import check, here
from reeltune.cluster.tensorboard.event_files import TensorBoard
from reeltune.cluster.trackers.opened import tracked
from reeltune.cluster.tracking.tracker import Tracker
from reeltune.trainables.architectures.heads import has_classes
from reeltune.trainables.architectures.registry import Registry
from reeltune.trainables.bundle import describe, save
from reeltune.trainables.config import FitConfig
from reeltune.trainables.data.prepared import Prepared, looks, prepare
from reeltune.trainables.data.ratings import RatingCounts, Rows
from reeltune.trainables.data.streamed import Streamed, prepare_streamed
from reeltune.trainables.description import fitted_on
from reeltune.trainables.errors import FitFailed, InputError
from reeltune.trainables.fitting.timestamps import check_times
from reeltune.trainables.fitting.weighted import check_weights
from reeltune.trainables.scoring.spread import FEWEST, Spread, known_of

ENOUGH = 1 << 20  # validation rows on disk that intervals are found on


class Trained(Stored):
    """What `train --json` prints, except the confusion matrix."""

    architecture: str
    config: dict[str, JsonValue]
    timed: bool  # predictions use when a pair was rated
    fit_seconds: float
    epochs: int
    train_loss: float  # of the model, mean over its last epoch
    refitted: bool  # the model is a second fit, on validation rows too; `validation` is of the first
    validation: Metrics | None
    test: Metrics | None
    model: str
    by_value: ByValue | None = Field(None, exclude=True)


def train(options: TrainOptions, watch: Watch) -> Trained:
    """Fit, score and write the bundle. Raises InputError at wrong options or data, FitFailed if the fit fails."""
    options, registry = resolved(options)
    check_shard(options, registry)
    folder = folder_of(options.name, options.storage)
    if folder.home is not None:
        folder.home.check()
    if options.address is not None:
        from reeltune.cluster.session.address import check_address  # late: it loads Ray

        check_address(options.address)
    check_stream(options)
    with read(options, watch) as prepared:
        return _train(options, prepared, registry, folder, watch)


@contextmanager
def read(options: TrainOptions, watch: Watch) -> Iterator[Prepared | Streamed]:
    """The data, read and split: in memory, or on disk while the body runs. Raises InputError."""
    if not options.stream:
        yield prepare(options.data)
        return
    with tempfile.TemporaryDirectory(prefix="reeltune-rows-") as folder:
        watch.status(f"reading {options.data.data} a part at a time")
        try:
            streamed = prepare_streamed(options.data, Path(folder))
        except OSError as error:
            raise InputError(
                f"--stream: rows cannot be written to {folder}: {error}; set TMPDIR to a folder on a larger disk"
            ) from None
        yield streamed


def _train(
    options: TrainOptions, prepared: Prepared | Streamed, registry: Registry, folder: RunFolder, watch: Watch
) -> Trained:
    config = configured(options, prepared.shape, registry)
    if isinstance(prepared, Prepared):
        check_times([config], prepared)
        check_weights([(registry[options.architecture], config)], prepared)
    check_shard(options, registry, config)
    check_stream(options, config)
    check_workers(options, prepared.sizes.train)
    watch.say(prepared.summary())
    asked = AskedToTrain(
        **data_asked(options.data, prepared),
        architecture=options.architecture,
        sources=registry.hashes,
        config=config.model_dump(mode="json"),
        seed=options.seed,
        decoder=options.decoder,
        metric=options.metric,
        refit=options.refit,
        shard=options.shard,
    )
    with (
        claim(folder, asked, resume=options.resume, command=options.command, say=watch.say),
        tracked(options.trackers, folder, asked, say=watch.say, status=watch.tick) as elsewhere,
    ):
        keep_tables(options.data, folder)
        keep_sources(registry, folder)
        for line in about_shard(options, config):
            watch.say(line)
        trackers: list[Tracker] = [TensorBoard(folder.tensorboard, metric=options.metric), *elsewhere]
        fits = _fit(options, prepared, config, registry, folder, trackers, watch)
        for line in _notes(options, prepared, config, registry):
            watch.say(line)
        trained = _scored(options, prepared, config, registry, fits, folder, watch)
        for tracker in elsewhere:
            tracker.trained(folder, trained.architecture, {"validation": trained.validation, "test": trained.test})
        return trained


def _notes(options: TrainOptions, prepared: Prepared | Streamed, config: FitConfig, registry: Registry) -> list[str]:
    """What the figures are of, where that is not plain."""
    if options.refit:
        rows = prepared.sizes.train + prepared.sizes.validation
        return [
            f"--refit: the model is a second fit, on training and validation rows together ({rows:,}); validation "
            "figures are of the first, on training rows alone"
        ]
    if prepared.sizes.validation:
        return []
    classes = has_classes(registry[options.architecture], config.model_dump(), prepared.shape)
    uncalibrated = "; its probabilities are not calibrated, for want of rows to do it on" if classes else ""
    return [f"--validation 0: there are no validation figures{uncalibrated}"]


def _fit(
    options: TrainOptions,
    prepared: Prepared | Streamed,
    config: FitConfig,
    registry: Registry,
    folder: RunFolder,
    trackers: Sequence[Tracker],
    watch: Watch,
) -> list[Fitted]:
    """The fit; with `--refit`, and after it the refit."""
    orders = _orders(options, config)
    fit = _fit_here if needs_no_ray(options) else _fit_with_ray
    came = fit(orders, options, prepared, registry, folder, trackers, watch)
    watch.tick("")
    for result in came.values():
        if isinstance(result, Lost):
            raise FitFailed(result.reason)
    return [result for order in orders if isinstance(result := came[order.key], Fitted)]


def needs_no_ray(options: TrainOptions) -> bool:
    """Whether one worker on a CPU of this machine is all that is asked for."""
    return options.workers == 1 and options.address in (None, "local") and not torch.cuda.is_available()


def _fit_here(
    orders: list[FitOrder],
    options: TrainOptions,
    prepared: Prepared | Streamed,
    registry: Registry,
    folder: RunFolder,
    trackers: Sequence[Tracker],
    watch: Watch,
) -> dict[str, Fitted | Lost]:
    check(options.workers, here(), bfloat16=options.bfloat16)
    with guarded(how_to_go_on(folder.name, options.command), may_exit=not options.keep_ray):
        came = fit_here(
            orders,
            group_of(prepared, options.objective, registry, folder.fits),
            store=folder.fits,
            save_every=options.checkpoint_every,
            progress=watch.status,
            trackers=trackers,
        )
    for line in notes([order for order in orders if order.key in came], came):
        watch.say(line)
    return came


def _fit_with_ray(
    orders: list[FitOrder],
    options: TrainOptions,
    prepared: Prepared | Streamed,
    registry: Registry,
    folder: RunFolder,
    trackers: Sequence[Tracker],
    watch: Watch,
) -> dict[str, Fitted | Lost]:
    # Imported late: Ray takes seconds to load.
    from reeltune.cluster.commands.refit import refit
    from reeltune.cluster.runs.node_check import check_storage, machines
    from reeltune.cluster.session.address import joining
    from reeltune.cluster.session.session import session

    watch.status(joining(options.address))
    goes_on = f"go on with: {how_to_go_on(options.name, options.command)}"
    with (
        session(
            options.address,
            data_bytes=prepared.bytes,
            keep=options.keep_ray,
            say=watch.say,
            how_to_go_on=goes_on,
        ) as resources,
        interruptible(),
    ):
        check(options.workers, resources, bfloat16=options.bfloat16)
        if resources.joined:
            check_storage(folder.store)
            ran_on(folder, machines())
        return refit(
            orders,
            prepared,
            objective=options.objective,
            workers=options.workers,
            resources=resources,
            store=folder.fits,
            watch=watch,
            save_every=options.checkpoint_every,
            bfloat16=options.bfloat16,
            each_epoch=True,
            trackers=trackers,
            registry=registry,
        )


def _orders(options: TrainOptions, config: FitConfig) -> list[FitOrder]:
    name = options.architecture
    first = FitOrder(key=name, architecture=name, config=config.model_dump(), seed=options.seed, shard=options.shard)
    return [first, replace(first, key=f"{name}, refitted", rows="fitting")] if options.refit else [first]


def _scored(
    options: TrainOptions,
    prepared: Prepared | Streamed,
    config: FitConfig,
    registry: Registry,
    fits: list[Fitted],
    folder: RunFolder,
    watch: Watch,
) -> Trained:
    """Score the last fit, which is the model, on the test rows, if it is to be; keep it."""
    validated, fitted = fits[0], fits[-1]
    test, table = _tested(options, prepared, registry, fits, config, watch)
    path, sizes = folder.model(options.architecture), prepared.sizes
    description = describe(
        options.architecture,
        config,
        prepared.shape.scale,
        decoder=options.decoder,
        temperature=validated.temperature,
        seed=options.seed,
        data=options.data.data,
        metric=options.objective.metric,
        metrics={"validation": validated.metrics, "test": test},
        sources=registry.sources,
        fitted_on=fitted_on(prepared, sizes.train + (sizes.validation if options.refit else 0)),
        spread=_spread(options, prepared, config, registry, validated),
    )
    users, items = prepared.ratings.users, prepared.ratings.items
    save(
        path,
        description,
        fitted.weights,
        users,
        items,
        fitted=_counted(prepared, refitted=options.refit),
        sources=registry.sources,
        priors=fitted.priors,
    )
    return Trained(
        architecture=options.architecture,
        config=config.model_dump(mode="json"),
        timed=config.timed,
        fit_seconds=round(sum(fit.seconds for fit in fits), 3),
        epochs=fitted.epochs,
        train_loss=fitted.train_loss,
        refitted=options.refit,
        validation=validated.metrics,
        test=test,
        model=folder.place_of(f"models/{options.architecture}"),
        by_value=table,
    )


def _counted(prepared: Prepared | Streamed, *, refitted: bool) -> Rows | RatingCounts:
    """The rows that the model was fitted on, or how many each id has."""
    if isinstance(prepared, Streamed):
        return prepared.counts
    return prepared.split.fitting if refitted else prepared.split.train


def _tested(
    options: TrainOptions,
    prepared: Prepared | Streamed,
    registry: Registry,
    fits: list[Fitted],
    config: FitConfig,
    watch: Watch,
) -> tuple[dict[str, float | None] | None, ByValue | None]:
    """The last fit's metrics on the test rows, and a table by value of rows in memory; None where it is not asked."""
    if not (options.score_test or options.data.test is not None):
        return None, None
    order, temperature = _orders(options, config)[-1], fits[0].temperature
    opened, look = prepared.split.test.open(looks(), reason=f"train {options.architecture}")
    asked = "--score-test" if options.score_test else "--test"
    watch.say(f"{asked}: {len(prepared.split.test):,} test rows are scored; this is look number {look} at them")
    shape, objective = prepared.shape, options.objective
    if not isinstance(opened, Rows):
        metrics = score_pieces(
            order, fits[-1], opened, shape, objective=objective, temperature=temperature, registry=registry
        )
        return metrics.by_name(), None
    scored = score(order, fits[-1], opened, shape, objective=objective, temperature=temperature, registry=registry)
    return scored.metrics.by_name(), by_value(scored, opened, shape)


def _spread(
    options: TrainOptions, prepared: Prepared | Streamed, config: FitConfig, registry: Registry, validated: Fitted
) -> Spread | None:
    """How far ratings lie from the predictions of the fit that was validated; None of too few validation rows.

    Of rows on disk up to ENOUGH are looked at, spread evenly over all.
    """
    rows = prepared.split.some("validation", ENOUGH) if isinstance(prepared, Streamed) else prepared.split.validation
    fitted = prepared.counts if isinstance(prepared, Streamed) else prepared.split.train
    if len(rows) < FEWEST:
        return None
    scored = score(
        _orders(options, config)[0],
        validated,
        rows,
        prepared.shape,
        objective=options.objective,
        temperature=validated.temperature,
        registry=registry,
    )
    return Spread.of(rows.ratings, scored.averaged, known_of(fitted, rows, prepared.shape))
