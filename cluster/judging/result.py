"""Scores and verdicts on the test rows, and the winner."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from reeltune.cluster.data_parallel.orders import FitOrder, Fitted
from reeltune.cluster.judging import ensemble
from reeltune.cluster.judging.baseline import KEY, PMF, gains_over, groups, judge_all, judged
from reeltune.cluster.judging.outcome import Searched
from reeltune.cluster.judging.predictions import people
from reeltune.cluster.judging.scores import Scored, mean_metrics, score, squared_errors
from reeltune.cluster.runs.answer import ArchitectureResult, BaselineResult, Result
from reeltune.cluster.runs.folder import Ledger, RunFolder
from reeltune.cluster.search.choice import Choice
from reeltune.trainables.architectures import ENSEMBLE
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data import Rows
from reeltune.trainables.data.prepared import Prepared
from reeltune.trainables.scoring.verdict import Verdict


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
            decoder=searched.decoder,
            temperature=temperature,
            averaged=searched.averaged(name),
        )
        for order, came in refits
    ]


def judged_result(
    searched: Searched, scores: dict[str, list[Scored]], rows: Rows | None, prepared: Prepared, folder: RunFolder
) -> Result:
    """The answer of a search; without test rows it has no verdicts."""
    verdicts, over_pmf = ({}, {}) if rows is None else _judge(scores, rows, searched, prepared)
    return Result(
        run=folder.place,
        trials=_counts(searched.ledger),
        baseline=_baseline(scores, searched, prepared),
        architectures={
            name: judged(_architecture(name, searched.choices, scores), verdicts.get(name), over_pmf.get(name))
            for name in searched.architectures
        },
        winner=_winner(searched.choices, scores),
    )


def _judge(
    scores: dict[str, list[Scored]], rows: Rows, searched: Searched, prepared: Prepared
) -> tuple[dict[str, Verdict], dict[str, float]]:
    """Verdicts against the baseline, and gains over the tuned `pmf` if there is one."""
    errors = {name: squared_errors(each, rows).mean(0) for name, each in scores.items()}
    against = errors.pop(KEY, searched.baseline.number)
    if against is None:
        return {}, {}
    users = groups(pd.Series(people(rows, prepared)))
    return judge_all(errors, against, users), gains_over(errors, PMF)


def _counts(ledger: Ledger) -> dict[str, int]:
    states = [entry.state for entry in ledger.entries if entry.stage == "search"]
    return {state: states.count(state) for state in ("done", "stopped", "failed")}


def _baseline(scores: dict[str, list[Scored]], searched: Searched, prepared: Prepared) -> BaselineResult:
    baseline = searched.baseline
    refitted = baseline.name if baseline.kind == "reference" else None
    return BaselineResult(
        name=baseline.name,
        kind=baseline.kind,
        architecture=refitted,
        config=ARCHITECTURES[refitted].reference(prepared.shape).model_dump(mode="json") if refitted else None,
        test=mean_metrics(scores[KEY]) if KEY in scores else None,
        published=baseline.published(prepared.ratings.name),
    )


def _architecture(name: str, choices: dict[str, Choice], scores: dict[str, list[Scored]]) -> ArchitectureResult:
    choice = choices.get(name)
    return ArchitectureResult(
        config=choice.config if choice else None,
        timed=choice is not None and _timed(name, choice.config, choices),
        validation=choice.metrics if choice else None,
        test=mean_metrics(scores[name]) if name in scores else None,
    )


def _timed(name: str, config: Mapping[str, Any], choices: dict[str, Choice]) -> bool:
    """Whether predictions with this configuration may look at when a pair was rated."""
    if name == ENSEMBLE:
        return any(_timed(each, choices[each].config, choices) for each, weight in config["weights"].items() if weight)
    return ARCHITECTURES[name].Config.model_validate(config).timed


def _winner(choices: dict[str, Choice], scores: dict[str, list[Scored]]) -> str | None:
    """The architecture with the lowest validation error; test errors do not count."""
    return min((name for name in choices if name in scores), key=lambda name: choices[name].value, default=None)
