"""`reeltune compare`: the architectures of several runs in one table, if all were judged on the same test rows."""

from typing import Literal

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from reeltune.cluster.report.results import ERROR, figure, heading, interval, signed
from reeltune.cluster.report.words import baseline_error
from reeltune.cluster.runs.answer import Answer, ArchitectureResult, JudgedRows
from reeltune.cluster.runs.finished import Run, read_run
from reeltune.cluster.runs.folder import RunFolder
from reeltune.cluster.runs.stored import Stored
from reeltune.trainables.errors import InputError

NARROW = {ERROR: 8, "gain": 7, "95% CI": 18, "over\nsimple": 7, "verdict": 9}  # columns, and their least widths


class ComparedArchitecture(Stored):
    architecture: str
    test_error: float | None  # by the metric of the runs
    test_mse: float | None  # the same, if that is the mean squared error
    gain: float | None
    ci95: tuple[float, float] | None
    p_holm: float | None
    gain_over_simple: float | None
    gain_over_tuned_pmf: float | None
    verdict: str | None
    trials: int
    seconds: float  # core-seconds of these trials, without confirmations


class ComparedBaseline(Stored):
    name: str | None
    test_error: float | None
    test_mse: float | None


class ComparedRun(Stored):
    run: str
    decoder: str
    metric: str
    look: int | None
    winner: str | None
    seconds: float
    baseline: ComparedBaseline
    architectures: list[ComparedArchitecture]


class Compared(Stored):
    """What `compare --json` prints."""

    test_rows: str  # the content hash of the test rows, with their weights, that all runs share
    runs: list[ComparedRun]
    weight_column: str | None = None  # says how often each row counts; None: once


def compare(folders: list[RunFolder]) -> Compared:
    """Put runs side by side.

    Raises InputError if one has no verdict, was judged on other test rows, or is there twice.
    """
    _refuse_twins(folders)
    runs = [read_run(folder) for folder in folders]
    hashes = {run.folder.place: _answer(run)[1].hash for run in runs}
    first = next(iter(hashes))
    for path, rows in hashes.items():
        if rows != hashes[first]:
            raise InputError(
                f"{path} was judged on other test rows ({rows[:12]}…) than {first} ({hashes[first][:12]}…): figures "
                "differ more between test rows than between models; use the same --data, --split and --split-seed"
            )
    for run in runs:
        if run.asked.metric != runs[0].asked.metric:
            raise InputError(
                f"{run.folder.place} was judged by {run.objective.label}, and {first} by {runs[0].objective.label}: "
                "compare runs of one --metric"
            )
    return Compared(
        test_rows=hashes[first],
        runs=[_described(run) for run in runs],
        weight_column=_answer(runs[0])[0].weight_column,
    )


def _refuse_twins(folders: list[RunFolder]) -> None:
    places = [folder.place if folder.home is not None else str(folder.path.resolve()) for folder in folders]
    twins = [folder.place for folder, place in zip(folders, places, strict=True) if places.count(place) > 1]
    if twins:
        raise InputError(f"{twins[0]}: this run is named twice; name each run once")


def _answer(run: Run) -> tuple[Answer, JudgedRows]:
    """A run's answer, and the rows that it was judged on. Raises InputError if it has none."""
    if run.answer is None or run.answer.test_rows is None:
        raise InputError(f"{run.folder.place}: this run has no verdict to compare")
    return run.answer, run.answer.test_rows


def _described(run: Run) -> ComparedRun:
    answer, _ = _answer(run)
    baseline, error = answer.baseline, baseline_error(answer, run.decoder)
    return ComparedRun(
        run=run.folder.place,
        decoder=run.decoder,
        metric=run.asked.metric,
        look=answer.look,
        winner=answer.winner,
        seconds=answer.seconds,
        baseline=ComparedBaseline(
            name=baseline.name or baseline.architecture, test_error=error, test_mse=_if_mse(run, error)
        ),
        architectures=[_architecture(run, name, found) for name, found in answer.architectures.items()],
    )


def _architecture(run: Run, name: str, found: ArchitectureResult) -> ComparedArchitecture:
    trials = [entry for entry in run.ledger if entry.architecture == name and entry.stage == "search"]
    error = run.objective.of(found.test) if found.test else None
    return ComparedArchitecture(
        architecture=name,
        test_error=error,
        test_mse=_if_mse(run, error),
        gain=found.gain,
        ci95=found.ci95,
        p_holm=found.p_holm,
        gain_over_simple=found.gain_over_simple,
        gain_over_tuned_pmf=found.gain_over_tuned_pmf,
        verdict=found.verdict,
        trials=len(trials),
        seconds=round(sum(entry.core_seconds(run.asked.workers_per_trial) for entry in trials), 1),
    )


def _if_mse(run: Run, error: float | None) -> float | None:
    return error if run.asked.metric == "mse" else None


def comparison_table(compared: Compared) -> Table:
    """For a terminal: each run's baseline, then its architectures."""
    weighed = "" if compared.weight_column is None else ", by weight"
    shared = f"the same test rows ({compared.test_rows[:12]}…){weighed}"
    title = f"{shared}; * the winner by validation error; core-seconds of trials"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for name in ("run", "architecture", ERROR, "gain", "95% CI", "over simple", "verdict", "trials", "seconds"):
        words = name in ("run", "architecture", "verdict")
        shown = heading(name, compared.runs[0].metric)
        table.add_column(shown, justify="left" if words else "right", no_wrap=True)
    for run in compared.runs:
        decoder = "" if run.decoder == "argmax" else f" ({run.decoder})"
        baseline = run.baseline
        table.add_row(escape(f"{run.run}{decoder}"), f"baseline ({baseline.name})", figure(baseline.test_error))
        for found in run.architectures:
            star = " *" if found.architecture == run.winner else ""
            table.add_row("", f"{found.architecture}{star}", *_cells(found))
    return table


def narrow_tables(compared: Compared) -> list[Table]:
    """For a narrow terminal: a table for each run, all of the same widths, without trials and seconds."""
    longest = max(len(found.architecture) for run in compared.runs for found in run.architectures)
    weighed = "" if compared.weight_column is None else ", rows by weight"
    return [_narrow_table(run, longest=max(longest, len("baseline")), weighed=weighed) for run in compared.runs]


def _narrow_table(run: ComparedRun, *, longest: int, weighed: str) -> Table:
    about = weighed if run.decoder == "argmax" else f" ({run.decoder}){weighed}"
    winner = f"; winner by validation error: {run.winner}" if run.winner else ""
    title = escape(f"{run.run}{about}{winner}")
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("", min_width=longest)
    for name, width in NARROW.items():
        justify: Literal["left", "right"] = "left" if name == "verdict" else "right"
        table.add_column(heading(name, run.metric), justify=justify, no_wrap=True, min_width=width)
    table.add_row(f"baseline ({run.baseline.name})", figure(run.baseline.test_error))
    for found in run.architectures:
        table.add_row(found.architecture, *(cell.replace("is the ", "is the\n") for cell in _cells(found)[:5]))
    return table


def _cells(found: ComparedArchitecture) -> list[str]:
    return [
        figure(found.test_error),
        signed(found.gain),
        interval(found.verdict, found.ci95),
        signed(found.gain_over_simple),
        found.verdict or "",
        str(found.trials),
        f"{found.seconds:.0f}",
    ]
