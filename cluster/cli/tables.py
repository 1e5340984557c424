"""Tables for the terminal."""

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table

from reeltune.cluster.report.results import HEADINGS, NARROW, figure, heading, interval, rows, signed
from reeltune.cluster.report.words import by_weight, objective_of
from reeltune.cluster.runs.answer import ByValue, Metrics, Result

if TYPE_CHECKING:
    from reeltune.cluster.commands.update import Updated

WIDE = 145  # characters that the whole result table needs


def terminal_table(result: Result, decoder: str, *, width: int) -> Table:
    """The result table for a terminal: the columns that answer the question, and the others if there is room."""
    wide = width >= WIDE
    shown = HEADINGS if wide else NARROW
    body = rows(result, decoder) if wide else [_narrowed(row) for row in rows(result, decoder)]
    title = f"test rows, {objective_of(result, decoder).title}{by_weight(result)}"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    longest = max((len(word) for label, *_ in body for word in label.split()), default=0)
    table.add_column("", no_wrap=wide, min_width=longest)
    for name in shown[1:]:
        whole = heading(name, result.metric)
        two_lines = whole if wide else whole.replace("over ", "over\n")
        table.add_column(two_lines, justify="left" if name == "verdict" else "right", no_wrap=True)
    for row in body:
        table.add_row(*[cell for name, cell in zip(HEADINGS, row, strict=True) if name in shown])
    return table


def _narrowed(row: list[str]) -> list[str]:
    """The row with a shorter label, and with the words that are too long for a narrow column on two lines."""
    label = row[0].replace(" (tuned)", "").replace(" (of the tuned)", "")
    return [label, *(cell.replace("is the ", "is the\n") for cell in row[1:])]


def metrics_table(validation: Metrics | None, test: Metrics | None) -> Table:
    """The metrics of one fit."""
    table = Table()
    table.add_column("")
    present = {"validation": validation, "test": test}
    shown = {part: metrics for part, metrics in present.items() if metrics is not None}
    for part in shown:
        table.add_column(part, justify="right")
    for name in next(iter(shown.values()), {}):
        table.add_row(name, *[figure(metrics[name]) or "-" for metrics in shown.values()])
    return table


def update_table(done: "Updated") -> Table:
    """The errors of a bundle and of what it was updated to, on the same ratings."""
    table = Table(title=f"held-out ratings, {done.metric}", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for name in ("error", "gain", "95% CI"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict")
    table.add_row("old bundle", figure(done.old))
    gain = signed(done.gain), interval(done.verdict, done.ci95)
    table.add_row("updated", figure(done.updated), *gain, done.verdict)
    return table


def confusion_table(table: ByValue) -> Table:
    shown = Table(title="true rating (rows) against predicted (columns)", title_justify="left")
    for value in ["", *table.values]:
        shown.add_column(value, justify="right")
    for value, counts in zip(table.values, table.confusion, strict=True):
        shown.add_row(value, *[str(count) for count in counts])
    return shown
