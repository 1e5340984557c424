"""The page's sections, one for each architecture."""

from dataclasses import dataclass

import optuna

from reeltune.cluster.report.charts import Chart
from reeltune.cluster.report.search_plots import curves, failures, history, is_drawn, studies
from reeltune.cluster.report.settings import Setting, formula, settings
from reeltune.cluster.report.standing import best_so_far
from reeltune.cluster.report.words import member_weights
from reeltune.cluster.runs.answer import ArchitectureResult, ByValue, Seeds
from reeltune.cluster.runs.finished import Run
from reeltune.trainables.scoring.metric_table import Objective


@dataclass(frozen=True, kw_only=True)
class Cell:
    count: int
    share: float  # of its row's total


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """Rows are true values, columns predicted ones."""

    values: list[str]
    rows: list[list[Cell]]
    report: str  # scikit-learn's classification report
    weighted: bool  # the rows have weights: here each counts once all the same


@dataclass(frozen=True, kw_only=True)
class Section:
    name: str
    open: bool  # an ensemble has no search of its own: if it wins, its largest member's section is open too
    word: str | None
    error: float | None
    formula: str
    settings: list[Setting]
    spread: str
    confusion: Confusion | None
    curves: Chart | None
    history: Chart | None
    has_plots: bool  # in `plots.html`
    trials: str
    failures: list[tuple[str, int]]


def sections(run: Run) -> list[Section]:
    """The winner's section, the others from the lowest error up (of an unfinished search: so far), the baseline's."""
    known = studies(run)
    found = run.answer.architectures if run.answer else _so_far(run)
    made = [_section(run, name, found.get(name, ArchitectureResult()), known.get(name)) for name in run.architectures]
    so_far = {name: place for place, name in enumerate(found)} if run.answer is None else {}
    made.sort(key=lambda section: (section.name != run.winner, section.error is None, section.error or 0.0))
    made.sort(key=lambda section: so_far.get(section.name, len(so_far)))
    baseline = run.answer.baseline if run.answer else None
    if baseline is not None and baseline.test:
        made.append(_section(run, "baseline", ArchitectureResult(config=baseline.config, test=baseline.test), None))
    return made


def _section(run: Run, name: str, found: ArchitectureResult, study: optuna.Study | None) -> Section:
    return Section(
        name=name,
        open=name in _first(run),
        word=found.verdict,
        error=run.objective.of(found.test) if found.test else None,
        formula=formula(run, name),
        settings=settings(found, study),
        spread=_spread(run.answer.seeds.get(name) if run.answer else None, run.objective),
        confusion=_confusion(run.answer.by_value.get(name) if run.answer else None),
        curves=curves(run, name),
        history=history(run, name),
        has_plots=study is not None and is_drawn(study),
        trials=_trials(run, name),
        failures=failures(run, name),
    )


def _so_far(run: Run) -> dict[str, ArchitectureResult]:
    """Of an unfinished search: the configuration of each architecture's best trial."""
    return {best.name: ArchitectureResult(config=best.config) for best in best_so_far(run)}


def _first(run: Run) -> list[str | None]:
    """The architectures whose sections are open: the winner, or the best so far."""
    if run.answer is None:
        return [best.name for best in best_so_far(run)[:1]]
    winner = run.answer.architectures.get(run.winner or "")
    weights = member_weights((winner and winner.config) or {})
    return [run.winner, max(weights, key=lambda name: weights[name], default=None)]


def _spread(seeds: Seeds | None, by: Objective) -> str:
    if seeds is None:
        return ""
    if len(seeds.metrics) == 1:
        return "All refits are averaged in it: there is no spread over seeds."
    name, count = by.measure.name, len(seeds.metrics)
    return f"Spread of the test {name} over {count} refit seeds: {seeds.spread:.4f} (standard deviation)."


def _confusion(table: ByValue | None) -> Confusion | None:
    if table is None:
        return None
    body = [[Cell(count=n, share=n / max(1, sum(counts))) for n in counts] for counts in table.confusion]
    return Confusion(values=table.values, rows=body, report=table.report.rstrip(), weighted=table.weighted)


def _trials(run: Run, name: str) -> str:
    mine = [entry for entry in run.ledger if entry.architecture == name]
    if not mine:
        return ""
    states = [entry.state for entry in mine if entry.stage == "search"]
    again = sum(entry.stage == "confirm" for entry in mine)
    counts = f"{states.count('done')} trials done, {states.count('stopped')} stopped early"
    seconds = sum(entry.core_seconds(run.asked.workers_per_trial) for entry in mine)
    found = run.answer.architectures.get(name) if run.answer else None
    dropped = f" ({', '.join(found.dropped)} once only: too far behind)" if found and found.dropped else ""
    return (
        f"{counts}, {states.count('failed')} failed; the best tried again {again} times{dropped}; "
        f"{seconds:.0f} core-seconds in all."
    )
