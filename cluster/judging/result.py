"""Scores and verdicts on the test rows, and the winner."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from reeltune.cluster.data_parallel.orders import FitOrder, Fitted
from reeltune.cluster.judging import ensemble
from reeltune.cluster.judging.baseline import KEY, Judged, gains_over, groups, judge_architectures
from reeltune.cluster.judging.outcome import Searched
from reeltune.cluster.judging.predictions import people
from reeltune.cluster.judging.scores import Scored, judged_errors, mean_metrics, score
from reeltune.cluster.judging.simple import Simple, described, simple_scores
from reeltune.cluster.judging.spent import spent
from reeltune.cluster.runs.answer import ArchitectureResult, BaselineResult, Result
from reeltune.cluster.runs.folder import Ledger, RunFolder
from reeltune.cluster.search.choice import Choice, comparable, dropped
from reeltune.search_spaces import Side, on_bounds
from reeltune.trainables.architectures import ENSEMBLE
from reeltune.trainables.data import Rows
from reeltune.trainables.data.prepared import Prepared


def score_all(searched: Searched, rows: Rows, prepared: Prepared) -> dict[str, list[Scored]]:
    """The scores on these rows of each architecture with all its refits, one per seed, and of the ensemble."""
    scores = {name: _scores(name, refits, rows, searched, prepared) for name, refits in searched.complete().items()}
    if ENSEMBLE in searched.choices:
        scores[ENSEMBLE] = [ensemble.score(searched, scores, rows, prepared)]
    return scores


def _scores(
    name: str, refits: list[tuple[FitOrder, Fitted]], rows: Rows, searched: Searched, prepared: Prepared
) -> list[Scored]:
    temperature = searched.temperature(name)
    return [
        score(
            order,
            came,
            rows,
            prepared.shape,
            objective=searched.objective,
            temperature=temperature,
            averaged=searched.averaged(name),
            registry=searched.registry,
        )
        for order, came in refits
    ]


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Scores on the test rows by name: of the architectures and the baseline, and of the simple predictors."""

    rows: Rows
    judged: dict[str, list[Scored]]
    simple: dict[str, list[Scored]]
    compared: Simple
    left_out: tuple[str, ...] = ()  # with a prediction that is no finite number

    @property
    def all(self) -> dict[str, list[Scored]]:
        """All of them. A simple predictor that the search tuned is one of the architectures."""
        return {**self.judged, **self.simple}


def score_with_simple(searched: Searched, simple: Simple, rows: Rows, prepared: Prepared) -> Scores:
    """The scores on these rows, also of the simple predictors; the best of these is the baseline if that was asked.

    What cannot be scored is left out.
    """
    every = score_all(searched, rows, prepared)
    judged = {name: each for name, each in every.items() if all(scored.finite for scored in each)}
    left_out = tuple(name for name in every if name not in judged)
    compared = simple.without(left_out)
    found = simple_scores(compared, judged, rows, searched, prepared)
    if searched.baseline.kind == "simple":
        judged = {KEY: found[compared.best], **judged}
    return Scores(rows=rows, judged=judged, simple=found, compared=compared, left_out=left_out)


def judged_result(searched: Searched, scores: Scores | None, prepared: Prepared, folder: RunFolder) -> Result:
    """The answer of a search; without scores it has no verdicts."""
    tested = scores.judged if scores else {}
    baseline = _baseline(tested, searched, scores.compared if scores else None, prepared)
    found = {name: _architecture(name, searched, tested) for name in searched.architectures}
    judged = _judge(scores, found, baseline, searched, prepared) if scores else Judged()
    return Result(
        run=folder.place,
        metric=searched.metric,
        trials=_counts(searched.ledger),
        trials_asked=searched.trials,
        spent=spent(searched),
        baseline=baseline,
        simple=described(scores.compared, scores.simple) if scores else None,
        architectures={name: judged.of(name, each) for name, each in found.items()},
        winner=_winner(searched.choices, tested),
        weight_column=prepared.ratings.columns.get("weight"),
    )


def _judge(
    scores: Scores,
    found: dict[str, ArchitectureResult],
    baseline: BaselineResult,
    searched: Searched,
    prepared: Prepared,
) -> Judged:
    errors = {name: judged_errors(each).mean(0) for name, each in scores.all.items()}
    best, against = scores.compared.best, errors.get(KEY, searched.baseline.number)
    weights = scores.rows.weights
    if against is None:
        tested = {name: errors[name] for name in found if name in scores.judged}
        return Judged(over_simple=gains_over(tested, errors[best], weights))
    users = groups(pd.Series(people(scores.rows, prepared)))
    return judge_architectures(errors, against, users, found=found, baseline=baseline, simple=best, weights=weights)


def _counts(ledger: Ledger) -> dict[str, int]:
    states = [entry.state for entry in ledger.entries if entry.stage == "search"]
    return {state: states.count(state) for state in ("done", "stopped", "failed")}


def _baseline(
    scores: dict[str, list[Scored]], searched: Searched, simple: Simple | None, prepared: Prepared
) -> BaselineResult:
    baseline = searched.baseline
    config: Mapping[str, Any] | None = None
    name = simple.best if simple and baseline.kind == "simple" else baseline.name
    if baseline.kind == "reference":
        config = searched.registry[name].reference(prepared.shape).as_json()
    elif simple and baseline.kind == "simple":
        config = simple.candidates[name].config
    return BaselineResult(
        name=name,
        kind=baseline.kind,
        architecture=None if config is None else name,
        config=None if config is None else dict(config),
        test=mean_metrics(scores[KEY]) if KEY in scores else None,
        published=baseline.published(prepared.ratings.name, searched.metric),
    )


def _architecture(name: str, searched: Searched, scores: dict[str, list[Scored]]) -> ArchitectureResult:
    choice = searched.choices.get(name)
    return ArchitectureResult(
        config=choice.config if choice else None,
        timed=choice is not None and _timed(name, choice.config, searched),
        on_bounds=_on_bounds(name, choice, searched),
        validation=choice.metrics if choice else None,
        dropped=[entry.trial for entry in dropped(searched.ledger, name)],
        test=mean_metrics(scores[name]) if name in scores else None,
    )


def _on_bounds(name: str, choice: Choice | None, searched: Searched) -> dict[str, Side]:
    """The hyperparameters whose chosen value lies on a bound of what was searched. The ensemble has no space."""
    space = searched.spaces.get(name)
    return on_bounds(space, choice.config, searched.registry[name]) if choice and space else {}


def _timed(name: str, config: Mapping[str, Any], searched: Searched) -> bool:
    """Whether predictions with this configuration may look at when a pair was rated."""
    if name == ENSEMBLE:
        members = [each for each, weight in config["weights"].items() if weight]
        return any(_timed(each, searched.choices[each].config, searched) for each in members)
    return searched.registry[name].Config.model_validate(config).timed


def _winner(choices: dict[str, Choice], scores: dict[str, list[Scored]]) -> str | None:
    """The architecture with the lowest validation error, on folds that all finished; test errors do not count."""
    values = comparable({name: choice.by_fold for name, choice in choices.items() if name in scores})
    return min(values, key=lambda name: values[name], default=None)
