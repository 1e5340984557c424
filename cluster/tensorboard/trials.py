"""Writes one event file for each fit of the search, with short tags and epochs as steps."""

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial
from torch.utils.tensorboard.summary import scalar
from torch.utils.tensorboard.writer import FileWriter

from reeltune.cluster.runs.disk import Disk
from reeltune.cluster.runs.folder import Ledger
from reeltune.cluster.tensorboard.hparams import STATE, STATES, VALUE, Drawn, end, experiment, start

TAGS = {
    "loss/train": "train_loss",
    "mse/validation": "mse",
    "argmax_mse/validation": "argmax_mse",
    "learning_rate": "learning_rate",
}


class Board(Callback):
    """A Tune callback that writes what trials report to event files on the driver's disk (stores cannot append).

    It reads from the ledger how a trial ended: Tune calls the searcher, which has the end written there, before
    callbacks.
    """

    def __init__(self, folder: Path, ledger: Ledger, searched: Mapping[str, Drawn], *, disk: Disk) -> None:
        self.folder, self.ledger, self.searched, self.disk = folder, ledger, searched, disk
        self._writers: dict[str, FileWriter] = {}

    def setup(self, **info: Any) -> None:
        for file in self.folder.glob("events.out.tfevents.*"):  # of an earlier session of this search
            file.unlink()
        writer = FileWriter(self.folder)
        writer.add_summary(experiment(self.searched))
        writer.close()

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        with self.disk.writing():
            self._close(trial)
            folder = self.folder / trial.config["trial"]
            if folder.exists():  # the trial restarts after a cut-off or a crash: its first update repeats all points
                shutil.rmtree(folder)
            writer = self._writers[trial.trial_id] = FileWriter(folder)
            writer.add_summary(start(trial.config, self.searched[trial.config["architecture"]]))
            writer.flush()

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        writer = self._writers[trial.trial_id]
        whole = {point.epoch: point for point in result.get("points", ()) if point.whole}
        with self.disk.writing():
            for epoch, point in whole.items():
                for tag, name in TAGS.items():
                    writer.add_summary(scalar(tag, getattr(point, name)), epoch)
            if whole:
                writer.flush()

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self._end(trial)

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self._end(trial)

    def on_experiment_end(self, trials: list[Trial], **info: Any) -> None:
        with self.disk.writing():
            for writer in self._writers.values():
                writer.close()

    def _end(self, trial: Trial) -> None:
        entry = next((e for e in reversed(self.ledger.entries) if e.trial == trial.config["trial"]), None)
        writer = self._writers.get(trial.trial_id)
        if entry is None or writer is None:
            return
        with self.disk.writing():
            writer.add_summary(scalar(STATE, STATES[entry.state]), entry.epochs)
            if entry.value is not None:
                writer.add_summary(scalar(VALUE, entry.value), entry.epochs)
            writer.add_summary(end(entry.state, at=time.time()))
            self._close(trial)

    def _close(self, trial: Trial) -> None:
        if writer := self._writers.pop(trial.trial_id, None):
            writer.close()
