"""What the page shows of a run, in the order in which it stands there: words, tables and charts, no markup."""

from dataclasses import dataclass
from typing import Any

from reeltune.cluster.report.charts import Axis, Chart, axis, chart
from reeltune.cluster.report.commands import Command, checking, reproducing
from reeltune.cluster.report.items import Items, items
from reeltune.cluster.report.markdown import about_gain, about_look, about_pmf, unfinished
from reeltune.cluster.report.sections import Section, sections
from reeltune.cluster.report.slices import Slice, slices
from reeltune.cluster.report.words import (
    ABOUT_ENSEMBLE,
    ABOUT_TIME,
    HEADINGS,
    also,
    answer_parts,
    baseline_error,
    baseline_label,
    rows,
    with_time,
)
from reeltune.cluster.runs.finished import Run
from reeltune.trainables.architectures import ENSEMBLE
from reeltune.trainables.scoring.decoder_table import DECODERS


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A row of the forest plot; places are percents of its width."""

    name: str
    word: str
    gain: float
    low: float
    high: float
    at: tuple[float, float, float]  # low, gain, high


@dataclass(frozen=True, kw_only=True)
class Forest:
    intervals: tuple[Interval, ...]
    ticks: tuple[tuple[float, str], ...]
    zero: float
    tuned_pmf: float | None
    baseline: str


@dataclass(frozen=True, kw_only=True)
class View:
    name: str
    opening: str
    numbers: str
    also: list[str]
    notes: list[str]
    headings: tuple[str, ...]
    table: list[list[str]]
    forest: Forest | None
    decoder: str
    decoders: dict[str, dict[str, dict[str, float]]]
    probabilities: dict[str, dict[str, Any]]
    calibration: list[Chart]
    slices: list[Slice]
    items: Items | None
    sections: list[Section]
    facts: list[tuple[str, str]]
    commands: list[Command]
    winner: str | None


def view(run: Run, facts: list[tuple[str, str]]) -> View:
    opening, numbers = answer_parts(run.verdict, run.decoder) if run.verdict else (unfinished(run), "")
    probabilities = run.detail("probabilities") or {}
    return View(
        name=run.folder.name,
        opening=opening,
        numbers=numbers,
        also=also(run.verdict, run.decoder) if run.verdict else [],
        notes=_notes(run),
        headings=HEADINGS,
        table=rows(run.verdict, run.decoder) if run.verdict and run.winner else [],
        forest=_forest(run.verdict, run.decoder) if run.verdict else None,
        decoder=run.decoder,
        decoders=run.detail("decoders") or _decoders(run),
        probabilities=probabilities,
        calibration=[_reliability(name, found["reliability"]) for name, found in probabilities.items()],
        slices=slices(run),
        items=items(run),
        sections=sections(run),
        facts=facts,
        commands=[*checking(run), *reproducing(run)],
        winner=run.winner,
    )


def _notes(run: Run) -> list[str]:
    """What a reader has to know before believing the table."""
    if run.verdict is None or run.winner is None:
        return []
    found = run.verdict["architectures"]
    notes = [about_look(run), about_gain(run), about_pmf(run), _unusual(run.detail("test_rows") or {})]
    notes += [ABOUT_TIME if with_time(run.verdict) else "", ABOUT_ENSEMBLE if ENSEMBLE in found else ""]
    return [note if note.endswith(".") else f"{note}." for note in notes if note]


def _unusual(test: dict[str, Any]) -> str:
    """Test rows that are not like the fitted ones."""
    kinds = {
        "outside_the_scale": "ratings outside the training scale",
        "unknown_users": "rows of unknown users",
        "unknown_items": "rows of unknown items",
        "also_trained_on": "rows of pairs that were trained on too",
    }
    found = [f"{test[key]:,} {words}" for key, words in kinds.items() if test.get(key)]
    return f"Of the test rows: {', '.join(found)}" if found else ""


def _forest(verdict: dict[str, Any], decoder: str) -> Forest | None:
    judged = {name: found for name, found in verdict["architectures"].items() if found["verdict"] is not None}
    if not judged:
        return None
    scale = axis([0.0, *(end for found in judged.values() for end in (*found["ci95"], found["gain"]))], fewest=5)
    baseline, error = verdict["baseline"], baseline_error(verdict["baseline"], decoder)
    return Forest(
        intervals=tuple(
            Interval(
                name=name,
                word=found["verdict"],
                gain=found["gain"],
                low=found["ci95"][0],
                high=found["ci95"][1],
                at=(scale.share(found["ci95"][0]), scale.share(found["gain"]), scale.share(found["ci95"][1])),
            )
            for name, found in sorted(judged.items(), key=lambda each: -each[1]["gain"])
        ),
        ticks=scale.marks(signed=True),
        zero=scale.share(0.0),
        tuned_pmf=scale.share(judged["pmf"]["gain"]) if "pmf" in judged else None,
        baseline=baseline_label(baseline) + ("" if error is None else f": {error:.4f}"),
    )


def _decoders(run: Run) -> dict[str, dict[str, dict[str, float]]]:
    """An older run's, from its metrics: of the mean absolute error it has the searched decoder's alone."""
    if run.verdict is None:
        return {}
    tested = {"baseline": run.verdict["baseline"]["test"]}
    tested |= {name: found["test"] for name, found in run.verdict["architectures"].items()}
    return {
        name: {
            decoder: {"mse": test[f"{decoder}_mse"], **({"mae": test["mae"]} if decoder == run.decoder else {})}
            for decoder in DECODERS
            if test.get(f"{decoder}_mse") is not None
        }
        for name, test in tested.items()
        if test
    }


def _reliability(name: str, bins: list[dict[str, Any]]) -> Chart:
    """How often predictions of a confidence are right; on the diagonal they are as sure as they should be."""
    whole = Axis(low=0, high=1, ticks=(0, 0.25, 0.5, 0.75, 1))
    points = [(each["confidence"], each["frequency"]) for each in bins]
    title = f"Calibration of {name}"
    return chart(
        title, {name: points}, across="confidence", up="how often right", x_axis=whole, y_axis=whole, diagonal=True
    )
