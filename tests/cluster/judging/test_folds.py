"""One verdict over folds, from made-up runs whose predictions are known."""

import numpy as np
import pandas as pd
import pytest

from reeltune.cluster.judging.folds import EACH_SIMPLE, judge_folds, read_fold
from reeltune.cluster.runs.answer import EACH_WINNER, Answer
from reeltune.cluster.runs.folder import RunFolder
from reeltune.trainables.scoring.comparison import compare
from tests.reported import METRICS

ROWS = {1: 300, 2: 200}


def metrics(error):
    return {**METRICS, "argmax_mse": error, "rmse": error**0.5}


@pytest.fixture
def folds(tmp_path):
    """In fold 1 svdpp wins and bias is the best simple predictor, in fold 2 pmf is both; fold 2 has lost bias."""
    draw, found = np.random.default_rng(1), []
    for number, rows in ROWS.items():
        folder = RunFolder(tmp_path / f"fold-{number}")
        folder.path.mkdir()
        truth = draw.integers(1, 6, rows).astype(float)
        frame = pd.DataFrame(
            {"row": range(rows), "user": [f"u{n}" for n in draw.integers(0, 40, rows)], "rating": truth}
        )
        for name, noise in {"baseline": 1.0, "pmf": 0.9, "svdpp": 0.5, "bias": 0.8, "mean": 1.4}.items():
            frame[name] = truth + draw.normal(0, noise, rows)
        frame.to_parquet(folder.predictions)
        errors = {
            name: float(((frame[name] - truth) ** 2).mean()) for name in ("baseline", "pmf", "svdpp", "bias", "mean")
        }
        tested = {name: {"validation": metrics(1.0), "test": metrics(errors[name])} for name in ("pmf", "svdpp")}
        lost = {"bias": {"test": metrics(errors["bias"])} if number == 1 else {}}
        compared = {name: {"validation": 1.0, "test": metrics(errors[name])} for name in ("mean", "bias", "pmf")}
        answer = {
            "trials": {"done": 3, "stopped": 1, "failed": 0},
            "baseline": {"name": "pmf", "architecture": "pmf", "test": metrics(errors["baseline"])},
            "simple": {"best": "bias" if number == 1 else "pmf", "compared": compared},
            "architectures": {**tested, **lost},
            "winner": "svdpp" if number == 1 else "pmf",
            "decoder": "argmax",
            "test_rows": {"count": rows, "users": frame["user"].nunique(), "hash": f"h{number}"},
        }
        found.append(read_fold(folder, Answer.model_validate(answer)))
    return found


@pytest.fixture
def pooled(folds, tmp_path):
    folder = RunFolder(tmp_path / "whole")
    folder.path.mkdir()
    return judge_folds(folds, folder), pd.read_parquet(folder.predictions)


def squared(frame, name):
    return ((frame[name] - frame["rating"]) ** 2).to_numpy()


def test_errors_are_of_all_rows_and_gains_over_the_same_rows(pooled):
    answer, frame = pooled
    assert frame["fold"].value_counts().to_dict() == ROWS
    found = answer.architectures["svdpp"]
    expected = compare(squared(frame, "baseline"), squared(frame, "svdpp"), frame["user"].to_numpy())
    assert found.test["argmax_mse"] == pytest.approx(squared(frame, "svdpp").mean())
    assert found.test["rmse"] == pytest.approx(squared(frame, "svdpp").mean() ** 0.5)
    assert (found.gain, found.ci95) == (pytest.approx(expected.gain), pytest.approx(expected.ci95))


def test_each_folds_winner_has_the_ratings_of_that_folds_winner(pooled):
    answer, frame = pooled
    chosen = np.where(frame["fold"] == 1, frame["svdpp"], frame["pmf"])
    assert frame[EACH_WINNER].tolist() == chosen.tolist()
    assert answer.winner == EACH_WINNER
    assert answer.architectures[EACH_WINNER].test["argmax_mse"] == pytest.approx(squared(frame, EACH_WINNER).mean())


def test_where_folds_differ_in_the_best_simple_predictor_each_has_its_own(pooled):
    answer, frame = pooled
    assert answer.simple.best == EACH_SIMPLE
    over = squared(frame, EACH_SIMPLE).mean() - squared(frame, "svdpp").mean()
    assert answer.architectures["svdpp"].gain_over_simple == pytest.approx(over)


def test_an_architecture_that_a_fold_lacks_is_not_judged(pooled):
    found = pooled[0].architectures["bias"]
    assert (found.test, found.verdict) == (None, None)


def test_counts_add_up_and_each_folds_errors_are_told(pooled, folds):
    answer, _ = pooled
    assert answer.trials == {"done": 6, "stopped": 2, "failed": 0}
    assert (answer.test_rows.count, answer.test_rows.users) == (500, 40)
    assert [fold.winner for fold in answer.folds] == ["svdpp", "pmf"]
    assert [set(fold.errors) for fold in answer.folds] == [
        {"baseline", "pmf", "svdpp", "bias"},
        {"baseline", "pmf", "svdpp"},
    ]
    assert answer.ranking is None, "the folds have none"


def test_a_fold_without_a_winner_cannot_be_judged(folds):
    none = folds[0].answer.model_copy(update={"winner": None})
    assert read_fold(folds[0].folder, none) is None
