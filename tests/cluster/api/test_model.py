"""A model at work: single ids, columns of them, and what its vectors say."""

from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import reeltune as rt
from reeltune.trainables import bundle
from reeltune.trainables.data import Ids
from reeltune.trainables.fitting.fit import Fit
from reeltune.trainables.scoring import metrics
from tests.models import MODELS
from tests.worlds import shape_of, small_config, two_tastes


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The bundles of a pmf and of damped means of two tastes."""
    folder, data = tmp_path_factory.mktemp("models"), two_tastes()
    for name in ("pmf", "bias"):
        fit = Fit(MODELS[name], small_config(name, epochs=15, batch_size=32), shape_of(data), data.rows, seed=1)
        while fit.step < fit.steps:
            fit.advance()
        settings = {"decoder": "argmax", "temperature": 1.0, "seed": 1, "data": data.name, "metrics": {}}
        description = bundle.describe(name, fit.config, shape_of(data).scale, **settings)
        weights = fit.model.served().state_dict()
        bundle.save(folder / name, description, weights, data.users, data.items, fitted=data.rows)
    return folder


@pytest.fixture
def model(written):
    return rt.load(written / "pmf")


def test_two_single_ids_have_one_rating_and_one_goes_with_many(model):
    every = model.predict(["u1", "u1", "u30"], ["i1", "i30", "i30"])
    assert model.predict("u1", "i1") == pytest.approx(float(every[0]))
    assert isinstance(model.predict("u1", "i1"), float)
    assert np.array_equal(model.predict("u1", ["i1", "i30"]), every[:2])
    assert np.array_equal(model.predict(pd.Series(["u1", "u30"], index=[7, 3]), "i30"), every[1:])


def test_an_id_from_a_row_of_a_table_may_be_a_float(written):
    model, data = rt.load(written / "pmf"), pd.DataFrame({"user": [1], "item": [2], "rating": [3.5]})
    model.users = Ids(model.users.text.str.removeprefix("u"))
    row = data.iloc[0]  # of one type: 1.0 and 2.0
    assert model.predict(row["user"], "i1") == model.predict(1, "i1") == model.predict("1", "i1")
    assert np.isnan(model.predict(np.nan, "i1"))


def test_a_frame_takes_its_ratings_as_a_column_whatever_its_index(model):
    frame = pd.DataFrame({"user": ["u30", "u1", None], "item": ["i1", "i30", "i1"], "x": [7, 8, 9]}, index=[5, 2, 9])
    rated = frame.assign(prediction=partial(model.predict, missing_ids="drop"))
    assert rated.drop(columns="prediction").equals(frame)
    expected = [*model.predict(["u30", "u1"], ["i1", "i30"]), np.nan]
    np.testing.assert_allclose(rated["prediction"], expected, atol=1e-5)
    assert frame[:2].assign(prediction=model.predict)["prediction"].equals(rated["prediction"][:2])


def test_pairs_without_an_id_are_not_rated_and_unknown_ones_are_counted(model, capsys):
    found = model.predict(["u1", None, "nobody"], ["i1", "i1", "i1"])
    assert np.isnan(found).tolist() == [False, True, False]
    assert capsys.readouterr().err.splitlines() == [
        "1 rows have a user and 0 an item that the model knows no rating of, 0 both",
        "pairs without a user or an item, whose rating is NaN: 1",
    ]
    assert np.isnan(model.predict("u1", [None, "i1"])).tolist() == [True, False]


@pytest.mark.parametrize(
    "column",
    [
        pd.Series,
        lambda ids: pd.Series(ids, dtype="category"),
        lambda ids: pd.Series(ids).unique(),
        lambda ids: np.array(ids, dtype=object),
        pd.Index,
        pa.array,
        lambda ids: pa.chunked_array([ids]),
    ],
    ids=["a Series", "categories", "an extension array", "an array", "an Index", "pyarrow's", "in chunks"],
)
def test_lists_are_made_for_a_column_of_users_as_for_a_list_of_them(model, column):
    expected = model.recommend(["u30", "u1"], n=2, seen="none")
    assert model.recommend(column(["u30", "u1", "u30"]), n=2, seen="none").equals(expected)


def test_a_user_without_an_id_is_refused_or_left_out(model, capsys):
    users = pd.Series(["u1", None, "u30"])
    with pytest.raises(rt.InputError, match=r"^users: the id at place 2 is missing; missing_ids='drop' leaves such"):
        model.recommend(users, seen="none")
    found = model.recommend(users, n=1, seen="none", missing_ids="drop")
    assert found["user"].tolist() == ["u1", "u30"]
    assert "users without an id, who are left out: 1\n" in capsys.readouterr().err


def test_users_that_are_whole_numbers_may_have_gaps_between_them(written):
    model = rt.load(written / "pmf")
    model.users = Ids(model.users.text.str.removeprefix("u"))
    found = model.recommend(pd.Series([1, None, 30]), n=1, seen="none", missing_ids="drop")  # 1.0 and 30.0
    assert found["user"].tolist() == ["1", "30"]


def test_many_pairs_are_rated_as_few_are(model, monkeypatch):
    users, items = ["u1", "u2", "u3", "u30", "u31"], ["i1", "i2", "i30", "i3", "i39"]
    whole = model.predict(users, items)
    monkeypatch.setattr(metrics, "CHUNK", 2)
    np.testing.assert_allclose(model.predict(users, items), whole, atol=1e-6)
    assert model.predict([], []).shape == (0,)


def test_similar_items_are_those_that_the_same_users_like(model):
    found = model.similar_items("i30", n=12)
    assert found["rank"].tolist() == list(range(1, 13))
    assert all(int(item[1:]) >= 20 for item in found["item"])
    assert found["similarity"].is_monotonic_decreasing
    assert "i30" not in set(found["item"])


def test_item_vectors_have_a_row_for_each_item(model):
    vectors = model.item_vectors()
    assert sorted(vectors.index) == sorted(f"i{number}" for number in range(40))
    assert vectors.loc["i3"].to_numpy() == pytest.approx(model.model.items.weight.detach()[4].numpy())


def test_what_cannot_be_asked_is_one_line(model, written):
    with pytest.raises(rt.InputError, match=r"^item 'no such film': the model knows no rating of it$"):
        model.similar_items("no such film")
    with pytest.raises(rt.InputError, match=r"^bias: has no item vectors"):
        rt.load(written / "bias").similar_items("i3")
    with pytest.raises(rt.InputError, match=r"^n 0: expected 1 or more$"):
        model.similar_items("i3", n=0)
    with pytest.raises(rt.InputError, match=r"^n '5': expected a whole number, 1 or more$"):
        model.recommend(n="5", seen="none")
    for pairs in (pd.DataFrame({"user": ["u1"], "item": ["i1"]}),), ("u1", "i1"):
        with pytest.raises(rt.InputError, match=r"^decoder 'mode': expected argmax, mean, median, rounded or grid"):
            model.predict(*pairs, decoder="mode")


def test_columns_of_ids_that_make_no_pairs_are_an_input_error(model):
    with pytest.raises(rt.InputError, match=r"^3 users and 2 items make no pairs: give as many of both, or one id of"):
        model.predict(["u1", "u2", "u3"], ["i1", "i2"])


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([1, 2, 3], r"^times: expected one for each of 2 pairs, or a single one; found 3$"),
        ([[1, 2]], r"^times: expected one for each of 2 pairs, or a single one; found a table of shape \(1, 2\)$"),
        ([1.0, np.nan], r"^times: expected a number, seconds since 1970, for each pair; 1 have none$"),
        ([1, None], r"^times: expected numbers, seconds since 1970; found a column of object$"),
        (pd.to_datetime(["2020-01-01", "2020-01-02"]), r"^times: expected numbers, .*; found a column of datetime64"),
    ],
)
def test_times_that_are_no_seconds_of_each_pair_are_an_input_error(model, times, message):
    with pytest.raises(rt.InputError, match=message):
        model.predict(["u1", "u2"], ["i1", "i2"], times)
    assert len(model.predict(["u1", None], "i1", 1_700_000_000)) == 2


@pytest.mark.parametrize(
    ("frame", "hint"),
    [
        ({"user": ["nobody"], "item": ["i1"]}, r"\(unknown_ids='allow', if all of them are new\)$"),
        ({"user": ["u1", None], "item": ["i1", "i2"]}, r"missing_ids='drop' leaves such rows out"),
        ({"who": ["u1"], "item": ["i1"]}, r"\(name it: user='NAME'\)$"),
    ],
)
def test_a_hint_names_the_keyword_and_no_option_of_the_command_line(model, frame, hint):
    with pytest.raises(rt.InputError, match=hint) as caught:
        model.predict(pd.DataFrame(frame))
    assert "--" not in str(caught.value)


def test_lists_and_intervals_are_asked_for_by_keywords_in_hints_too(model):
    with pytest.raises(rt.InputError, match=r"^seen: expected ratings whose pairs are left out"):
        model.recommend(["u1"])
    with pytest.raises(rt.InputError, match=r"^at='2026-11-26': this model takes no time; leave it out$"):
        model.recommend(["u1"], seen="none", at="2026-11-26")
    with pytest.raises(rt.InputError, match=r"^intervals: the bundle of this pmf has none"):
        model.predict(pd.DataFrame({"user": ["u1"], "item": ["i1"]}), intervals=True)
