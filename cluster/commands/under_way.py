"""A tracker that breaks a log's silence while fits take minutes."""

from collections.abc import Callable, Sequence
from typing import Any

from reeltune.cluster.runs.folder import RunFolder
from reeltune.cluster.tracking.tracker import EpochPoint, FitEnd, TrackedFit


class UnderWay:
    """Tells of each epoch that has ended: `pmf-003-again1: epoch 4 has ended`."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.tell = tell

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Ray Tune pickles its callbacks, and never reads them back. A console cannot be pickled."""
        return {}

    def began(self, fit: TrackedFit) -> None:
        """Nothing: an epoch's end says that the fit runs."""

    def update(self, name: str, points: Sequence[EpochPoint]) -> None:
        if points:
            self.tell(f"{name.removeprefix('refits/')}: epoch {points[-1].epoch} has ended")

    def ended(self, name: str, end: FitEnd) -> None:
        """Nothing: ends have lines of their own."""

    def chosen(self, folder: RunFolder) -> None:
        """Nothing: no fit runs then."""

    def close(self) -> None:
        """Nothing is open."""
