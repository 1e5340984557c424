"""What `verdict.json` says beside the answer, of fits that no Ray is needed for."""

import json

import numpy as np
import pytest

from reeltune.cluster.data_parallel.orders import FitOrder, Fitted
from reeltune.cluster.judging import scores as judged
from reeltune.cluster.judging.details import details
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data.prepared import DataOptions, prepare
from reeltune.trainables.fitting.fit import Fit
from reeltune.trainables.fitting.loop import run
from reeltune.trainables.scoring.metric_table import Objective
from tests.worlds import small_config

MEAN = Objective(decoder="mean")
SEEDS = (1, 2, 3)


@pytest.fixture(scope="module")
def prepared():
    return prepare(DataOptions(data="synthetic:users=60,items=40,ratings=1500,noise=0.3", split="user", split_seed=1))


def scored(name, seed, prepared, objective=MEAN):
    """A fit's score on the test rows."""
    config = small_config(name)
    fit = Fit(ARCHITECTURES[name], config, prepared.shape, prepared.split.fitting, seed=seed)
    list(run(fit))
    fitted = Fitted(
        key=name,
        weights=fit.model.served().state_dict(),
        seconds=0.0,
        epochs=fit.epoch,
        train_loss=0.0,
        metrics=None,
        temperature=1.0,
    )
    order = FitOrder(key=name, architecture=name, config=config.model_dump(), seed=seed, rows="fitting")
    return judged.score(order, fitted, prepared.split.test._rows, prepared.shape, objective=objective, temperature=1.5)


@pytest.fixture(scope="module")
def scores(prepared):
    return {name: [scored(name, seed, prepared) for seed in SEEDS] for name in ("pmf", "classifier")}


@pytest.fixture(scope="module")
def found(scores, prepared):
    return details(scores, prepared.split.test._rows, prepared, objective=MEAN, look=1).as_json()


@pytest.fixture(scope="module")
def by_rps(prepared):
    """Scores, and what is said of them, where probabilities are judged."""
    rps = Objective(metric="rps")
    scores = {name: [scored(name, 1, prepared, rps)] for name in ("pmf", "classifier")}
    return scores, details(scores, prepared.split.test._rows, prepared, objective=rps, look=1)


def test_where_probabilities_are_judged_scalar_heads_have_them_too_and_slices_add_up_to_their_score(by_rps):
    scores, found = by_rps
    assert list(found.probabilities) == ["pmf", "classifier"]
    for name, (score,) in scores.items():
        rps = score.metrics.rps
        assert found.probabilities[name].rps == pytest.approx(rps) == pytest.approx(score.errors.mean())
        for groups in found.slices[name].values():
            counts = [group.count for group in groups if group.count]
            errors = [group.judged for group in groups if group.count]
            assert np.average(errors, weights=counts) == pytest.approx(rps)
            squared = np.average([group.mse for group in groups if group.count], weights=counts)
            assert squared == pytest.approx(score.metrics.of("argmax"))


def test_it_is_json_without_nan(found):
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_data_and_split_are_told(found, prepared):
    assert found["data"] == prepared.summary()
    assert found["split"] == {"kind": "user", "seed": 1}


def test_decoders_are_side_by_side_as_the_metrics_have_them_over_seeds(found, scores):
    for name, decoders in found["decoders"].items():
        metrics = judged.mean_metrics(scores[name])
        assert {f"{decoder}_mse" for decoder in decoders} == {
            key for key, value in metrics.items() if key.endswith("_mse") and value is not None
        }
        for decoder, errors in decoders.items():
            assert errors["mse"] == pytest.approx(metrics[f"{decoder}_mse"])
        assert decoders["mean"]["mae"] == pytest.approx(metrics["mae"])


def test_probabilities_are_those_of_class_heads_and_of_the_first_seed(found, scores):
    assert list(found["probabilities"]) == ["classifier"]
    judged_ones = found["probabilities"]["classifier"]
    assert judged_ones["log_loss"] == pytest.approx(scores["classifier"][0].metrics.log_loss)
    assert judged_ones["temperature"] == 1.5
    assert set(judged_ones) == {"log_loss", "rps", "ece", "temperature", "reliability"}
    assert set(judged_ones["reliability"][0]) == {"low", "high", "count", "confidence", "frequency"}


def test_slices_have_the_same_rows_for_all_and_add_up_to_the_error_of_the_chosen_decoder(found, scores):
    kinds = {"rating", "user_activity", "item_popularity", "cold"}
    counts = {}
    for name, slices in found["slices"].items():
        assert set(slices) == kinds
        error = judged.mean_metrics(scores[name])["mean_mse"]
        for kind, groups in slices.items():
            each = [(group["count"], group["mse"]) for group in groups if group["count"]]
            assert np.average([mse for _, mse in each], weights=[n for n, _ in each]) == pytest.approx(error)
            labels = [(group["label"], group["count"]) for group in groups]
            assert counts.setdefault(kind, labels) == labels
