"""One verdict over the folds of a run: all rows, each rated by the fits of the fold that tested it.

The interval takes all of a user's rows as one observation, in whichever folds they are, as of a single split. Beside
the architectures stands what the search chose in each fold: that judges the whole procedure, search and all.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
import pandas as pd

from reeltune.cluster.judging.baseline import KEY, Judged, gains_over, groups, judge_architectures
from reeltune.cluster.judging.predictions import errors_of, score_column, weights_of
from reeltune.cluster.judging.ranking import Rankings, described, read_rankings, write_rankings
from reeltune.cluster.runs.answer import (
    EACH_WINNER,
    SCHEMA,
    Answer,
    ArchitectureResult,
    BaselineResult,
    FoldResult,
    IntervalScores,
    JudgedRows,
    Metrics,
    Ranking,
    SimplePredictor,
    SimplePredictors,
    SplitKind,
)
from reeltune.cluster.runs.folder import RunFolder
from reeltune.cluster.runs.spent import together
from reeltune.trainables.scoring.metric_table import Objective
from reeltune.trainables.scoring.ranking import Ranked

EACH_SIMPLE = "each fold's best simple predictor"  # where folds differ in which one it is


@dataclass(frozen=True, kw_only=True)
class JudgedFold:
    """A fold's finished run: its answer, and its test rows with every predictor's ratings."""

    folder: RunFolder
    answer: Answer
    frame: pd.DataFrame
    value: str | None = None  # of its rows in the column of folds, if one names them

    @property
    def size(self) -> float:
        """Its rows, or their weights together: by these its means count among those of all folds."""
        weights = weights_of(self.frame)
        return len(self.frame) if weights is None else float(weights.sum())


def read_fold(folder: RunFolder, answer: Answer, value: str | None = None) -> JudgedFold | None:
    """A fold's run with its predictions. None if no fit of it came to its end, so that it has none."""
    if answer.winner is None or answer.test_rows is None:
        return None
    return JudgedFold(folder=folder, answer=answer, frame=pd.read_parquet(folder.predictions), value=value)


def judge_folds(folds: Sequence[JudgedFold], folder: RunFolder) -> Answer:
    """The answer over all folds. Writes the pooled predictions and lists to `folder`."""
    rows = [fold.size for fold in folds]
    simple = _simple(folds, rows)
    added = [EACH_WINNER, *([EACH_SIMPLE] if simple.best == EACH_SIMPLE else [])]
    frame = pd.concat([_named(number, fold, added) for number, fold in enumerate(folds, 1)], ignore_index=True)
    temporary = folder.predictions.with_suffix(".tmp")
    frame.to_parquet(temporary, index=False)
    temporary.replace(folder.predictions)
    users = groups(frame["user"])
    found = {name: _pooled(name, folds, rows) for name in _names(folds)}
    tested = [KEY, *(name for name, each in found.items() if each.test is not None), simple.best, *simple.compared]
    errors = errors_of(frame, tested, folds[0].answer.metric)
    baseline = _baseline(folds, rows)
    first = folds[0].answer
    return Answer(
        run=folder.place,
        trials={state: sum(fold.answer.trials[state] for fold in folds) for state in first.trials},
        seconds=round(sum(fold.answer.seconds for fold in folds), 1),
        spent=together([fold.answer.spent for fold in folds]),
        trials_asked=sum(fold.answer.trials_asked or 0 for fold in folds),
        baseline=baseline,
        simple=simple,
        architectures=_judged(errors, users, found, baseline, simple.best, weights_of(frame)),
        weight_column=first.weight_column,
        winner=EACH_WINNER,
        folds=[_fold_result(fold) for fold in folds],
        ranking=_ranking(folds, folder, baseline),
        metric=first.metric,
        decoder=first.decoder,
        look=max(fold.answer.look or 1 for fold in folds),
        data=f"{len(folds)} folds, the first of them {first.data}",
        split=first.split and SplitKind(kind=first.split.kind, seed=first.split.seed),
        test_rows=_test_rows(folds, users),
        decoders=_decoders(folds, rows, [KEY, *found]),
        intervals=_intervals(folds, rows, found),
        refit_seeds=first.refit_seeds,
        refit_seconds=round(sum(fold.answer.refit_seconds or 0.0 for fold in folds), 1),
        refit_workers=first.refit_workers,
        refit_device=first.refit_device,
        schema_number=SCHEMA,
    )


def _judged(
    errors: dict[str, np.ndarray],
    users: np.ndarray,
    found: dict[str, ArchitectureResult],
    baseline: BaselineResult,
    simple: str,
    weights: np.ndarray | None,
) -> dict[str, ArchitectureResult]:
    """The architectures with their verdicts; for want of a baseline, with the gains over the simple predictor alone."""
    against = errors.get(KEY, baseline.published if baseline.kind == "published" else None)
    if against is None:
        tested = {name: errors[name] for name, each in found.items() if each.test is not None}
        judged = Judged(over_simple=gains_over(tested, errors.get(simple), weights))
    else:
        judged = judge_architectures(
            errors, against, users, found=found, baseline=baseline, simple=simple, weights=weights
        )
    return {name: judged.of(name, each) for name, each in found.items()}


def _names(folds: Sequence[JudgedFold]) -> list[str]:
    """Every architecture that a fold has an answer on, and what each fold's search chose."""
    return [*dict.fromkeys(name for fold in folds for name in fold.answer.architectures), EACH_WINNER]


def _chosen(fold: JudgedFold, name: str) -> str:
    """The predictor of this fold that a name over all folds is there."""
    assert fold.answer.winner is not None, "folds without a winner are not judged"
    if name == EACH_SIMPLE and fold.answer.simple is not None:
        return fold.answer.simple.best
    return fold.answer.winner if name == EACH_WINNER else name


def _named(number: int, fold: JudgedFold, names: Sequence[str]) -> pd.DataFrame:
    """The fold's rows, with its value or number, and the columns of what it chose under the names over all folds."""
    frame = fold.frame.assign(fold=number if fold.value is None else fold.value)
    for name in names:
        own, score = _chosen(fold, name), score_column("", fold.answer.metric)
        for column in map(str, fold.frame):
            prefix = score if column.startswith(score) else ""
            bare = column.removeprefix(prefix)
            if bare == own or bare.startswith(f"{own}.seed"):
                frame[prefix + name + bare.removeprefix(own)] = fold.frame[column]
    return frame


def _result(fold: JudgedFold, name: str) -> ArchitectureResult:
    return fold.answer.architectures.get(_chosen(fold, name), ArchitectureResult())


def _pooled(name: str, folds: Sequence[JudgedFold], rows: list[float]) -> ArchitectureResult:
    """What is said of an architecture over all folds; without `test` if a fold lacks it."""
    each = [_result(fold, name) for fold in folds]
    own = {number: fold.answer.architectures.get(name) for number, fold in enumerate(folds, 1)}
    return ArchitectureResult(
        timed=any(found.timed for found in each),
        validation=_mean([found.validation for found in each], [1.0] * len(each)),
        test=_mean([found.test for found in each], rows),
        dropped=[f"{trial} of fold {number}" for number, found in own.items() if found for trial in found.dropped],
    )


def _mean(each: Sequence[Metrics | None], weights: list[float]) -> Metrics | None:
    """Each metric's mean over folds, each weighted by its rows; None if a fold has no metrics."""
    known = [metrics for metrics in each if metrics is not None]
    if len(known) < len(each):
        return None
    return {name: _weighted(_values(known, name), weights) for name in known[0]} | {
        "rmse": _root([metrics.get("rmse") for metrics in known], weights)
    }


def _values(each: Sequence[Metrics], name: str) -> list[float | None]:
    """A metric in each fold. Where class heads have an error of a decoder, of a scalar head its single value counts."""
    values = [metrics.get(name) for metrics in each]
    if not name.endswith("_mse") or all(value is None for value in values):
        return values
    return [metrics.get("mean_mse") if value is None else value for metrics, value in zip(each, values, strict=True)]


def _weighted(values: Sequence[float | None], weights: list[float]) -> float | None:
    numbers = [value for value in values if value is not None]
    return float(np.average(numbers, weights=weights)) if len(numbers) == len(values) else None


def _root(values: Sequence[float | None], weights: list[float]) -> float | None:
    """The root mean squared error of all rows: of the mean of squares."""
    mean = _weighted([None if value is None else value**2 for value in values], weights)
    return None if mean is None else float(np.sqrt(mean))


def _baseline(folds: Sequence[JudgedFold], rows: list[float]) -> BaselineResult:
    """The baseline over all folds; its configuration may grow with a fold's rows, and is not told."""
    own = [fold.answer.baseline for fold in folds]
    names = {each.name for each in own}
    name = own[0].name if len(names) == 1 else EACH_SIMPLE
    return BaselineResult(
        name=name,
        kind=own[0].kind,
        architecture=own[0].architecture,
        test=_mean([each.test for each in own], rows),
        published=own[0].published,
    )


def _simple(folds: Sequence[JudgedFold], rows: list[float]) -> SimplePredictors:
    """The simple predictors that all folds compared; the best of each is taken together, where folds differ in it."""
    each = [fold.answer.simple for fold in folds if fold.answer.simple is not None]
    best = {found.best for found in each}
    names = [name for name in each[0].compared if all(name in found.compared for found in each)]
    chosen = {name: [found.compared[name] for found in each] for name in names}
    chosen |= {EACH_SIMPLE: [found.compared[found.best] for found in each]} if len(best) > 1 else {}
    return SimplePredictors(
        best=best.pop() if len(best) == 1 else EACH_SIMPLE,
        compared={
            name: SimplePredictor(
                validation=float(np.mean([one.validation for one in found])),
                test=_mean([one.test for one in found], rows) or {},
            )
            for name, found in chosen.items()
        },
    )


def _fold_result(fold: JudgedFold) -> FoldResult:
    answer = fold.answer
    objective = Objective(decoder=answer.decoder or "argmax", metric=answer.metric)
    tested = {KEY: answer.baseline.test, **{name: found.test for name, found in answer.architectures.items()}}
    return FoldResult(
        run=fold.folder.place,
        value=fold.value,
        winner=answer.winner,
        test=len(fold.frame),
        errors={name: objective.of(test) for name, test in tested.items() if test is not None},
    )


def _test_rows(folds: Sequence[JudgedFold], users: np.ndarray) -> JudgedRows:
    each = [fold.answer.test_rows for fold in folds if fold.answer.test_rows is not None]
    return JudgedRows(
        count=sum(test.count for test in each),
        users=len(np.unique(users)),
        outside_the_scale=sum(test.outside_the_scale for test in each),
        unknown_users=sum(test.unknown_users for test in each),
        unknown_items=sum(test.unknown_items for test in each),
        also_trained_on=sum(test.also_trained_on for test in each),
        hash=" ".join(test.hash for test in each),
    )


def _decoders(
    folds: Sequence[JudgedFold], rows: list[float], names: Sequence[str]
) -> dict[str, dict[str, dict[str, float]]]:
    """Each decoder's errors over all rows, of the predictors that every fold has."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for name in names:
        each = [fold.answer.decoders.get(_chosen(fold, name), {}) for fold in folds]
        shared = [decoder for decoder in each[0] if all(decoder in one for one in each)]
        if shared:
            found[name] = {decoder: _averaged([one[decoder] for one in each], rows) for decoder in shared}
    return found


def _intervals(folds: Sequence[JudgedFold], rows: list[float], names: Iterable[str]) -> dict[str, IntervalScores]:
    """Shares and widths over all rows, of the predictors whose bundle has intervals in every fold."""
    each = {name: [fold.answer.intervals.get(_chosen(fold, name)) for fold in folds] for name in names}
    whole = {name: [one for one in found if one is not None] for name, found in each.items()}
    return {
        name: IntervalScores.model_validate(_averaged([one.model_dump() for one in found], rows))
        for name, found in whole.items()
        if len(found) == len(folds)
    }


def _averaged(errors: Sequence[dict[str, float]], rows: list[float]) -> dict[str, float]:
    return {kind: float(np.average([each[kind] for each in errors], weights=rows)) for kind in errors[0]}


def _ranking(folds: Sequence[JudgedFold], folder: RunFolder, baseline: BaselineResult) -> Ranking | None:
    """The lists of all folds. A user may have one in each fold: they are one observation, as the user's rows are."""
    about = [(fold, fold.answer.ranking) for fold in folds if fold.answer.ranking is not None]
    if len(about) < len(folds):
        return None
    each = [_with_winner(fold, read_rankings(fold.folder, ranking)) for fold, ranking in about]
    pooled = reduce(_with, each)
    write_rankings(folder, pooled)
    against = baseline.name if baseline.kind == "simple" else None  # its lists have its own name
    found = described(pooled, against=against or KEY)
    return found.model_copy(update={"of_users": max(found.users, pooled.of_users)})


def _with_winner(fold: JudgedFold, found: Rankings) -> Rankings:
    return replace(found, by_name={**found.by_name, EACH_WINNER: found.by_name[_chosen(fold, EACH_WINNER)]})


def _with(found: Rankings, more: Rankings) -> Rankings:
    """The lists of both, of the predictors that both have."""
    names = [name for name in found.by_name if name in more.by_name]
    both = {name: (found.by_name[name], more.by_name[name]) for name in names}
    return replace(
        found,
        by_name={
            name: Ranked(ndcg=np.concatenate([one.ndcg, other.ndcg]), recall=np.concatenate([one.recall, other.recall]))
            for name, (one, other) in both.items()
        },
        people=np.concatenate([found.people, more.people]),
        of_users=max(found.of_users, more.of_users),
    )
