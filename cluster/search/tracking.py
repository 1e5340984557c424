"""The Tune callback that tells trackers of trials."""

from collections.abc import Sequence
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial

from reeltune.cluster.runs.disk import Disk
from reeltune.cluster.runs.folder import Ledger
from reeltune.cluster.search.messages import TuneDict, order_of, update_of
from reeltune.cluster.tracking.tracker import EpochPoint, FitEnd, TrackedFit, Tracker


class Tracking(Callback):
    """Reads from the ledger how a trial ended.

    Tune calls the searcher, which has the end written there, before it calls callbacks.
    """

    def __init__(self, trackers: Sequence[Tracker], ledger: Ledger, *, disk: Disk) -> None:
        self.trackers, self.ledger, self.disk = trackers, ledger, disk

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        order = order_of(trial.config)
        fit = TrackedFit(
            name=order.trial, architecture=order.architecture, stage=order.stage, config=dict(order.config)
        )
        with self.disk.writing():
            for tracker in self.trackers:
                tracker.began(fit)

    def on_trial_result(self, iteration: int, trials: list[Trial], trial: Trial, result: TuneDict, **info: Any) -> None:
        points = [
            EpochPoint(
                epoch=point.epoch,
                train_loss=point.train_loss,
                learning_rate=point.learning_rate,
                mse=point.mse,
                argmax_mse=point.argmax_mse,
                value=point.value,
            )
            for point in update_of(result).points
            if point.whole
        ]
        with self.disk.writing():
            for tracker in self.trackers:
                tracker.update(order_of(trial.config).trial, points)

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self._ended(trial)

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self._ended(trial)

    def on_experiment_end(self, trials: list[Trial], **info: Any) -> None:
        with self.disk.writing():
            for tracker in self.trackers:
                tracker.close()

    def _ended(self, trial: Trial) -> None:
        name = order_of(trial.config).trial
        entry = next((entry for entry in reversed(self.ledger.entries) if entry.trial == name), None)
        if entry is None:
            return  # the search is stopping, and the trial has not ended
        with self.disk.writing():
            for tracker in self.trackers:
                tracker.ended(name, FitEnd(state=entry.state, value=entry.value, epochs=entry.epochs))
