"""One verdict over folds, from made-up runs whose predictions are known."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from reeltune.cluster.judging.folds import EACH_SIMPLE, judge_folds, read_fold
from reeltune.cluster.judging.ranking import Rankings, described, write_rankings
from reeltune.cluster.report.folds import table
from reeltune.cluster.runs.answer import (
    EACH_WINNER,
    MOST_RATED,
    Answer,
    ArchitectureResult,
    BaselineResult,
    IntervalScores,
)
from reeltune.cluster.runs.folder import RunFolder
from reeltune.trainables.scoring.comparison import compare
from reeltune.trainables.scoring.ranking import Ranked
from tests.reported import METRICS

ROWS = {1: 300, 2: 200}


def metrics(error):
    return {**METRICS, "argmax_mse": error, "rmse": error**0.5}


def squared(frame, name):
    """Each row's squared error, mean over the seeds that the row has."""
    seeds = [column for column in frame if column in (name, f"{name}.seed2")]
    return frame[seeds].sub(frame["rating"], axis=0).pow(2).mean(axis=1).to_numpy()


def judged(folds, path):
    folder = RunFolder(path / "whole")
    folder.path.mkdir()
    return judge_folds(folds, folder), pd.read_parquet(folder.predictions)


def changed(fold, frame=None, **answer):
    """A fold with other predictions, or another answer."""
    frame = fold.frame if frame is None else frame
    return replace(fold, frame=frame, answer=fold.answer.model_copy(update=answer))


@pytest.fixture
def folds(tmp_path):
    """In fold 1 svdpp wins and bias is the best simple predictor, in fold 2 pmf is both; fold 2 has lost bias.

    pmf and the baseline have two seeds, the others one.
    """
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
        for name in ("baseline", "pmf"):
            frame[f"{name}.seed2"] = truth + draw.normal(0, 1, rows)
        frame.to_parquet(folder.predictions)
        errors = {name: float(squared(frame, name).mean()) for name in ("baseline", "pmf", "svdpp", "bias", "mean")}
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
    return judged(folds, tmp_path)


def test_folds_of_a_column_are_called_by_its_values(folds, tmp_path):
    named = [replace(fold, value=value) for fold, value in zip(folds, ("even", "odd"), strict=True)]
    answer, frame = judged(named, tmp_path)
    assert frame["fold"].value_counts().to_dict() == {"even": 300, "odd": 200}
    assert [row[0] for _, row in table(answer.folds)] == ["fold even", "fold odd"]
    assert [page for page, _ in table(answer.folds)] == ["fold-1/report.html", "fold-2/report.html"]


def test_finalists_that_folds_dropped_are_named_once_with_their_fold(folds, tmp_path):
    dropping = []
    for fold in folds:
        pmf = fold.answer.architectures["pmf"].model_copy(update={"dropped": ["pmf-007"]})
        dropping.append(changed(fold, architectures={**fold.answer.architectures, "pmf": pmf}))
    answer, _ = judged(dropping, tmp_path)
    assert [found.dropped for found in answer.architectures.values() if found.dropped] == [
        ["pmf-007 of fold 1", "pmf-007 of fold 2"]
    ]


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


def test_a_row_counts_by_as_many_seeds_as_its_folds_choice_has(pooled):
    answer, frame = pooled
    found, errors = answer.architectures[EACH_WINNER], squared(frame, EACH_WINNER)
    expected = np.where(frame["fold"] == 1, squared(frame, "svdpp"), squared(frame, "pmf"))
    assert errors.tolist() == expected.tolist()
    assert found.gain == pytest.approx((squared(frame, "baseline") - errors).mean())


def test_without_a_baseline_in_each_fold_there_is_no_verdict_but_the_gain_over_the_simple_one(folds, tmp_path):
    less = folds[1].frame.drop(columns=["baseline", "baseline.seed2"])
    of_none = folds[1].answer.baseline.model_copy(update={"test": None, "published": 0.8})
    answer, frame = judged([folds[0], changed(folds[1], less, baseline=of_none)], tmp_path)
    found, over = answer.architectures["svdpp"], squared(frame, EACH_SIMPLE) - squared(frame, "svdpp")
    assert (found.verdict, found.gain, found.gain_over_simple) == (None, None, pytest.approx(over.mean()))


def test_by_a_decoder_that_a_scalar_head_lacks_its_single_value_counts(folds, tmp_path):
    classes = {"svdpp": ArchitectureResult(test={**METRICS, "median_mse": 0.3, "mean_mse": 0.2})}
    scalar = {"pmf": ArchitectureResult(test={**METRICS, "median_mse": None, "mean_mse": 0.8})}
    answer, _ = judged([changed(folds[0], architectures=classes), changed(folds[1], architectures=scalar)], tmp_path)
    found = answer.architectures[EACH_WINNER].test
    assert (found["median_mse"], found["mean_mse"]) == (pytest.approx(0.5), pytest.approx(0.44))


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


def test_lists_gain_over_those_of_the_best_simple_predictor_where_that_is_the_baseline(folds, tmp_path):
    judged_by = {"bias": 0.2, "pmf": 0.3, "svdpp": 0.5, MOST_RATED: 0.1}
    simple = BaselineResult(name="bias", kind="simple", test=metrics(1.0))
    listed = []
    for fold in folds:
        by_name = {name: Ranked(ndcg=np.full(20, worth), recall=np.ones(20)) for name, worth in judged_by.items()}
        people = np.array([f"u{n}" for n in range(20)], dtype=object)
        found = Rankings(by_name=by_name, people=people, of_users=20, items=9, liked=4.0)
        write_rankings(fold.folder, found)
        best = fold.answer.simple.model_copy(update={"best": "bias"})
        listed.append(changed(fold, baseline=simple, simple=best, ranking=described(found, against="bias")))
    answer, _ = judged(listed, tmp_path)
    assert answer.ranking.by_name["svdpp"].ndcg.gain == pytest.approx(0.3)


def test_a_fold_without_a_winner_cannot_be_judged(folds):
    none = folds[0].answer.model_copy(update={"winner": None})
    assert read_fold(folds[0].folder, none) is None


def test_rows_with_weights_count_by_them_and_so_do_their_folds(folds, tmp_path):
    draw = np.random.default_rng(2)
    weighted = [
        changed(fold, fold.frame.assign(weight=number * draw.integers(1, 4, len(fold.frame))), weight_column="often")
        for number, fold in enumerate(folds, 1)
    ]
    answer, frame = judged(weighted, tmp_path)
    users, found = frame["user"].to_numpy(), answer.architectures["svdpp"]
    expected = compare(squared(frame, "baseline"), squared(frame, "svdpp"), users, frame["weight"].to_numpy(float))
    assert (found.gain, found.ci95) == (pytest.approx(expected.gain), pytest.approx(expected.ci95))
    each = [fold.answer.architectures["svdpp"].test["argmax_mse"] for fold in folds]
    sizes = [fold.frame["weight"].sum() for fold in weighted]
    assert found.test["argmax_mse"] == pytest.approx(np.average(each, weights=sizes))
    assert answer.weight_column == "often"


def test_intervals_are_of_all_rows_where_each_fold_has_them(folds, tmp_path):
    def scores(within):
        return IntervalScores(within80=within, width80=2.0, within95=0.95, width95=3.0)

    each = [{"pmf": scores(0.8), "svdpp": scores(0.7)}, {"pmf": scores(0.9)}]
    given = [changed(fold, intervals=found) for fold, found in zip(folds, each, strict=True)]
    found = judged(given, tmp_path)[0].intervals
    assert list(found) == ["pmf", EACH_WINNER]
    assert found["pmf"].within80 == pytest.approx((300 * 0.8 + 200 * 0.9) / 500)
    assert found[EACH_WINNER].within80 == pytest.approx((300 * 0.7 + 200 * 0.9) / 500), "svdpp, then pmf"


def test_predictions_that_cannot_be_written_whole_leave_the_earlier_ones(folds, tmp_path, monkeypatch):
    _, before = judged(folds, tmp_path)

    def full(frame, path, **options):
        path.write_bytes(b"PAR1")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", full)
    folder = RunFolder(tmp_path / "whole")
    with pytest.raises(OSError, match="No space left"):
        judge_folds(folds, folder)
    pd.testing.assert_frame_equal(pd.read_parquet(folder.predictions), before)
