"""What a command shows on standard error while it works: a live table in a terminal or a notebook, else plain lines."""

import time
from importlib.util import find_spec
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from reeltune.cluster.runs.folder import Entry
from reeltune.cluster.search.choice import FINALISTS, SEEDS

STAGES = ("done", "stopped", "failed")


class Watch:
    """Progress of one command. `say` prints a line that stays, `status` shows what is going on now."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False)
        self._live: Live | None = None
        self._table: SearchTable | None = None
        self._status = ""

    def __enter__(self) -> "Watch":
        # Rich shows live output in a notebook by ipywidgets alone.
        if self.console.is_terminal or (self.console.is_jupyter and find_spec("ipywidgets") is not None):
            self._live = Live(get_renderable=self._render, console=self.console, transient=True, refresh_per_second=4)
            self._live.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()

    def say(self, line: str) -> None:
        self.console.print(line, markup=False, soft_wrap=True)

    def status(self, line: str) -> None:
        """Show what is going on: as the terminal's last line, or, without a terminal, as a printed line."""
        self._status = line
        if self._live is None and line:
            self.say(line)

    def tick(self, line: str) -> None:
        """Show what changes often; only in a terminal."""
        self._status = line

    def search(self, architectures: list[str], *, trials: int, decoder: str, slots: int) -> None:
        self._table = SearchTable(architectures, trials=trials, decoder=decoder, slots=slots)

    def resumed(self, entries: list[Entry]) -> None:
        assert self._table is not None
        for entry in entries:
            self._table.add(entry)
        self._table.earlier = len(entries)

    def ended(self, entry: Entry) -> None:
        assert self._table is not None
        self._table.add(entry)
        if self._live is None:
            self.say(self._table.line(entry))

    def search_ended(self) -> None:
        if self._live is not None and self._table is not None:
            self.console.print(self._table.table())
        self._table = None

    def _render(self) -> Group:
        parts: list[Table | Text] = []
        if self._table is not None:
            parts.append(self._table.table())
        if self._status:
            parts.append(Text(self._status))
        return Group(*parts)


class SearchTable:
    """A row per architecture (trials done, stopped and failed, the best value so far), and the time left."""

    def __init__(self, architectures: list[str], *, trials: int, decoder: str, slots: int) -> None:
        self.trials, self.decoder, self.slots = trials, decoder, slots
        self.entries: dict[str, list[Entry]] = {name: [] for name in architectures}
        self.start, self.earlier = time.monotonic(), 0

    def add(self, entry: Entry) -> None:
        self.entries[entry.architecture].append(entry)

    def best(self, name: str) -> float | None:
        values = [e.value for e in self.entries[name] if e.stage == "search" and e.state == "done"]
        return min((value for value in values if value is not None), default=None)

    def line(self, entry: Entry) -> str:
        """The line for a trial that ended."""
        count = sum(e.stage == "search" for entries in self.entries.values() for e in entries)
        total = self.trials * len(self.entries)
        value = "" if entry.value is None else f" {self.decoder}-MSE {entry.value:.4f}"
        best = self.best(entry.architecture)
        tail = entry.error if entry.state == "failed" else f"{entry.seconds:.1f} s"
        place = f"{count}/{total}" if entry.stage == "search" else "again"
        record = "" if best is None or entry.stage != "search" else f", best {best:.4f}"
        return f"[{place}] {entry.trial} {entry.state}{value} ({tail}){record}"

    def table(self) -> Table:
        table = Table(title=f"search, {self.slots} at a time", title_justify="left")
        table.add_column("architecture")
        for heading in ("done", "stopped", "failed", "of", f"best {self.decoder}-MSE", "tried again"):
            table.add_column(heading, justify="right")
        for name, entries in self.entries.items():
            search = [e for e in entries if e.stage == "search"]
            counts = [str(sum(e.state == state for e in search)) for state in STAGES]
            best = self.best(name)
            shown = "" if best is None else f"{best:.4f}"
            table.add_row(name, *counts, str(self.trials), shown, str(len(entries) - len(search)))
        table.caption = self._left()
        table.caption_justify = "left"
        return table

    def _left(self) -> str:
        ended = sum(len(entries) for entries in self.entries.values()) - self.earlier
        spent = time.monotonic() - self.start
        again = min(FINALISTS, self.trials) * SEEDS * len(self.entries)
        left = self.trials * len(self.entries) + again - ended - self.earlier
        if not ended:
            return f"{spent:.0f} s"
        return f"{spent:.0f} s, about {max(0, left) * spent / ended:.0f} s left"
