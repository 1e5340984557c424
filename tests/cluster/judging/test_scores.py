"""Scores of a fit on test rows, chunk by chunk."""

from dataclasses import asdict

import numpy as np
import pytest

from reeltune.cluster.data_parallel.orders import FitOrder, Fitted
from reeltune.cluster.judging.scores import score
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.fitting.fit import Fit
from reeltune.trainables.fitting.loop import run
from reeltune.trainables.scoring import metrics
from reeltune.trainables.scoring.metric_table import Objective
from tests.worlds import small_config, small_parts


@pytest.mark.parametrize("metric", ["mse", "mae", "rps"])
@pytest.mark.parametrize("name", ["svdpp", "svdpp_classifier"])
def test_scores_are_the_same_however_many_rows_are_predicted_at_once(name, metric, monkeypatch):
    _, parts, shape = small_parts()
    fit = Fit(ARCHITECTURES[name], small_config(name, epochs=2), shape, parts.train, seed=1)
    list(run(fit))
    order = FitOrder(key=name, architecture=name, config=fit.config.model_dump(), seed=1)
    weights = fit.model.served().state_dict()
    fitted = Fitted(
        key=name, weights=weights, seconds=1.0, epochs=2, train_loss=1.0, metrics=None, temperature=1.0, notes=[]
    )
    asked = {"objective": Objective(decoder="argmax", metric=metric), "temperature": 1.3}
    whole = score(order, fitted, parts.validation, shape, **asked)
    monkeypatch.setattr(metrics, "CHUNK", 17)
    pieces = score(order, fitted, parts.validation, shape, **asked)
    np.testing.assert_array_equal(pieces.ratings, whole.ratings)
    np.testing.assert_allclose(pieces.averaged, whole.averaged, rtol=1e-6)
    np.testing.assert_allclose(pieces.errors, whole.errors, rtol=1e-5, atol=1e-9)
    assert pieces.errors.mean() == pytest.approx(pieces.metrics.by_name()["argmax_mse" if metric == "mse" else metric])
    assert flat(pieces) == pytest.approx(flat(whole), rel=1e-6)


def flat(scored):
    """All numbers of a fit's scores."""
    numbers = [number for number in scored.metrics.by_name().values() if number is not None]
    numbers += [number for errors in scored.decoders.values() for number in asdict(errors).values()]
    if scored.probabilities is None:
        return numbers
    found = asdict(scored.probabilities)
    bins = found.pop("reliability")
    return [*numbers, *found.values(), *(number for each in bins for number in each.values())]
