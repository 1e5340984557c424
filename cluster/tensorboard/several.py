"""A folder that shows the event files of several runs to one TensorBoard, each below its run's name."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.hparams.api_pb2 import Experiment
from torch.utils.tensorboard.writer import FileWriter

from reeltune.cluster.runs.folder import RunFolder
from reeltune.cluster.tensorboard.best import BEST, EXPERIMENT
from reeltune.cluster.tensorboard.hparams import merged

EVENTS = "events.out.tfevents.*"


class Several:
    """Links to all files of some runs, but for the columns of their HParams tabs: those are merged into one file.

    TensorBoard takes the columns of one run alone, and hides the trials of others that have other values.
    """

    def __init__(self, runs: Sequence[RunFolder], folder: Path) -> None:
        self.runs = dict(zip(_names(runs), runs, strict=True))
        self.folder = folder
        self.refresh()
        self._write_columns()

    def refresh(self) -> None:
        """Link to files that are new, and drop links to those that are gone."""
        for link in self.folder.rglob("*"):
            if link.is_symlink() and not link.exists():
                link.unlink()
        for name, run in self.runs.items():
            for file in _files(run):
                link = self.folder / name / file.relative_to(run.tensorboard)
                if not _has_columns(file, run) and not link.exists():
                    link.parent.mkdir(parents=True, exist_ok=True)
                    link.symlink_to(file.absolute())

    @property
    def alike(self) -> list[str]:
        """The runs, if there are two or more, of versions that named their trials alike: TensorBoard averages those."""
        early = [name for name, run in self.runs.items() if any(run.tensorboard.glob(EVENTS))]
        return early if len(early) > 1 else []

    def _write_columns(self) -> None:
        found = [
            experiment
            for run in self.runs.values()
            for file in _files(run)
            if _has_columns(file, run)
            for experiment in _experiments(file)
        ]
        if not found:
            return
        first = self.folder / next(iter(self.runs)) / BEST
        writer = FileWriter(first, filename_suffix=EXPERIMENT)
        writer.add_summary(merged(found, runs=[run.title for run in self.runs.values()]))
        writer.close()
        for file in first.glob(f"{EVENTS}{EXPERIMENT}"):  # before the curves: TensorBoard reads no file before its last
            file.rename(first / f"events.out.tfevents.0000000000{EXPERIMENT}")


def _names(runs: Sequence[RunFolder]) -> list[str]:
    """The runs' titles; of runs of one title, in two places, numbered ones."""
    names: list[str] = []
    for run in runs:
        same = sum(other.title == run.title for other in runs[: len(names)])
        names.append(f"{run.title}-{same + 1}" if same else run.title)
    return names


def _files(run: RunFolder) -> Iterator[Path]:
    return (file for file in run.tensorboard.rglob("*") if file.is_file())


def _has_columns(file: Path, run: RunFolder) -> bool:
    """Whether a file has the columns of the HParams tab: earlier versions had them at the top."""
    return file.name.endswith(EXPERIMENT) or file.parent == run.tensorboard


def _experiments(file: Path) -> Iterator[Experiment]:
    for event in EventFileLoader(str(file)).Load():
        for value in event.summary.value:
            if value.tag == metadata.EXPERIMENT_TAG:
                yield metadata.parse_experiment_plugin_data(value.metadata.plugin_data.content)
