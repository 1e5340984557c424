"""What a command shows on standard error while it works: a live table in a terminal or a notebook, else plain lines."""

import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from types import TracebackType

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from reeltune.cluster.commands.counted import Step
from reeltune.cluster.commands.durations import spell, words
from reeltune.cluster.commands.time_left import RefitsLeft, TimeLeft
from reeltune.cluster.runs.folder import Entry, RunFolder
from reeltune.cluster.tracking.tracker import EpochPoint, FitEnd, TrackedFit

BAR = 30  # columns of a terminal
LINE_EVERY = 30.0  # seconds between plain lines of how far a long job is
SILENCE = 60.0  # seconds without a line after which one says that fits are under way
STAGES = ("done", "stopped", "failed")


class Watch:
    """Progress of one command. `say` prints a line that stays, `status` shows what is going on now."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False)
        self.refits: Refits | None = None
        self._live: Live | None = None
        self._table: SearchTable | None = None
        self._status = ""
        self._share: float | None = None
        self._next_line = time.monotonic() + LINE_EVERY
        self._notes: set[str] = set()
        self._said = time.monotonic()

    def __enter__(self) -> "Watch":
        # Rich shows live output in a notebook by ipywidgets alone.
        if self.console.is_terminal or (self.console.is_jupyter and find_spec("ipywidgets") is not None):
            self._live = Live(get_renderable=self._render, console=self.console, transient=True, refresh_per_second=4)
            self._live.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()
            self.search_ended()  # cut off within the search: its last state stays

    def say(self, line: str) -> None:
        self._said = time.monotonic()
        self.console.print(line, markup=False, soft_wrap=True)

    def note(self, line: str) -> None:
        """Say a line, unless it was noted before: the searches of several folds have most in common."""
        if line not in self._notes:
            self._notes.add(line)
            self.say(line)

    def status(self, line: str) -> None:
        """Show what is going on: as the terminal's last line, or, without a terminal, as a printed line."""
        self._status, self._share = line, None
        if self._live is None and line:
            self.say(line)

    def tick(self, line: str) -> None:
        """Show what changes often; only in a terminal."""
        self._status, self._share = line, None

    def under_way(self, line: str) -> None:
        """Say that a fit is under way, and the time left, where nothing was said for long; in a terminal times tick."""
        if self._live is None and time.monotonic() - self._said >= SILENCE:
            left = words(self._seconds_left())
            self.say(f"{line}{left and f'; {left}'}")

    def _seconds_left(self) -> float | None:
        if self.refits is not None:
            return self.refits.left.seconds()
        return None if self._table is None or self._table.left is None else self._table.left.seconds()

    def step(self, step: Step) -> None:
        """Show how far a long job is: in a terminal with a bar, else by a printed line now and then."""
        self._status, self._share = step.line, step.share
        if self._live is None and time.monotonic() >= self._next_line:
            self.say(step.line)
            self._next_line = time.monotonic() + LINE_EVERY

    def search(
        self, architectures: list[str], *, trials: int, label: str, slots: int, left: TimeLeft | None = None
    ) -> None:
        self._table = SearchTable(architectures, trials=trials, label=label, slots=slots, left=left)

    def resumed(self, entries: list[Entry]) -> None:
        assert self._table is not None
        for entry in entries:
            self._table.add(entry)

    def ended(self, entry: Entry) -> None:
        assert self._table is not None
        self._table.add(entry)
        self._table.recount()
        if self._live is None:
            self.say(self._table.line(entry))

    def search_ended(self) -> None:
        if self._live is not None and self._table is not None:
            self.console.print(self._table.table())
        self._table = None

    def refitting(self, left: RefitsLeft) -> "Refits":
        """Begin to count the refits. The result is a tracker: it is to be told of them."""
        self.refits = Refits(left, say=(lambda line: None) if self._live is not None else self.say)
        return self.refits

    def refits_ended(self) -> None:
        self.refits = None

    def _render(self) -> Group:
        parts: list[Table | Text] = []
        if self._table is not None:
            parts.append(self._table.table())
        if self._status:
            counted = f"{self.refits.count()}: " if self.refits is not None else ""
            line = Text(f"{counted}{self._status}")
            parts.append(line if self._share is None else _with_bar(self._share, line))
        return Group(*parts)


def _with_bar(share: float, line: Text) -> Table:
    row = Table.grid(padding=(0, 1))
    row.add_row(ProgressBar(total=1.0, completed=share, width=BAR), line)
    return row


class SearchTable:
    """A row per architecture (trials done, stopped and failed, the best value so far), and the time left."""

    def __init__(
        self, architectures: list[str], *, trials: int, label: str, slots: int, left: TimeLeft | None = None
    ) -> None:
        self.trials, self.label, self.slots, self.left = trials, label, slots, left
        self.entries: dict[str, list[Entry]] = {name: [] for name in architectures}
        self.start = time.monotonic()

    def add(self, entry: Entry) -> None:
        self.entries[entry.architecture].append(entry)

    def recount(self) -> None:
        """Estimate the time left anew: a trial has ended."""
        if self.left is not None:
            self.left.trial_ended()

    def best(self, name: str) -> float | None:
        values = [e.value for e in self.entries[name] if e.stage == "search" and e.state == "done"]
        return min((value for value in values if value is not None), default=None)

    def line(self, entry: Entry) -> str:
        """The line for a trial that ended."""
        count = sum(e.stage == "search" for entries in self.entries.values() for e in entries)
        total = self.trials * len(self.entries)
        value = "" if entry.value is None else f" {self.label} {entry.value:.4f}"
        best = self.best(entry.architecture)
        tail = entry.error if entry.state == "failed" else f"{entry.seconds:.1f} s"
        place = f"{count}/{total}" if entry.stage == "search" else "confirm"
        record = "" if best is None or entry.stage != "search" else f", best {best:.4f}"
        left = words(None if self.left is None else self.left.seconds())
        return f"[{place}] {entry.trial} {entry.state}{value} ({tail}){record}{left and f'; {left}'}"

    def table(self) -> Table:
        table = Table(title=f"search, {self.slots} at a time", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
        table.collapse_padding = True
        table.add_column("architecture", no_wrap=True)
        for heading in ("done", "stopped", "failed", "of", f"best\n{self.label}", "tried\nagain"):
            table.add_column(heading, justify="right", no_wrap=True)
        for name, entries in self.entries.items():
            search = [e for e in entries if e.stage == "search"]
            counts = [str(sum(e.state == state for e in search)) for state in STAGES]
            best = self.best(name)
            shown = "" if best is None else f"{best:.4f}"
            table.add_row(name, *counts, str(self.trials), shown, str(len(entries) - len(search)))
        table.caption = self._time()
        table.caption_justify = "left"
        return table

    def _time(self) -> str:
        left = words(None if self.left is None else self.left.seconds())
        return f"{spell(time.monotonic() - self.start)} so far{left and f', {left}'}"


class Refits:
    """A tracker that counts refits: which one this is, and the time left."""

    def __init__(self, left: RefitsLeft, *, say: Callable[[str], None]) -> None:
        self.left, self.say = left, say

    def count(self) -> str:
        """`refit 3 of 12, about 1 min left`; what comes after the last refit says so itself."""
        number = min(self.left.total, self.left.done + 1)
        return f"refit {number} of {self.left.total}, {words(self.left.seconds())}"

    def began(self, fit: TrackedFit) -> None:
        self.left.began(fit.name)

    def update(self, name: str, points: Sequence[EpochPoint]) -> None:
        """Nothing: refits are counted whole."""

    def ended(self, name: str, end: FitEnd) -> None:
        self.left.ended(name)
        place = f"refit {self.left.done}/{self.left.total}"
        self.say(f"[{place}] {name.removeprefix('refits/')} {end.state}; {words(self.left.seconds())}")

    def chosen(self, folder: RunFolder) -> None:
        """Nothing: this is of the time before."""

    def close(self) -> None:
        """Nothing is open."""
