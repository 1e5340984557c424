"""`reeltune train`: one fit, on Ray's data-parallel workers or in this process; its metrics, and a bundle.

With `--refit` there are two: the first is validated, and the second, on all rows but the test's, is the model.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from pydantic import Field, JsonValue

from reeltune.cluster.commands.counted import FitSteps
from reeltune.cluster.commands.progress import Watch
from reeltune.cluster.commands.rows_folder import rows_folder
from reeltune.cluster.commands.sharding import about_sharded, check_buckets
from reeltune.cluster.commands.train_options import (
    TrainOptions,
    check_shard,
    check_stream,
    configured,
    if_killed,
    resolved,
    with_less_memory,
)
from reeltune.cluster.data_parallel.dealing import group_of
from reeltune.cluster.data_parallel.in_process import fit_here
from reeltune.cluster.data_parallel.orders import FitOrder, Fitted, Lost
from reeltune.cluster.data_parallel.updates import notes
from reeltune.cluster.judging.scores import by_value, score, score_pieces
from reeltune.cluster.runs.answer import ByValue, Metrics
from reeltune.cluster.runs.claim import check_free, claim
from reeltune.cluster.runs.find import folder_of
from reeltune.cluster.runs.folder import RunFolder
from reeltune.cluster.runs.kept_tables import keep_tables
from reeltune.cluster.runs.record import AskedToTrain, data_asked
from reeltune.cluster.runs.sources import keep_sources
from reeltune.cluster.runs.stored import Stored
from reeltune.cluster.session.guard import guarded, witnessed
from reeltune.cluster.session.interrupt import how_to_go_on
from reeltune.cluster.session.resources import check, here
from reeltune.cluster.tensorboard.event_files import TensorBoard
from reeltune.cluster.trackers.opened import tracked
from reeltune.cluster.tracking.tracker import Tracker
from reeltune.trainables.architectures.heads import has_classes
from reeltune.trainables.architectures.registry import Registry
from reeltune.trainables.bundle import describe, save
from reeltune.trainables.config import FitConfig
from reeltune.trainables.data.prepared import Prepared, check_looks, looks, prepare
from reeltune.trainables.data.ratings import Rows
from reeltune.trainables.data.streamed import Streamed, prepare_streamed
from reeltune.trainables.description import Description, fitted_on
from reeltune.trainables.errors import FitFailed, InputError
from reeltune.trainables.fitting.timestamps import check_times
from reeltune.trainables.fitting.weighted import check_weights
from reeltune.trainables.model import Architecture
from reeltune.trainables.scoring.spread import FEWEST, Spread, known_of


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
    check_free(folder, resume=options.resume)
    if folder.home is not None:
        folder.home.check()
    if options.address is not None:
        from reeltune.cluster.session.address import check_address  # late: it loads Ray

        check_address(options.address, takes_client=not options.keep_ray)
    check_stream(options)
    if _scores_test(options):
        check_looks()
    with read(options, watch) as prepared:
        config = configured(options, prepared.shape, registry)
        job = _Job(options=options, prepared=prepared, config=config, registry=registry, folder=folder, watch=watch)
        job.check()
        watch.say(prepared.summary())
        return job.done()


@contextmanager
def read(options: TrainOptions, watch: Watch) -> Iterator[Prepared | Streamed]:
    """The data, read and split: in memory, or on disk while the body runs. Raises InputError."""
    if not options.stream:
        watch.tick(f"reading {options.data.data}")
        with witnessed(if_killed(options)):
            prepared = prepare(options.data)
        yield prepared
        return
    with rows_folder(watch.say) as folder:
        watch.status(f"reading {options.data.data} a part at a time")
        try:
            with witnessed(if_killed(options)):
                streamed = prepare_streamed(options.data, folder)
        except OSError as error:
            raise InputError(
                f"--stream: rows cannot be written to {folder}: {error}; set TMPDIR to a folder on a larger disk"
            ) from None
        yield streamed


def needs_no_ray(options: TrainOptions) -> bool:
    """Whether one worker on a CPU of this machine is all that is asked for."""
    return options.workers == 1 and options.address in (None, "local") and not torch.cuda.is_available()


def _scores_test(options: TrainOptions) -> bool:
    return options.score_test or options.data.test is not None


@dataclass(frozen=True, kw_only=True)
class _Job:
    """What `train` does once the data are read and the configuration is known."""

    options: TrainOptions
    prepared: Prepared | Streamed
    config: FitConfig
    registry: Registry
    folder: RunFolder
    watch: Watch

    @property
    def architecture(self) -> Architecture:
        return self.registry[self.options.architecture]

    def check(self) -> None:
        """Raise InputError where the configuration does not go with the data or the options."""
        if isinstance(self.prepared, Prepared):  # --stream takes neither times nor weights
            check_times([self.config], self.prepared)
            check_weights([(self.architecture, self.config)], self.prepared)
        check_shard(self.options, self.registry, self.config)
        check_stream(self.options, self.config)
        check_buckets(self.options.shard, self.options.workers, self.prepared.sizes.train)

    def done(self) -> Trained:
        """Fit, say what the figures are of, score and save."""
        options, folder, watch, asked = self.options, self.folder, self.watch, self._asked()
        with (
            claim(folder, asked, resume=options.resume, command=options.command, say=watch.say),
            tracked(options.trackers, folder, asked, say=watch.say, status=watch.tick) as elsewhere,
        ):
            keep_tables(options.data, folder)
            keep_sources(self.registry, folder)
            for line in about_sharded(options.shard, self.config, workers=options.workers):
                watch.say(line)
            fits = self._fits([TensorBoard(folder.tensorboard, metric=options.metric), *elsewhere])
            for line in self._notes():
                watch.say(line)
            watch.tick("writing the model")
            trained = self._scored(fits)
            folder.fits.clear()  # not before: a fit is done again if its model cannot be written
            for tracker in elsewhere:
                tracker.trained(folder, trained.architecture, {"validation": trained.validation, "test": trained.test})
            return trained

    def _asked(self) -> AskedToTrain:
        options = self.options
        return AskedToTrain(
            **data_asked(options.data, self.prepared),
            architecture=options.architecture,
            sources=self.registry.hashes,
            config=self.config.as_json(),
            seed=options.seed,
            decoder=options.decoder,
            metric=options.metric,
            refit=options.refit,
            bf16=options.bfloat16,
            shard=options.shard,
        )

    def _notes(self) -> list[str]:
        """What the figures are of, where that is not plain."""
        sizes = self.prepared.sizes
        if self.options.refit:
            return [
                "--refit: the model is a second fit, on training and validation rows together "
                f"({sizes.train + sizes.validation:,}); validation figures are of the first, on training rows alone"
            ]
        if sizes.validation:
            return []
        classes = has_classes(self.architecture, self.config.as_json(), self.prepared.shape)
        uncalibrated = "; its probabilities are not calibrated, for want of rows to do it on" if classes else ""
        return [f"--validation 0: there are no validation figures{uncalibrated}"]

    @cached_property
    def orders(self) -> list[FitOrder]:
        """The fit; with `--refit`, and after it the refit."""
        options, config = self.options, self.config.as_json()
        name = options.architecture
        first = FitOrder(key=name, architecture=name, config=config, seed=options.seed, shard=options.shard)
        return [first, replace(first, key=f"{name}, refitted", rows="fitting")] if options.refit else [first]

    def _fits(self, trackers: Sequence[Tracker]) -> list[Fitted]:
        """What came of the orders. Raises FitFailed if a fit is lost."""
        came = self._fit_here(trackers) if needs_no_ray(self.options) else self._fit_with_ray(trackers)
        self.watch.tick("")
        for result in came.values():
            if isinstance(result, Lost):
                raise FitFailed(f"{result.reason}{with_less_memory(self.options, result.reason)}")
        return [result for order in self.orders if isinstance(result := came[order.key], Fitted)]

    def _fit_here(self, trackers: Sequence[Tracker]) -> dict[str, Fitted | Lost]:
        options, store = self.options, self.folder.fits
        check(options.workers, here(), bfloat16=options.bfloat16)
        with guarded(how_to_go_on(self.folder.name, options.command), may_exit=not options.keep_ray):
            came = fit_here(
                self.orders,
                group_of(self.prepared, options.objective, self.registry, store),
                store=store,
                save_every=options.checkpoint_every,
                progress=self.watch.status,
                steps=FitSteps(self.watch.step),
                trackers=trackers,
            )
        for line in notes([order for order in self.orders if order.key in came], came):
            self.watch.say(line)
        return came

    def _fit_with_ray(self, trackers: Sequence[Tracker]) -> dict[str, Fitted | Lost]:
        # Imported late: Ray takes seconds to load.
        from reeltune.cluster.commands.refit import refit
        from reeltune.cluster.commands.run_session import session_of_run
        from reeltune.cluster.session.address import joining

        options, folder, watch = self.options, self.folder, self.watch
        watch.status(joining(options.address))
        with (
            witnessed(if_killed(options)),
            session_of_run(options, folder, data_bytes=self.prepared.bytes, say=watch.say) as resources,
        ):
            return refit(
                self.orders,
                self.prepared,
                objective=options.objective,
                workers=options.workers,
                resources=resources,
                store=folder.fits,
                watch=watch,
                save_every=options.checkpoint_every,
                bfloat16=options.bfloat16,
                each_epoch=True,
                trackers=trackers,
                registry=self.registry,
            )

    def _scored(self, fits: list[Fitted]) -> Trained:
        """Score the last fit, which is the model, on the test rows, if it is to be; keep it."""
        options, validated, fitted = self.options, fits[0], fits[-1]
        test, table = self._tested(fits)
        ratings = self.prepared.ratings
        save(
            self.folder.model(options.architecture),
            self._description(validated, test),
            fitted.weights,
            ratings.users,
            ratings.items,
            fitted=self.prepared.fitted(refitted=options.refit),
            sources=self.registry.sources,
            priors=fitted.priors,
        )
        return Trained(
            architecture=options.architecture,
            config=self.config.as_json(),
            timed=self.config.timed,
            fit_seconds=round(sum(fit.seconds for fit in fits), 3),
            epochs=fitted.epochs,
            train_loss=fitted.train_loss,
            refitted=options.refit,
            validation=validated.metrics,
            test=test,
            model=self.folder.place_of(f"models/{options.architecture}"),
            by_value=table,
        )

    def _description(self, validated: Fitted, test: Metrics | None) -> Description:
        options, prepared, sizes = self.options, self.prepared, self.prepared.sizes
        return describe(
            options.architecture,
            self.config,
            prepared.shape.scale,
            decoder=options.decoder,
            temperature=validated.temperature,
            seed=options.seed,
            data=options.data.data,
            metric=options.objective.metric,
            metrics={"validation": validated.metrics, "test": test},
            sources=self.registry.sources,
            fitted_on=fitted_on(prepared, sizes.train + (sizes.validation if options.refit else 0)),
            spread=self._spread(validated),
        )

    def _tested(self, fits: list[Fitted]) -> tuple[Metrics | None, ByValue | None]:
        """The model's metrics on the test rows, and a table by value of rows in memory; None where it is not asked."""
        options, shape = self.options, self.prepared.shape
        if not _scores_test(options):
            return None, None
        opened, look = self.prepared.split.test.open(looks(), reason=f"train {options.architecture}")
        asked, rows = "--score-test" if options.score_test else "--test", self.prepared.sizes.test
        self.watch.say(f"{asked}: {rows:,} test rows are scored; this is look number {look} at them")
        order, temperature, registry = self.orders[-1], fits[0].temperature, self.registry
        if not isinstance(opened, Rows):  # some at a time, from the disk
            metrics = score_pieces(
                order, fits[-1], opened, shape, objective=options.objective, temperature=temperature, registry=registry
            )
            return metrics.by_name(), None
        scored = score(
            order, fits[-1], opened, shape, objective=options.objective, temperature=temperature, registry=registry
        )
        return scored.metrics.by_name(), by_value(scored, opened, shape)

    def _spread(self, validated: Fitted) -> Spread | None:
        """How far ratings lie from the predictions of the validated fit; None of too few validation rows."""
        rows, shape = self.prepared.validation_rows(), self.prepared.shape
        if len(rows) < FEWEST:
            return None
        scored = score(
            self.orders[0],
            validated,
            rows,
            shape,
            objective=self.options.objective,
            temperature=validated.temperature,
            registry=self.registry,
        )
        return Spread.of(rows.ratings, scored.averaged, known_of(self.prepared.fitted(refitted=False), rows, shape))
