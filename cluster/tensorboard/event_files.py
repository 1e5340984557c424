"""The tracker that writes TensorBoard's event files: one for each fit, with short tags and epochs as steps."""

import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch.utils.tensorboard.summary import scalar
from torch.utils.tensorboard.writer import FileWriter

from reeltune.cluster.runs.folder import RunFolder
from reeltune.cluster.tensorboard.hparams import STAGES, STATE, STATES, VALUE, Drawn, end, experiment, start
from reeltune.cluster.tracking.tracker import EpochPoint, FitEnd, TrackedFit
from reeltune.trainables.architectures.registry import SHIPPED, Registry

TAGS = {
    "loss/train": "train_loss",
    "mse/validation": "mse",
    "argmax_mse/validation": "argmax_mse",
    "learning_rate": "learning_rate",
}


class TensorBoard:
    """Writes below a folder of the driver's disk, since object stores cannot append.

    `searched` is what a search varies, by architecture: its trials get sessions in the HParams tab.
    """

    def __init__(
        self, folder: Path, searched: Mapping[str, Drawn] | None = None, *, registry: Registry = SHIPPED
    ) -> None:
        self.folder, self.searched, self.registry = folder, searched or {}, registry
        self._writers: dict[str, FileWriter] = {}
        self._epochs: dict[str, int] = {}  # written so far
        self._in_search: set[str] = set()  # fits that have a session in the HParams tab
        if self.searched:
            self._describe_search()

    def _describe_search(self) -> None:
        for file in self.folder.glob("events.out.tfevents.*"):  # of an earlier session of this search
            file.unlink()
        writer = FileWriter(self.folder)
        writer.add_summary(experiment(self.searched))
        writer.close()

    def began(self, fit: TrackedFit) -> None:
        self._close(fit.name)
        folder = self.folder / fit.name
        if folder.exists():  # the fit restarts after a cut-off or a crash: its first update repeats all points
            shutil.rmtree(folder)
        writer = self._writers[fit.name] = FileWriter(folder)
        if fit.stage in STAGES and fit.architecture in self.searched:
            self._in_search.add(fit.name)
            writer.add_summary(start(fit, self.searched[fit.architecture]))
        writer.flush()

    def update(self, name: str, points: Sequence[EpochPoint]) -> None:
        new = {point.epoch: point for point in points if point.epoch > self._epochs.get(name, 0)}
        writer = self._writers[name]
        for epoch, point in new.items():
            for tag, field in TAGS.items():
                if (value := getattr(point, field)) is not None:
                    writer.add_summary(scalar(tag, value), epoch)
        if new:
            self._epochs[name] = max(new)
            writer.flush()

    def ended(self, name: str, end_of_fit: FitEnd) -> None:
        writer = self._writers.get(name)
        if writer is None:
            return
        if name in self._in_search:
            writer.add_summary(scalar(STATE, STATES[end_of_fit.state]), end_of_fit.epochs)
            if end_of_fit.value is not None:
                writer.add_summary(scalar(VALUE, end_of_fit.value), end_of_fit.epochs)
            writer.add_summary(end(end_of_fit.state, at=time.time()))
        self._close(name)

    def chosen(self, folder: RunFolder) -> None:
        from reeltune.cluster.tensorboard import chosen  # draws: takes seconds to load

        chosen.write(folder, self.registry)

    def close(self) -> None:
        for name in list(self._writers):
            self._close(name)

    def _close(self, name: str) -> None:
        self._epochs.pop(name, None)
        self._in_search.discard(name)
        if writer := self._writers.pop(name, None):
            writer.close()
