"""A fit of `train`, or a refit: on the workers of a lane, or in this process."""

import time
from dataclasses import asdict

import torch

from reeltune.cluster.data_parallel.orders import FitOrder, Fitted, FitUpdate, GroupData, keep
from reeltune.cluster.data_parallel.states import states_of
from reeltune.cluster.runs.fit_states import Snapshots, pause
from reeltune.cluster.runs.storage import Store
from reeltune.cluster.tracking.tracker import EpochPoint
from reeltune.trainables.bundle import served_weights
from reeltune.trainables.fitting.dealt import Dealt
from reeltune.trainables.fitting.loop import Report, agreed, calibrate, evaluate, run
from reeltune.trainables.fitting.sharded import ShardedFit, kind_of
from reeltune.trainables.folding.brought import Brought, brought
from reeltune.trainables.model import RatingModel
from reeltune.trainables.scoring.metric_table import Objective

LONGEST_UPDATE = 1.0  # seconds between two updates of a fit


class Refit:
    """Its updates have a line and a point for each epoch. Rank 0 writes its result to storage."""

    def __init__(
        self,
        order: FitOrder,
        device: torch.device,
        *,
        data: GroupData,
        store: Store,
        save_every: float,
        bfloat16: bool,
        threads: int = 1,
    ) -> None:
        self.order, self.data, self.store, self.save_every = order, data, store, save_every
        architecture = data.registry[order.architecture]
        self.fit = kind_of(order.shard)(
            architecture,
            architecture.Config.model_validate(order.config),
            self.data.shape,
            self.data.rows(order),
            seed=order.seed,
            device=device,
            bfloat16=bfloat16,
            threads=threads if order.shard is None else 1,
        )
        self.seconds, self.loss = 0.0, float("nan")
        self.points: list[EpochPoint] = []
        self.told = 0  # how many of them the driver has: none of a fit that goes on after a crash
        self.states = states_of(order.name, order.content, Snapshots(store), self.fit)
        if (state := self.states.load()) is not None:
            self.fit.load_state(state["fit"])
            self.seconds, self.loss = state["seconds"], state["loss"]
            self.points = [EpochPoint(**point) for point in state.get("points", ())]
        self.saved, self.every = time.monotonic(), save_every
        self.reports = run(
            self.fit,
            validation=self.data.held_out(order),
            decoder=self.data.decoder,
            metric=self.data.metric,
            save_every=min(save_every, LONGEST_UPDATE),
        )

    def next(self) -> FitUpdate:
        start, lines = time.monotonic(), []
        for report in self.reports:
            self.loss = report.train_loss
            if report.whole:
                lines.append(self._line(report))
                self.points.append(_point(report, self.data.objective))
            if report.save:
                break
        done = self.fit.step == self.fit.steps
        ended = self._end() if done else None
        self.seconds += time.monotonic() - start
        if ended is not None:
            self._keep(*ended)
        elif agreed(self.fit, time.monotonic() - self.saved >= self.every):
            self._save()
        new, self.told = self.points[self.told :], len(self.points)
        return FitUpdate(done=done, lines=tuple(lines), points=tuple(new), progress=self.fit.progress)

    def _save(self) -> None:
        state = {
            "fit": self.fit.state(),
            "seconds": self.seconds,
            "loss": self.loss,
            "points": [asdict(point) for point in self.points],
        }
        start = time.monotonic()
        self.states.save(state)
        self.saved = time.monotonic()
        self.every = pause(self.save_every, took=self.saved - start)

    def _line(self, report: Report) -> str:
        error = ""
        if report.validation is not None:
            objective = self.data.objective
            error = f", validation {objective.measure.name} {objective.of(report.validation.by_name()):.4f}"
        return f"{self.order.key}: epoch {report.epoch} of {self.fit.epochs}, training loss {self.loss:.4f}{error}"

    def _end(self) -> tuple[float, dict[str, float | None] | None]:
        """The temperature, and the metrics of the trained model."""
        held_out = self.data.held_out(self.order)
        if held_out is None:
            return 1.0, None
        rows = self.fit.held_out(held_out)
        temperature = calibrate(self.fit, rows, metric=self.data.metric)
        metrics = evaluate(self.fit, rows, decoder=self.data.decoder, metric=self.data.metric, temperature=temperature)
        return temperature, metrics.by_name()

    def _keep(self, temperature: float, metrics: dict[str, float | None] | None) -> None:
        """Have the first worker write the result."""
        given = self._for_priors()
        model, rows = self.fit.whole()
        if self.fit.rank == 0:
            given = Brought(rows=rows) if given is None else given
            keep(self.store, self.order, self._fitted(model, given, temperature, metrics))

    def _for_priors(self) -> Brought | None:
        """What priors are learnt from, where that is not all rows in memory."""
        if isinstance(self.fit, ShardedFit) and isinstance(self.fit.given, Dealt):
            return brought(self.fit)
        return None

    def _fitted(
        self, model: RatingModel, given: Brought, temperature: float, metrics: dict[str, float | None] | None
    ) -> Fitted:
        return Fitted(
            key=self.order.key,
            weights=served_weights(model),
            priors={name: tensor.cpu() for name, tensor in given.priors(model, seed=self.fit.seed).items()},
            seconds=self.seconds,
            epochs=self.fit.epoch,
            train_loss=self.loss,
            metrics=metrics,
            temperature=temperature,
            notes=list(model.notes),
        )


def _point(report: Report, objective: Objective) -> EpochPoint:
    found = report.validation
    return EpochPoint(
        epoch=report.epoch,
        train_loss=report.train_loss,
        learning_rate=report.learning_rate,
        mse=None if found is None else found.of("mean"),
        argmax_mse=None if found is None else found.of("argmax"),
        value=None if found is None else objective.of(found.by_name()),
    )
