"""The fit of a trial, in whichever process: a Ray Tune actor, or each worker of a lane."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from reeltune.cluster.data_parallel.states import States, states_of
from reeltune.cluster.runs import out_of_fold as held_out
from reeltune.cluster.runs.fit_states import Snapshots, pause
from reeltune.cluster.runs.storage import Store
from reeltune.cluster.search.messages import Order, Point, Update
from reeltune.trainables.architectures.registry import SHIPPED, Registry
from reeltune.trainables.config import Shard
from reeltune.trainables.data import Rows, SplitKind, fold
from reeltune.trainables.data.prepared import FitData
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.data.tensors import Tensors
from reeltune.trainables.errors import FitFailed
from reeltune.trainables.fitting.fit import Fit
from reeltune.trainables.fitting.loop import Report, agreed, calibrate, evaluate, run
from reeltune.trainables.fitting.sharded import kind_of
from reeltune.trainables.scoring.decoders import Decoder, decode
from reeltune.trainables.scoring.metric_table import Metric, Objective

RUNG = (
    2 / 3
)  # the share of its own schedule from which on a trial can be stopped; `benchmarks/rungs.py` has the figures
# Seconds between two states, from which a fit goes on when its process has died: more if writing one takes long.
SAVE_EVERY = 10.0
LONGEST_STEP = 1.0  # seconds between two updates
KEPT: tuple[Decoder, ...] = ("mean", "argmax")  # by which the ratings of held-out rows are kept


@dataclass(frozen=True, kw_only=True)
class TrialData:
    """What a trial may see: training and validation rows. There are no test rows in it."""

    train: Rows
    validation: Rows
    split: SplitKind
    shape: Shape
    decoder: Decoder
    store: Store  # the run's, for states of running fits and, for the ensemble's weights, ratings of held-out rows
    metric: Metric = "mse"
    registry: Registry = SHIPPED
    sample: FitData | None = None  # what search trials see of it; None: all
    bfloat16: bool = False
    shard: Shard | None = None  # what each worker of a trial has a part of; None: each has all

    def of(self, order: Order) -> "TrialData | FitData":
        """What the trial of an order fits on: training and validation rows, and their shape."""
        return self if order.on_sample is None or self.sample is None else self.sample

    @property
    def longer(self) -> float:
        """How many times more rows a confirmation fits on than a search trial."""
        return 1.0 if self.sample is None else (len(self.train) + len(self.validation)) / len(self.sample)

    @property
    def objective(self) -> Objective:
        return Objective(decoder=self.decoder, metric=self.metric)

    @property
    def states(self) -> Snapshots:
        return Snapshots(self.store.below("states"))


class TrialFit:
    """Fits what an order says, from one progress update to the next.

    A fit that was cut off goes on from its last state. Its first update then has all points so far: the driver may
    not know them.
    """

    save_every = SAVE_EVERY

    def assign(self, order: Order, data: TrialData, device: torch.device | str) -> None:
        """Drop the fit before, and have this one. It begins with the first update that is asked for."""
        self.order, self.data, self.device = order, data, device
        # The states have a fit too: all of the one before is to be gone before this one takes memory.
        self.fit: Fit | None = None
        self.states: States | None = None
        self.reports: Iterator[Report] = iter(())
        self.points: list[Point] = []
        self.reported = 0  # how many of the points an update has had
        self.earlier = 0.0  # seconds of work in other processes, which the state had behind it
        self.seconds = self.saved = 0.0  # of work in this process: until now, and until its last state
        self.every = self.save_every
        self.kept = False  # a state is in storage

    @property
    def worked(self) -> float:
        return self.earlier + self.seconds

    def advance(self) -> Update:
        """Go on to the rung, the end, or for a second. Keeps a state when it is time for one."""
        start = time.monotonic() - self.seconds
        try:
            update = self._step()
            if not update.done and self._due(time.monotonic() - start):
                before = time.monotonic() - start
                self._save(self.earlier + before)
                self.saved = time.monotonic() - start
                self.every = pause(self.save_every, took=self.saved - before)
            return update
        finally:
            self.seconds = time.monotonic() - start

    def _due(self, seconds: float) -> bool:
        """Whether to keep a state after so many seconds of work in this process: the same on all workers."""
        assert self.fit is not None
        return agreed(self.fit, seconds - self.saved >= self.every)

    def _step(self) -> Update:
        if self.fit is None:
            self.fit = self._begin()
        reports = list(_until_a_stop(self.reports))
        self.points += [_point(report, self.data.objective) for report in reports if report.validation is not None]
        points, self.reported = tuple(self.points[self.reported :]), len(self.points)
        update = Update(
            done=self.fit.step == self.fit.steps,
            progress=reports[-1].progress,
            epochs=reports[-1].epoch,
            points=points,
            value=points[-1].value if points else None,
        )
        return self._end(update) if update.done else update

    def _begin(self) -> Fit:
        """The fit, from its last state where there is one."""
        seen = self.data.of(self.order)
        train, self.validation = fold(seen.train, seen.validation, self.order.fold, kind=self.data.split)
        fit = self._start(train)
        self.states = states_of(self.order.trial, self._asked, self.data.states, fit)
        kept = self.states.load()
        if kept is not None:
            fit.load_state(kept["fit"])
            self.points = [Point(**point) for point in kept["points"]]
            self.earlier, self.kept = kept["seconds"], True
        self.reports = run(
            fit,
            validation=self.validation,
            decoder=self.data.decoder,
            metric=self.data.metric,
            marks=(RUNG,),
            save_every=LONGEST_STEP,  # so that an update comes from the middle of a long epoch too
        )
        return fit

    def _save(self, seconds: float) -> None:
        assert self.fit is not None
        assert self.states is not None
        # Points as dicts: states are read back with torch's weights_only, which takes plain values alone.
        state = {"fit": self.fit.state(), "points": [vars(point) for point in self.points], "seconds": seconds}
        self.states.save(state)
        self.kept = True

    @property
    def _asked(self) -> dict[str, object]:
        """What tells the fit from others. What is not sharded has no `shard`, as before there was such a thing."""
        shard = self.data.shard
        return {**vars(self.order), **({} if shard is None else {"shard": shard})}

    def _start(self, train: Rows) -> Fit:
        order, architecture = self.order, self.data.registry[self.order.architecture]
        return kind_of(self.data.shard)(
            architecture,
            architecture.Config.model_validate(order.config if order.on_sample is None else order.on_sample),
            self.data.of(order).shape,
            train,
            seed=self.order.seed,
            device=self.device,
            bfloat16=self.data.bfloat16,
        )

    def _end(self, update: Update) -> Update:
        """The last update, with the final metrics, which are decoded from calibrated probabilities."""
        assert self.fit is not None
        rows = self.fit.held_out(self.validation)
        decoder, metric = self.data.decoder, self.data.metric
        temperature = calibrate(self.fit, rows, metric=metric)
        metrics = evaluate(self.fit, rows, decoder=decoder, metric=metric, temperature=temperature)
        value = self.data.objective.of(metrics.by_name())
        if not math.isfinite(value):
            raise FitFailed(f"the validation error is {value}")
        if self.order.stage == "confirm":
            self._keep(rows, temperature)
        return replace(update, state="done", value=value, metrics=metrics, temperature=temperature)

    def _keep(self, rows: Tensors, temperature: float) -> None:
        """Write the ratings of the held-out rows, float32 of shape (decoders of KEPT, rows)."""
        assert self.fit is not None
        grid, scale = self.fit.model.grid, self.data.shape.scale

        def read(output: Tensor, _: slice) -> Tensor:
            return torch.stack([decode(output, grid, scale, decoder=by, temperature=temperature) for by in KEPT], 1)

        ratings = self.fit.read(rows, read)
        if self.fit.rank == 0:
            held_out.write(self.data.store, self.order.trial, ratings.T.float().cpu().contiguous().numpy())


def _until_a_stop(reports: Iterator[Report]) -> Iterator[Report]:
    """Reports up to the rung, the end, or a second, which is at the same step on every worker."""
    for report in reports:
        yield report
        if report.save or report.marked or report.progress == 1:
            return


def _point(report: Report, objective: Objective) -> Point:
    assert report.validation is not None
    return Point(
        value=objective.of(report.validation.by_name()),
        epoch=report.epoch,
        whole=report.whole,
        progress=report.progress,
        learning_rate=report.learning_rate,
        train_loss=report.train_loss,
        mse=report.validation.of("mean"),
        argmax_mse=report.validation.of("argmax"),
    )
