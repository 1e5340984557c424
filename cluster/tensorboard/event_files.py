"""The tracker that writes TensorBoard's event files: one for each fit, with short tags and epochs as steps."""

import re
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from torch.utils.tensorboard.summary import scalar
from torch.utils.tensorboard.writer import FileWriter

from reeltune.cluster.runs.folder import Entry, RunFolder
from reeltune.cluster.tensorboard.best import BEST, EXPERIMENT, Best
from reeltune.cluster.tensorboard.hparams import (
    GAIN,
    STAGES,
    STATE,
    STATES,
    VALUE,
    Drawn,
    end,
    experiment,
    shown_as_text,
    start,
    tag_of,
)
from reeltune.cluster.tracking.tracker import EpochPoint, FitEnd, TrackedFit
from reeltune.trainables.architectures.registry import SHIPPED, Registry
from reeltune.trainables.scoring.metric_table import Metric

TAGS = {
    "loss/train": "train_loss",
    "mse/validation": "mse",
    "argmax_mse/validation": "argmax_mse",
    "learning_rate": "learning_rate",
}


class TensorBoard:
    """Writes below a folder of the driver's disk, since object stores cannot append.

    `metric` is what is minimised. `searched` is what a search varies, by architecture: its trials get sessions in the
    HParams tab, where `run` is the run's name; without one it is that of the folder above. `ended` are trials of an
    earlier session of the search.
    """

    def __init__(
        self,
        folder: Path,
        searched: Mapping[str, Drawn] | None = None,
        *,
        run: str | None = None,
        metric: Metric = "mse",
        ended: Iterable[Entry] = (),
        registry: Registry = SHIPPED,
    ) -> None:
        self.folder, self.searched, self.registry = folder, searched or {}, registry
        self.run = folder.absolute().parent.name if run is None else run
        self._as_text = shown_as_text(self.searched)
        # The mean squared errors have their curves whatever is minimised.
        self.tags = TAGS if metric == "mse" else {**TAGS, tag_of(metric): "value"}
        self.metric = metric
        self._writers: dict[str, FileWriter] = {}
        self._epochs: dict[str, int] = {}  # written so far
        self._in_search: dict[str, TrackedFit] = {}  # fits that have a session in the HParams tab
        self.best: Best | None = None
        if self.searched:
            self.best = self._describe_search(ended)

    def _describe_search(self, ended: Iterable[Entry]) -> Best:
        """Write the columns of the HParams tab, into a folder that has curves too: it would be a run without any."""
        for file in self.folder.glob("events.out.tfevents.*"):  # where earlier versions had them
            file.unlink()
        shutil.rmtree(self.folder / BEST, ignore_errors=True)  # of an earlier session of this search
        writer = FileWriter(self.folder / BEST, filename_suffix=EXPERIMENT)
        writer.add_summary(experiment(self.searched, metric=self.metric))
        writer.close()
        return Best(self.folder / BEST, ended)

    def began(self, fit: TrackedFit) -> None:
        self._close(fit.name)
        folder = self.folder / folder_name(fit)
        if folder.exists():  # the fit restarts after a cut-off or a crash: its first update repeats all points
            shutil.rmtree(folder)
        writer = self._writers[fit.name] = FileWriter(folder)
        if fit.stage in STAGES and fit.architecture in self.searched:
            self._in_search[fit.name] = fit
            searched = self.searched[fit.architecture]
            writer.add_summary(start(fit, searched, run=self.run, as_text=self._as_text))
        writer.flush()

    def update(self, name: str, points: Sequence[EpochPoint]) -> None:
        new = {point.epoch: point for point in points if point.epoch > self._epochs.get(name, 0)}
        writer = self._writers[name]
        for epoch, point in new.items():
            for tag, field in self.tags.items():
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
            self._end_session(writer, self._in_search[name], end_of_fit)
        self._close(name)

    def _end_session(self, writer: FileWriter, fit: TrackedFit, came: FitEnd) -> None:
        found = {STATE: STATES[came.state], VALUE: came.value}
        if self.best is not None and fit.stage == "search":
            self.best.ended(fit.name, fit.architecture, came.value if came.state == "done" else None)
            found[GAIN] = self.best.gain(fit.architecture, came.value)
        for tag, value in found.items():
            if value is not None:
                writer.add_summary(scalar(tag, value), came.epochs)
        writer.add_summary(end(came.state, at=time.time()))

    def chosen(self, folder: RunFolder) -> None:
        from reeltune.cluster.tensorboard import chosen  # draws: takes seconds to load

        chosen.write(folder, self.registry)

    def close(self) -> None:
        for name in list(self._writers):
            self._close(name)
        if self.best is not None:
            self.best.close()

    def _close(self, name: str) -> None:
        self._epochs.pop(name, None)
        self._in_search.pop(name, None)
        if writer := self._writers.pop(name, None):
            writer.close()


def folder_name(fit: TrackedFit) -> str:
    """Where a fit's event file is: `003-svdpp` of a search, and apart from it `confirm/003-svdpp-1`, else its name."""
    match = re.fullmatch(r"(.+)-(\d+)(?:-again(\d+))?", fit.name) if fit.stage in STAGES else None
    if match is None:
        return fit.name
    architecture, number, again = match.groups()
    return f"{number}-{architecture}" if again is None else f"confirm/{number}-{architecture}-{again}"
