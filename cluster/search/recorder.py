"""Records how each trial ended: a line of the ledger, then Optuna's study. Both then say the same."""

from collections.abc import Callable
from dataclasses import dataclass, field

from reeltune.cluster.runs.disk import UNSTORED, Disk
from reeltune.cluster.runs.folder import Entry, Ledger
from reeltune.cluster.search.messages import Order, Update
from reeltune.cluster.session.interrupt import uninterrupted
from reeltune.search_spaces import Outcome, Study, Value
from reeltune.search_spaces.study import State

Process = tuple[str | None, int | None]  # a node's address and a process id


@dataclass(kw_only=True)
class Reported:
    """What a trial has reported so far, from all processes that it ran in."""

    last: Update = field(default_factory=Update)
    curve: dict[int, float] = field(default_factory=dict)  # value by percent of the fit's schedule
    earlier: float | None = None  # seconds of work in earlier sessions of this search
    tries: dict[Process, float] = field(default_factory=dict)  # seconds of work in each process
    lost: float = 0.0  # seconds that a lane's workers did again, for the same process

    def add(self, update: Update, process: Process) -> None:
        """Take in an update. A trial that goes on in another process repeats its points, not its lost work."""
        for point in update.points:
            self.curve[round(100 * point.progress)] = point.value
        if update.metrics is not None and update.value is not None:
            self.curve[100] = update.value
        if self.earlier is None:
            self.earlier = update.earlier
        worked = update.seconds - update.earlier
        self.lost += max(0.0, self.tries.get(process, 0.0) - (worked - update.took))
        self.tries[process] = worked
        self.last = update

    @property
    def seconds(self) -> float:
        return (self.earlier or 0.0) + sum(self.tries.values()) + self.lost


class Recorder:
    """Keeps the ledger and the studies in step. `ended` is called with each entry once it is written.

    `workers` is how many do each trial.
    """

    def __init__(
        self,
        ledger: Ledger,
        studies: dict[str, Study],
        disk: Disk,
        *,
        workers: int = 1,
        ended: Callable[[Entry], None] = lambda entry: None,
    ) -> None:
        self.ledger, self.studies, self.disk, self.workers, self.ended = ledger, studies, disk, workers, ended
        self._reported: dict[str, Reported] = {}

    def update(self, order: Order, update: Update, *, process: Process) -> None:
        self._reported.setdefault(order.trial, Reported()).add(update, process)

    def forget(self, order: Order) -> None:
        """A trial was cut off, and has not ended: it stays running in the journal, and --resume runs it again."""
        self._reported.pop(order.trial, None)

    def end(self, order: Order, *, died: str | None = None) -> None:
        """Record that a trial has ended; `died` says why, where its process died."""
        reported = self._reported.pop(order.trial, None) or Reported()
        if reported.last.state == UNSTORED:
            self.disk.fail(reported.last.error or "")
        if self.disk.failed is not None:
            return  # a search that is stopping writes nothing more; --resume runs this trial again
        entry = entry_of(order, reported, workers=self.workers, died=died)
        with uninterrupted(), self.disk.writing():
            self.ledger.append(entry)
            if entry.stage == "search":
                self.studies[entry.architecture].tell(entry.trial, outcome(entry), attributes(entry))
            self.ended(entry)


def entry_of(order: Order, reported: Reported, *, workers: int, died: str | None) -> Entry:
    """The line of the ledger for a trial that has ended."""
    last, curve = reported.last, reported.curve
    state, error = _ending(last, died)
    return Entry(
        **vars(order),
        state=state,
        value=curve[max(curve)] if curve and state != "failed" else None,
        metrics=None if last.metrics is None else last.metrics.by_name(),
        temperature=last.temperature,
        curve=curve,
        epochs=last.epochs,
        seconds=round(reported.seconds, 3),
        error=error,
        workers=workers,
    )


def _ending(last: Update, died: str | None) -> tuple[State, str | None]:
    """The state of a trial that has ended, and the reason where that is not "done"."""
    if died is not None:
        return "failed", died
    if last.state == "failed":
        return "failed", last.error
    if last.state == "done":
        return "done", None
    return "stopped", f"stopped at {last.progress:.0%} of its schedule"  # it did not end by itself


def outcome(entry: Entry) -> Outcome:
    return Outcome(state=entry.state, value=entry.value, curve=entry.curve)


def attributes(entry: Entry) -> dict[str, Value | None]:
    """What Optuna's record of a trial holds beside its parameters and values."""
    return {"state": entry.state, "seed": entry.seed, "seconds": entry.seconds, "error": entry.error}
