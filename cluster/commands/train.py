"""`reeltune train`: one fit, on Ray's data-parallel workers or in this process; its metrics, and a bundle."""

from collections.abc import Sequence

import torch
from pydantic import Field, JsonValue

from reeltune.cluster.commands.progress import Watch
from reeltune.cluster.commands.train_options import TrainOptions, configured, resolved
from reeltune.cluster.data_parallel.in_process import fit_here
from reeltune.cluster.data_parallel.orders import FitOrder, Fitted, GroupData, Lost
from reeltune.cluster.data_parallel.updates import notes
from reeltune.cluster.judging.scores import by_value, score
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
from reeltune.trainables.architectures.registry import Registry
from reeltune.trainables.bundle import describe, save
from reeltune.trainables.config import FitConfig
from reeltune.trainables.data.prepared import Prepared, looks, prepare
from reeltune.trainables.errors import FitFailed
from reeltune.trainables.fitting.timestamps import check_times


class Trained(Stored):
    """What `train --json` prints, except the confusion matrix."""

    architecture: str
    config: dict[str, JsonValue]
    timed: bool  # predictions use when a pair was rated
    fit_seconds: float
    epochs: int
    validation: Metrics | None
    test: Metrics | None
    model: str
    by_value: ByValue | None = Field(None, exclude=True)


def train(options: TrainOptions, watch: Watch) -> Trained:
    """Fit, score and write the bundle. Raises InputError at wrong options or data, FitFailed if the fit fails."""
    options, registry = resolved(options)
    folder = folder_of(options.name, options.storage)
    if folder.home is not None:
        folder.home.check()
    if options.address is not None:
        from reeltune.cluster.session.address import check_address  # late: it loads Ray

        check_address(options.address)
    prepared = prepare(options.data)
    config = configured(options, prepared.shape, registry)
    check_times([config], prepared)
    watch.say(prepared.summary())
    asked = AskedToTrain(
        **data_asked(options.data, prepared),
        architecture=options.architecture,
        sources=registry.hashes,
        config=config.model_dump(mode="json"),
        seed=options.seed,
        decoder=options.decoder,
    )
    with (
        claim(folder, asked, resume=options.resume, command=options.command, say=watch.say),
        tracked(options.trackers, folder, asked, say=watch.say, status=watch.tick) as elsewhere,
    ):
        keep_tables(options.data, folder)
        keep_sources(registry, folder)
        trackers: list[Tracker] = [TensorBoard(folder.tensorboard), *elsewhere]
        fitted = _fit(options, prepared, config, registry, folder, trackers, watch)
        trained = _scored(options, prepared, config, registry, fitted, folder, watch)
        for tracker in elsewhere:
            tracker.trained(folder, trained.architecture, {"validation": trained.validation, "test": trained.test})
        return trained


def _fit(
    options: TrainOptions,
    prepared: Prepared,
    config: FitConfig,
    registry: Registry,
    folder: RunFolder,
    trackers: Sequence[Tracker],
    watch: Watch,
) -> Fitted:
    order = _order(options, config)
    fit = _fit_here if needs_no_ray(options) else _fit_with_ray
    result = fit(order, options, prepared, registry, folder, trackers, watch)
    watch.tick("")
    if isinstance(result, Lost):
        raise FitFailed(result.reason)
    return result


def needs_no_ray(options: TrainOptions) -> bool:
    """Whether one worker on a CPU of this machine is all that is asked for."""
    return options.workers == 1 and options.address in (None, "local") and not torch.cuda.is_available()


def _fit_here(
    order: FitOrder,
    options: TrainOptions,
    prepared: Prepared,
    registry: Registry,
    folder: RunFolder,
    trackers: Sequence[Tracker],
    watch: Watch,
) -> Fitted | Lost:
    check(options.workers, here(), bfloat16=options.bfloat16)
    with guarded(how_to_go_on(folder.name, options.command), may_exit=not options.keep_ray):
        came = fit_here(
            order,
            GroupData.of(prepared, options.decoder, registry),
            store=folder.fits,
            save_every=options.checkpoint_every,
            progress=watch.status,
            trackers=trackers,
        )
    for line in notes([order], {order.key: came}):
        watch.say(line)
    return came


def _fit_with_ray(
    order: FitOrder,
    options: TrainOptions,
    prepared: Prepared,
    registry: Registry,
    folder: RunFolder,
    trackers: Sequence[Tracker],
    watch: Watch,
) -> Fitted | Lost:
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
        came = refit(
            [order],
            prepared,
            decoder=options.decoder,
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
    return came[order.key]


def _order(options: TrainOptions, config: FitConfig) -> FitOrder:
    return FitOrder(
        key=options.architecture,
        architecture=options.architecture,
        config=config.model_dump(),
        seed=options.seed,
    )


def _scored(
    options: TrainOptions,
    prepared: Prepared,
    config: FitConfig,
    registry: Registry,
    fitted: Fitted,
    folder: RunFolder,
    watch: Watch,
) -> Trained:
    test, table = None, None
    if options.score_test or options.data.test is not None:
        rows, look = prepared.split.test.open(looks(), reason=f"train {options.architecture}")
        asked = "--score-test" if options.score_test else "--test"
        watch.say(f"{asked}: {len(rows):,} test rows are scored; this is look number {look} at them")
        scored = score(
            _order(options, config),
            fitted,
            rows,
            prepared.shape,
            decoder=options.decoder,
            temperature=fitted.temperature,
            registry=registry,
        )
        test, table = scored.metrics.by_name(), by_value(scored, rows, prepared.shape)
    path = folder.model(options.architecture)
    description = describe(
        options.architecture,
        config,
        prepared.shape.scale,
        decoder=options.decoder,
        temperature=fitted.temperature,
        seed=options.seed,
        data=options.data.data,
        metrics={"validation": fitted.metrics, "test": test},
        sources=registry.sources,
    )
    users, items = prepared.ratings.users, prepared.ratings.items
    save(
        path,
        description,
        fitted.weights,
        users,
        items,
        fitted=prepared.split.train,
        sources=registry.sources,
        priors=fitted.priors,
    )
    return Trained(
        architecture=options.architecture,
        config=config.model_dump(mode="json"),
        timed=config.timed,
        fit_seconds=round(fitted.seconds, 3),
        epochs=fitted.epochs,
        validation=fitted.metrics,
        test=test,
        model=folder.place_of(f"models/{options.architecture}"),
        by_value=table,
    )
