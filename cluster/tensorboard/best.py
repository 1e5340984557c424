"""A few curves that sum up a search in TensorBoard: the best validation error so far, of all and by architecture."""

from collections.abc import Iterable
from pathlib import Path

from torch.utils.tensorboard.summary import scalar
from torch.utils.tensorboard.writer import FileWriter

from reeltune.cluster.runs.folder import Entry

BEST = "best"  # the folder below a run's event files
EXPERIMENT = ".experiment"  # how the name of the file ends that has the columns of the HParams tab
TAG = "best/validation_error"


class Best:
    """Writes, at each end of a search trial, the lowest value so far: the steps are the trials that have ended.

    `ended` are those of an earlier session, whose curves are written again.
    """

    def __init__(self, folder: Path, ended: Iterable[Entry] = ()) -> None:
        self.folder = folder
        self._lowest: dict[str, float] = {}
        self._count: dict[str, int] = {}
        self._references: dict[str, float] = {}
        self._writers: dict[str, FileWriter] = {}
        for entry in ended:
            if entry.stage == "search":
                self.ended(entry.trial, entry.architecture, entry.value if entry.state == "done" else None)
        self.close()  # Ray Tune pickles its callbacks before it begins, and an open file cannot be

    def ended(self, trial: str, architecture: str, value: float | None) -> None:
        """A search trial has ended, with this value if it is done."""
        if value is not None and int(trial.rpartition("-")[2]) == 0:
            self._references[architecture] = value
        for name in ("", architecture):
            self._count[name] = self._count.get(name, 0) + 1
            if value is not None:
                self._lowest[name] = min(value, self._lowest.get(name, value))
            if name in self._lowest:
                self._writer(name).add_summary(scalar(TAG, self._lowest[name]), self._count[name])
                self._writer(name).flush()

    def gain(self, architecture: str, value: float | None) -> float | None:
        """What a value is better by than the reference's, on the same rows; None before both are known."""
        reference = self._references.get(architecture)
        return None if value is None or reference is None else reference - value

    def close(self) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def _writer(self, name: str) -> FileWriter:
        if name not in self._writers:
            self._writers[name] = FileWriter(self.folder / name)
        return self._writers[name]
