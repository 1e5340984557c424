"""TensorBoard: one event file for each fit of the search, with short tags and epochs as steps."""

from pathlib import Path
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial
from torch.utils.tensorboard import SummaryWriter

TAGS = {
    "loss/train": "train_loss",
    "mse/validation": "mse",
    "argmax_mse/validation": "argmax_mse",
    "learning_rate": "learning_rate",
}


class Board(Callback):
    """Writes what trials report, on the driver's disk: event files are appended to, which stores cannot do."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._writers: dict[str, SummaryWriter] = {}

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        points = result.get("points", ())
        if not points:
            return
        writer = self._writers.get(trial.trial_id)
        if writer is None:
            writer = SummaryWriter(str(self.folder / trial.config["trial"]))
            self._writers[trial.trial_id] = writer
        whole = {point["epoch"]: point for point in points if point["whole"]}
        for epoch, point in whole.items():
            for tag, name in TAGS.items():
                writer.add_scalar(tag, point[name], epoch)

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self._close(trial)

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self._close(trial)

    def on_experiment_end(self, trials: list[Trial], **info: Any) -> None:
        for writer in self._writers.values():
            writer.close()

    def _close(self, trial: Trial) -> None:
        if writer := self._writers.pop(trial.trial_id, None):
            writer.close()
