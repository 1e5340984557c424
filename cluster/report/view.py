"""The content of the page, in its order: texts, tables and charts, without markup."""

from collections.abc import Sequence
from dataclasses import dataclass

from reeltune.cluster.report.charts import Axis, Chart, axis, chart
from reeltune.cluster.report.commands import Command, checking, reproducing
from reeltune.cluster.report.folds import names as fold_names
from reeltune.cluster.report.folds import table as fold_table
from reeltune.cluster.report.intervals import HEADINGS as INTERVAL_HEADINGS
from reeltune.cluster.report.intervals import table as interval_table
from reeltune.cluster.report.items import Items, items
from reeltune.cluster.report.markdown import about_gain, about_look, about_second_gain
from reeltune.cluster.report.results import HEADINGS, heading, rows
from reeltune.cluster.report.sections import Section, sections
from reeltune.cluster.report.slices import Slice, slices
from reeltune.cluster.report.spent import HEADINGS as SPENT_HEADINGS
from reeltune.cluster.report.spent import notes as spent_notes
from reeltune.cluster.report.spent import table as spent_table
from reeltune.cluster.report.standing import Best, best_so_far, standing_parts
from reeltune.cluster.report.top_lists import about, headings
from reeltune.cluster.report.top_lists import table as list_table
from reeltune.cluster.report.use import going_on, using
from reeltune.cluster.report.words import (
    ABOUT_TIME,
    SIMPLE,
    about_ensemble,
    about_weights,
    also,
    answer_parts,
    baseline_error,
    baseline_label,
    best_simple,
    over_simple,
    with_time,
)
from reeltune.cluster.runs.answer import Answer, JudgedRows, Metrics, ProbabilityScores, ReliabilityBin
from reeltune.cluster.runs.finished import Run
from reeltune.trainables.architectures import ENSEMBLE
from reeltune.trainables.scoring.decoder_table import DECODERS


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A row of the forest plot; positions are in percent of its width."""

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
    simple: float | None  # the position of the best simple predictor
    simple_name: str
    baseline: str


@dataclass(frozen=True, kw_only=True)
class Lists:
    """The table of top lists."""

    about: str
    headings: list[str]
    rows: list[list[str]]


@dataclass(frozen=True, kw_only=True)
class Folds:
    """The folds' own runs, each with the address of its report. `names` are of the columns of errors."""

    names: list[str]
    rows: list[tuple[str, list[str]]]


@dataclass(frozen=True, kw_only=True)
class Time:
    """The table of where the time went, in core seconds."""

    headings: tuple[str, ...]
    rows: list[list[str]]
    notes: list[str]


@dataclass(frozen=True, kw_only=True)
class View:
    name: str
    opening: str
    numbers: str
    also: list[str]
    notes: list[str]
    headings: list[str]
    table: list[list[str]]
    forest: Forest | None
    lists: Lists | None
    folds: Folds | None
    metric: str
    scored: str  # what is judged: `the argmax decoder`, or `the probabilities`
    decoder: str  # whose ratings are judged; "" where probabilities are
    decoders: dict[str, dict[str, dict[str, float]]]
    intervals: list[list[str]]
    interval_headings: tuple[str, ...]
    probabilities: dict[str, ProbabilityScores]
    calibration: list[Chart]
    slices: list[Slice]
    items: Items | None
    sections: list[Section]
    time: Time | None
    facts: list[tuple[str, str]]
    use: list[Command]
    going_on: list[Command]
    standing: list[Best]
    commands: list[Command]
    winner: str | None

    @property
    def contents(self) -> list[tuple[str, str]]:
        """The page's sections: their anchors and titles."""
        shown = {
            ("go-on", "Go on"): self.going_on,
            ("so-far", "Best so far"): self.standing,
            ("use", "Use it"): self.use,
            ("gain", "Gain"): self.forest,
            ("results", "Results"): self.table,
            ("lists", "Top lists"): self.lists,
            ("decoders", "Decoders"): self.decoders,
            ("intervals", "Intervals"): self.intervals,
            ("probabilities", "Probabilities"): self.probabilities,
            ("slices", "Error by slice"): self.slices,
            ("items", "Items"): self.items,
            ("folds", "Each fold"): self.folds,
            ("architectures", "Each architecture"): self.sections,
            ("time", "Where the time went"): self.time,
            ("run", "What was run"): True,
            ("again", "To make it again"): True,
        }
        return [entry for entry, there in shown.items() if there]


def view(run: Run, facts: list[tuple[str, str]]) -> View:
    opening, numbers = answer_parts(run.answer, run.decoder) if run.answer else standing_parts(run)
    probabilities = run.answer.probabilities if run.answer else {}
    return View(
        name=run.folder.name,
        opening=f"The {opening}" if opening.startswith(ENSEMBLE) else opening,
        numbers=numbers,
        also=also(run.answer, run.decoder) if run.answer else [],
        notes=_notes(run),
        headings=[heading(name, run.asked.metric) for name in _verdict_second(HEADINGS)],
        table=[_verdict_second(row) for row in rows(run.answer, run.decoder)] if run.answer and run.winner else [],
        forest=_forest(run.answer, run.decoder) if run.answer else None,
        lists=_lists(run),
        folds=_folds(run),
        metric=run.objective.measure.name,
        scored=run.objective.scored,
        decoder="" if run.objective.measure.probabilities else run.decoder,
        decoders=_decoders(run),
        intervals=interval_table(run.answer.intervals) if run.answer else [],
        interval_headings=INTERVAL_HEADINGS,
        probabilities=probabilities,
        calibration=[_reliability(name, found.reliability) for name, found in probabilities.items()],
        slices=slices(run),
        items=items(run),
        sections=[] if run.asked.folds else sections(run),
        time=_time(run),
        facts=facts,
        use=using(run),
        going_on=going_on(run),
        standing=[] if run.winner else best_so_far(run),
        commands=[*checking(run), *reproducing(run)],
        winner=run.winner,
    )


def _verdict_second(row: Sequence[str]) -> list[str]:
    """A row with its verdict beside the name, where it stays in sight on a phone."""
    place = HEADINGS.index("verdict")
    return [row[0], row[place], *row[1:place], *row[place + 1 :]]


def _notes(run: Run) -> list[str]:
    """What a reader must know to judge the table."""
    if run.answer is None or run.winner is None:
        return []
    found = run.answer.architectures
    notes = [about_look(run), about_gain(run), about_second_gain(run), _unusual(run.answer.test_rows)]
    notes += [
        about_weights(run.answer),
        ABOUT_TIME if with_time(run.answer) else "",
        about_ensemble(run.asked.metric) if ENSEMBLE in found else "",
    ]
    return [note if note.endswith(".") else f"{note}." for note in notes if note]


def _unusual(test: JudgedRows | None) -> str:
    """How many test rows are unlike the fitted ones, in words; "" if none is."""
    if test is None:
        return ""
    kinds = {
        "ratings outside the training scale": test.outside_the_scale,
        "rows of unknown users": test.unknown_users,
        "rows of unknown items": test.unknown_items,
        "rows of pairs that were trained on too": test.also_trained_on,
    }
    found = [f"{count:,} {words}" for words, count in kinds.items() if count]
    return f"Of the test rows: {', '.join(found)}" if found else ""


def _forest(answer: Answer, decoder: str) -> Forest | None:
    judged = {
        name: (found.verdict, found.gain, found.ci95)
        for name, found in answer.architectures.items()
        if found.verdict is not None and found.gain is not None and found.ci95 is not None
    }
    if not judged:
        return None
    simple = _gain_of_simple(answer)
    scale = axis([0.0, simple or 0.0, *(end for _, gain, ci95 in judged.values() for end in (*ci95, gain))], fewest=4)
    error = baseline_error(answer, decoder)
    return Forest(
        intervals=tuple(
            Interval(
                name=name,
                word=word,
                gain=gain,
                low=low,
                high=high,
                at=(scale.share(low), scale.share(gain), scale.share(high)),
            )
            for name, (word, gain, (low, high)) in sorted(judged.items(), key=lambda each: -each[1][1])
        ),
        ticks=scale.marks(signed=True),
        zero=scale.share(0.0),
        simple=None if simple is None else scale.share(simple),
        simple_name=_named(answer),
        baseline=baseline_label(answer.baseline) + ("" if error is None else f": {error:.4f}"),
    )


def _folds(run: Run) -> Folds | None:
    found = run.answer.folds if run.answer else None
    return Folds(names=fold_names(found), rows=fold_table(found)) if found else None


def _lists(run: Run) -> Lists | None:
    ranking = run.answer.ranking if run.answer else None
    if ranking is None:
        return None
    weighted = run.answer is not None and run.answer.weight_column is not None
    return Lists(about=about(ranking, weighted=weighted), headings=headings(ranking), rows=list_table(ranking))


def _time(run: Run) -> Time | None:
    spent = run.answer.spent if run.answer else None
    if spent is None:
        return None
    return Time(headings=SPENT_HEADINGS, rows=spent_table(spent), notes=spent_notes(spent))


def _named(answer: Answer) -> str:
    best = best_simple(answer) or ""
    return f"{SIMPLE.get(best, best)}{', the best simple predictor' if answer.simple else ''}"


def _gain_of_simple(answer: Answer) -> float | None:
    """The gain of the best simple predictor over the baseline: any gain minus that one's gain over the simple one."""
    if answer.baseline.kind == "simple":
        return None
    both = ((found.gain, over_simple(found)) for found in answer.architectures.values())
    return next((gain - over for gain, over in both if gain is not None and over is not None), None)


def _decoders(run: Run) -> dict[str, dict[str, dict[str, float]]]:
    """Errors by predictor and decoder. An older run has them in its metrics, with MAE for the searched decoder only."""
    if run.answer is None or run.answer.decoders:
        return run.answer.decoders if run.answer else {}
    tested = {"baseline": run.answer.baseline.test}
    tested |= {name: found.test for name, found in run.answer.architectures.items()}
    return {name: _errors(test, run.decoder) for name, test in tested.items() if test}


def _errors(test: Metrics, judged_by: str) -> dict[str, dict[str, float]]:
    errors: dict[str, dict[str, float]] = {}
    for decoder in DECODERS:
        mse, mae = test.get(f"{decoder}_mse"), test.get("mae")
        if mse is not None:
            errors[decoder] = {"mse": mse, **({"mae": mae} if decoder == judged_by and mae is not None else {})}
    return errors


def _reliability(name: str, bins: list[ReliabilityBin]) -> Chart:
    """The reliability curve: how often predictions are right, by confidence; a calibrated one is on the diagonal."""
    whole = Axis(low=0, high=1, ticks=(0, 0.25, 0.5, 0.75, 1))
    points = [(b.confidence, b.frequency) for b in bins if b.confidence is not None and b.frequency is not None]
    title = f"Calibration of {name}"
    return chart(
        title, {name: points}, across="confidence", up="how often right", x_axis=whole, y_axis=whole, diagonal=True
    )
