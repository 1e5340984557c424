"""What trackers show of a finished search, read from the run's folder: a table, numbers by name, and files."""

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path

from pydantic import JsonValue

from reeltune.cluster.report.words import baseline_error, headline, objective_of
from reeltune.cluster.runs.answer import Answer, ArchitectureResult, Metrics
from reeltune.cluster.runs.folder import RunFolder
from reeltune.cluster.runs.record import Asked
from reeltune.trainables.scoring.metric_table import Objective

COLUMNS = ("architecture", "test_error", "gain", "low", "high", "p", "verdict")
LEFT_OUT = {"space", "sources", "trials", "config"}  # of what was asked for: no parameters, or shown otherwise
BASELINE = "baseline"
Row = tuple[str, float | None, float | None, float | None, float | None, float | None, str | None]


def parameters(asked: Asked) -> dict[str, str]:
    """What a run was asked for, as text by name."""
    shown = {name: value for name, value in asked.as_json().items() if name not in LEFT_OUT}
    return {name: text(value) for name, value in shown.items() if value not in (None, [], {})}


def text(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def answer_of(folder: RunFolder) -> Answer:
    return Answer.read(folder.verdict)


def rows(answer: Answer) -> list[Row]:
    """The verdict's table: the baseline, then each architecture; `low` to `high` is the gain's 95% interval."""
    decoder = answer.decoder or "argmax"
    first: Row = (BASELINE, baseline_error(answer, decoder), None, None, None, None, None)
    return [first, *(_row(name, found, objective_of(answer, decoder)) for name, found in answer.architectures.items())]


def _row(name: str, found: ArchitectureResult, by: Objective) -> Row:
    low, high = found.ci95 or (None, None)
    error = None if found.test is None else by.of(found.test)
    return name, error, found.gain, low, high, found.p_holm, found.verdict


def as_csv(answer: Answer) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([COLUMNS, *rows(answer)])
    return text.getvalue()


def numbers(row: Row) -> dict[str, float]:
    """The numbers of a row of the table, by the names of their columns."""
    named = dict(zip(COLUMNS, row, strict=True))
    return {name: value for name, value in named.items() if isinstance(value, float)}


def said(answer: Answer) -> str:
    """The answer in a line."""
    return headline(answer, answer.decoder or "argmax")[0]


def files(folder: RunFolder) -> list[Path]:
    """The files that go to a tracker as they are."""
    return [path for path in (folder.verdict, folder.path / "report.html", folder.path / "report.md") if path.exists()]


def errors_of(metrics: Mapping[str, Metrics | None]) -> dict[str, float]:
    """Metrics by part and name, such as `validation_argmax_mse`, without those that a head has not."""
    return {
        f"{part}_{name}": value
        for part, found in metrics.items()
        for name, value in (found or {}).items()
        if value is not None
    }
