"""Tells a tracker in a thread of its own, so that no fit waits for a server and none ends because of one."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from reeltune.cluster.runs.answer import Metrics
from reeltune.cluster.runs.folder import RunFolder
from reeltune.cluster.tracking.tracker import (
    EpochPoint,
    FitEnd,
    RunState,
    RunTracker,
    TrackedFit,
    TrackerFailed,
)

log = logging.getLogger(__name__)

PAUSE = 5.0  # seconds between two tries to write the same thing
GIVEN_UP = 20.0  # seconds that the end of a run waits for a tracker that does not answer
SHAKY = 120.0  # seconds that it waits for one that does, and has failed before
SLOW = 600.0  # seconds that it waits for one that has never failed
HURRIED = 3.0  # seconds that it waits after an interrupt
SHOWN = 5  # names that a line lists


@dataclass(frozen=True)
class _Told:
    what: str
    act: Callable[[], None]


class Behind:
    """A tracker that returns at once: what it is told waits in memory, and is written in order.

    If that fails, it says so once. While the tracker does not answer, it is tried again every PAUSE seconds; what a
    tracker refuses is left out, the first time after a second try. `end` waits, within bounds, and says what it lacks.
    """

    def __init__(self, tracker: RunTracker, title: str, *, say: Callable[[str], None]) -> None:
        self.tracker, self.title, self.say = tracker, title, say
        self._waiting: deque[_Told] = deque()  # the first of them is being written
        self._changed = threading.Condition()
        self._given_up = threading.Event()
        self._said = self._failing = False
        self._missed: list[str] = []
        self._thread = threading.Thread(target=self._work, name=f"tracker {title}", daemon=True)
        self._thread.start()

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Ray Tune pickles its callbacks, and never reads them back."""
        return {}

    # What a tracker is told

    def began(self, fit: TrackedFit) -> None:
        self._tell(fit.name, partial(self.tracker.began, fit))

    def update(self, name: str, points: Sequence[EpochPoint]) -> None:
        if points:
            self._tell(name, partial(self.tracker.update, name, tuple(points)))

    def ended(self, name: str, end: FitEnd) -> None:
        self._tell(name, partial(self.tracker.ended, name, end))

    def chosen(self, folder: RunFolder) -> None:
        self._tell("the verdict, the report and the winner", partial(self.tracker.chosen, folder))

    def trained(self, folder: RunFolder, architecture: str, errors: Mapping[str, Metrics | None]) -> None:
        self._tell("the errors and the model", partial(self.tracker.trained, folder, architecture, errors))

    def close(self) -> None:
        self._tell("the end of the search", self.tracker.close)

    # The end

    def end(
        self,
        state: RunState,
        *,
        hurry: Callable[[], bool] = lambda: False,
        status: Callable[[str], None] = lambda line: None,
    ) -> None:
        """Write what is still waiting, as far as the tracker takes it, and say what is not written.

        Once `hurry` is true it waits as after an interrupt.
        """
        self._tell("the end of the run", partial(self.tracker.finished, state))
        self._tell("", self._given_up.set)
        start = time.monotonic()
        while self._thread.is_alive() and not self._given_up.wait(0.1):
            if time.monotonic() - start > (HURRIED if hurry() else self._patience(state)):
                break
            status(f"writing to {self.title}")
        self._given_up.set()
        waiting = tuple(self._waiting)  # the thread may still take something from it
        missed = [*self._missed, *(told.what for told in waiting if told.what)]
        if missed:
            self.say(f"{self.title}: not written: {_listed(missed)}; the run's folder has all of it")

    def _patience(self, state: RunState) -> float:
        if state == "interrupted":
            return HURRIED
        if self._failing:
            return GIVEN_UP
        return SHAKY if self._said else SLOW

    # In the thread

    def _tell(self, what: str, act: Callable[[], None]) -> None:
        with self._changed:
            self._waiting.append(_Told(what, act))
            self._changed.notify()

    def _work(self) -> None:
        while not self._given_up.is_set():
            with self._changed:
                self._changed.wait_for(lambda: len(self._waiting) > 0)
            told = self._waiting[0]
            written = self._write(told)
            if self._given_up.is_set() and not written:
                return  # `end` lists it among what is waiting
            self._waiting.popleft()
            if not written:
                self._missed.append(told.what)

    def _write(self, told: _Told) -> bool:
        """Write it, however often that takes. False if the tracker answers and refuses it, or the run is at its end."""
        refused = len(self._missed) > 0
        while True:
            try:
                told.act()
            except TrackerFailed as error:
                self._failed(told.what, error)
            else:
                self._failing = False
                return True
            answers = self.tracker.answers()
            if (answers and refused) or self._given_up.wait(PAUSE):
                self._failing = not answers
                return False
            refused = answers

    def _failed(self, what: str, error: TrackerFailed) -> None:
        log.warning("%s: %s: %s", self.title, what, error)
        self._failing = True
        if not self._said:
            self._said = True
            self.say(f"{self.title}: {what} is not written yet: {error}; the run goes on, and says what is left out")


def _listed(missed: Iterable[str]) -> str:
    names = list(dict.fromkeys(missed))
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
