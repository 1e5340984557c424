"""How far a long job or fit is: what is done, of how much, how fast, and about how long it still takes."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from reeltune.cluster.commands.durations import words

FIRST = 3.0  # seconds before the time left is said: so soon it would be a guess


@dataclass(frozen=True, kw_only=True)
class Step:
    """How far a job is, in words, and which share of it is done (None: unknown)."""

    line: str
    share: float | None


class FitSteps:
    """How far the fit of an order is, and about how long its steps still take: from what the last ones took.

    The first call only starts the clock: a resumed fit has steps behind it that took no time here.
    """

    def __init__(self, show: Callable[[Step], None], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._show, self._clock = show, clock
        self._first: dict[str, tuple[float, float]] = {}  # of each fit, when it was first heard of and at which share

    def __call__(self, name: str, share: float) -> None:
        """Of the fit of this name such a share of the steps is done."""
        now = self._clock()
        began, at = self._first.setdefault(name, (now, share))
        seconds, done = now - began, share - at
        left = words(seconds * (1 - share) / done) if done > 0 and share < 1 and seconds > FIRST else ""
        self._show(Step(line=f"{name}: {share:.0%} of its steps{left and f', {left}'}", share=share))


class Counted:
    """Counts rows, or users, that are done, and shows that. `of`: how many there are; None: unknown."""

    def __init__(self, what: str, of: int | None, show: Callable[[Step], None]) -> None:
        self.done, self._what, self._of, self._show = 0, what, of, show
        self._start = time.monotonic()

    def add(self, more: int, *, share: float | None = None) -> None:
        """So many more are done. `share` of the job is done, where that is not told by their number."""
        self.done += more
        seconds = max(time.monotonic() - self._start, 1e-3)
        share = self.done / self._of if self._of else share
        of = "" if self._of is None else f" of {self._of:,}"
        left = words(seconds * (1 / share - 1)) if share and share < 1 and seconds > FIRST else ""
        line = f"{self.done:,}{of} {self._what}, {self.done / seconds:,.0f} a second{left and f', {left}'}"
        self._show(Step(line=line, share=share))
