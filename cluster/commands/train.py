"""`reeltune train`: one data-parallel fit, its metrics, and a bundle."""

from typing import Any

from reeltune.cluster.commands.progress import Watch
from reeltune.cluster.commands.train_options import TrainOptions, configured
from reeltune.cluster.data_parallel.fit_all import fit_all
from reeltune.cluster.data_parallel.orders import FitOrder, Fitted, GroupData, Lost
from reeltune.cluster.judging import scores as judged
from reeltune.cluster.runs.claim import claim
from reeltune.cluster.runs.find import folder_of
from reeltune.cluster.runs.folder import RunFolder
from reeltune.cluster.runs.node_check import check_storage
from reeltune.cluster.session.interrupt import interruptible
from reeltune.cluster.session.resources import check
from reeltune.cluster.session.session import session
from reeltune.trainables import bundle as bundles
from reeltune.trainables.config import FitConfig
from reeltune.trainables.data.prepared import Prepared, asked_of, looks, prepare
from reeltune.trainables.errors import FitFailed
from reeltune.trainables.fitting.timestamps import check_times


def train(options: TrainOptions, watch: Watch) -> dict[str, Any]:
    """Fit, score, bundle. The result is what `--json` prints; `by_value` holds the confusion matrix besides."""
    folder = folder_of(options.name, options.storage)
    if folder.home is not None:
        folder.home.check()
    prepared = prepare(options.data)
    config = configured(options, prepared.shape)
    check_times([config], prepared)
    watch.say(prepared.summary())
    asked = {
        "verb": "train",
        "architecture": options.architecture,
        "config": config.model_dump(),
        **asked_of(options.data, prepared),
        "seed": options.seed,
        "decoder": options.decoder,
    }
    with claim(folder, asked, resume=options.resume, say=watch.say):
        fitted = _fit(options, prepared, config, folder, watch)
        return _scored(options, prepared, config, fitted, folder, watch)


def _fit(options: TrainOptions, prepared: Prepared, config: FitConfig, folder: RunFolder, watch: Watch) -> Fitted:
    data = GroupData(
        train=prepared.split.train,
        validation=prepared.split.validation,
        shape=prepared.shape,
        decoder=options.decoder,
    )
    watch.status("starting Ray")
    with session(options.address, data_bytes=prepared.bytes) as resources, interruptible():
        check(options.workers, resources, bfloat16=options.bfloat16)
        if options.address is not None:
            check_storage(folder.store)
        came = fit_all(
            [_order(options, config)],
            data,
            workers=options.workers,
            resources=resources,
            store=folder.fits,
            save_every=options.checkpoint_every,
            bfloat16=options.bfloat16,
            progress=watch.status,
        )
    watch.tick("")
    result = came[options.architecture]
    if isinstance(result, Lost):
        raise FitFailed(result.reason)
    return result


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
    fitted: Fitted,
    folder: RunFolder,
    watch: Watch,
) -> dict[str, Any]:
    test, table = None, None
    if options.score_test or options.data.test is not None:
        rows, look = prepared.split.test.open(looks(), reason=f"train {options.architecture}")
        if look > 1:
            watch.say(f"note: this is look number {look} at these test rows")
        scored = judged.score(
            _order(options, config),
            fitted,
            rows,
            prepared.shape,
            decoder=options.decoder,
            temperature=fitted.temperature,
        )
        test, table = scored.metrics.by_name(), judged.by_value(scored, rows, prepared.shape)
    path = folder.model(options.architecture)
    description = bundles.describe(
        options.architecture,
        config,
        prepared.shape.scale,
        decoder=options.decoder,
        temperature=fitted.temperature,
        seed=options.seed,
        data=options.data.data,
        metrics={"validation": fitted.metrics, "test": test},
    )
    users, items = prepared.ratings.users, prepared.ratings.items
    bundles.save(path, description, fitted.weights, users, items, fitted=prepared.split.train)
    return {
        "architecture": options.architecture,
        "config": config.model_dump(),
        "timed": config.timed,
        "fit_seconds": round(fitted.seconds, 3),
        "epochs": fitted.epochs,
        "validation": fitted.metrics,
        "test": test,
        "model": folder.place_of(f"models/{options.architecture}"),
        "by_value": table,
    }
