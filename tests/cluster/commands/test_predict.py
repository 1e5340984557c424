"""`reeltune predict` with models that take a pair's time."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reeltune import load
from reeltune.cluster.commands.predict import predict_file
from reeltune.cluster.commands.recommend import RecommendOptions, recommend
from reeltune.trainables import bundle
from reeltune.trainables.architectures import ENSEMBLE, ensemble
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data import Columns, load_data
from reeltune.trainables.errors import InputError
from reeltune.trainables.fitting.fit import Fit
from reeltune.trainables.fitting.loop import run
from tests.worlds import shape_of, small_config

MODEL, RATED = Path("model"), Path("out.csv")


@pytest.fixture
def timed():
    """The bundle of an ensemble with a member that takes the time, below the current folder."""
    data, members = load_data("synthetic:users=40,items=30,ratings=600"), {}
    fits = {}
    for name, settings in {"bias": {}, "svdpp": {"time": "day"}}.items():
        fit = Fit(ARCHITECTURES[name], small_config(name, **settings), shape_of(data), data.rows, seed=1)
        list(run(fit))
        fits[name] = [fit.model.served().state_dict()]
        members[name] = {"weight": 0.5, "config": fit.config.model_dump(), "temperature": 1.0}
    description = bundle.describe(
        ENSEMBLE,
        ensemble.Config.model_validate({"members": members}),
        shape_of(data).scale,
        decoder="argmax",
        temperature=1.0,
        seed=1,
        data=data.name,
        metrics={},
    )
    bundle.save(MODEL, description, ensemble.packed(fits), data.users, data.items, fitted=data.rows)
    rows = data.rows.take(np.arange(20))
    users, items = data.users.text[rows.users - 1], data.items.text[rows.items - 1]
    return pd.DataFrame({"user": users, "item": items, "when": rows.timestamps})


def test_pairs_are_rated_at_their_times(timed):
    timed.to_csv("pairs.csv", index=False)
    predict_file(MODEL, "pairs.csv", RATED, columns=Columns(timestamp="when"))
    rated = pd.read_csv(RATED)["prediction"]
    expected = load(MODEL).predict(timed["user"], timed["item"], timed["when"].to_numpy())
    np.testing.assert_allclose(rated, expected, atol=1e-5)
    another_day = load(MODEL).predict(timed["user"], timed["item"], timed["when"].to_numpy() - 10**8)
    assert not np.allclose(rated, another_day, atol=1e-5)


def test_predictions_have_as_many_digits_as_their_scale_needs():
    data = load_data("synthetic:users=40,items=30,ratings=600")
    data = replace(data, rows=replace(data.rows, ratings=data.rows.ratings * 1e-6))
    fit = Fit(ARCHITECTURES["bias"], small_config("bias"), shape_of(data), data.rows, seed=1)
    list(run(fit))
    settings = {"decoder": "argmax", "temperature": 1.0, "seed": 1, "data": data.name, "metrics": {}}
    description = bundle.describe("bias", fit.config, shape_of(data).scale, **settings)
    weights = fit.model.served().state_dict()
    bundle.save(MODEL, description, weights, data.users, data.items, fitted=data.rows)
    pd.DataFrame({"user": data.users.text[:20], "item": data.items.text[:20]}).to_csv("pairs.csv", index=False)
    predict_file(MODEL, "pairs.csv", RATED, columns=Columns())
    expected = load(MODEL).predict(data.users.text[:20], data.items.text[:20])
    np.testing.assert_allclose(pd.read_csv(RATED)["prediction"], expected, atol=1e-11)
    seen = RecommendOptions(users=None, seen="none", top=3, at=None, columns=Columns())
    assert recommend(MODEL, seen).frame["rating"].between(3e-6, 5e-6).all()


def test_pairs_without_times_are_refused_in_one_line(timed):
    timed.to_csv("pairs.csv", index=False)
    with pytest.raises(InputError, match=r"^pairs.csv: no column of times, which this model needs; found user, item, "):
        predict_file(MODEL, "pairs.csv", RATED, columns=Columns())
    assert not RATED.exists()
