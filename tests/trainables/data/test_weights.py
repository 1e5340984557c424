"""A column of weights: what is read as one, what is refused, and what is said."""

import numpy as np
import pandas as pd
import pytest

from reeltune.trainables.data import Columns, load_data, read_more, read_rated
from reeltune.trainables.data.prepared import DataOptions, prepare
from reeltune.trainables.data.readers import Reading
from reeltune.trainables.data.weights import effective_rows
from reeltune.trainables.errors import InputError

WEIGHTED = Columns(weight="often")


def table(weights, **columns):
    """A row for each weight: another user and another item each."""
    ids = [f"id {place}" for place in range(len(weights))]
    return pd.DataFrame({"user": ids, "item": ids, "rating": np.arange(len(ids)) % 5 + 1.0, "often": weights} | columns)


def refused(data, columns=WEIGHTED, **options):
    with pytest.raises(InputError) as caught:
        load_data(data, columns=columns, **options)
    return str(caught.value)


def test_a_column_is_of_weights_only_if_it_is_asked_for():
    named = table([1, 2]).rename(columns={"often": "weight"})
    assert load_data(named).rows.weights is None
    assert load_data(named, columns=Columns(weight="weight")).rows.weights.tolist() == [1.0, 2.0]


def test_text_that_is_numbers_is_read_and_what_was_read_is_said():
    found = load_data(table(["1", "0.5", "2.5"]), columns=WEIGHTED)
    assert found.rows.weights.tolist() == [1.0, 0.5, 2.5]
    assert "weights from column 'often': 0.5 to 2.5, effective rows 2 of 3" in found.notes
    assert found.columns["weight"] == "often"


def test_rows_of_weight_0_are_left_out_as_if_they_were_not_there():
    found = load_data(table([1, 0, 2, 0]), columns=WEIGHTED)
    assert found.rows.number.tolist() == [0, 2]
    assert found.users.text.tolist() == ["id 0", "id 2"]
    assert "rows of weight 0 in column 'often', which are left out: 2" in found.notes


@pytest.mark.parametrize(
    ("weights", "shown"),
    [([1, -1, 1], "-1"), ([1, np.nan, 1], "nothing"), ([1, np.inf, 1], "inf"), (["1", "often", "1"], "'often'")],
)
def test_what_is_no_weight_is_refused_with_its_row(weights, shown):
    said = refused(table(weights))
    assert said == (
        f"DataFrame: row 2: the weight in column 'often' must be a finite number from 0 to 1e+15; found {shown}"
    )


def test_a_weight_of_a_file_is_refused_with_its_line(tmp_path):
    table([1, -2, 1]).to_csv(tmp_path / "r.csv", index=False)
    assert refused(tmp_path / "r.csv").startswith(f"{tmp_path / 'r.csv'}:3: the weight in column 'often' must be")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"columns": Columns(weight="rating")}, "column 'rating' cannot be rating and weight at once"),
        (
            {"columns": Columns(weight="x")},
            "no column 'x' (columns=Columns(weight='x')); found user, item, rating, often",
        ),
        ({"matrix": True}, "--weight-column often: a matrix has columns of items alone"),
    ],
)
def test_what_cannot_be_a_column_of_weights_is_refused(options, sentence):
    assert sentence in refused(table([1, 1]), **options)


def test_weights_that_are_all_0_are_refused():
    assert refused(table([0, 0.0])) == "DataFrame: every weight in column 'often' is 0, so that no row counts"


def test_a_data_set_by_name_has_no_weights(tmp_path):
    assert refused("synthetic").startswith("--weight-column often: does not apply to synthetic")
    later = table([1, 2], user=["u1", "u2"], item=["i1", "i2"])
    later.to_csv(tmp_path / "later.csv", index=False)
    asked = DataOptions(data="synthetic:ratings=600", test=str(tmp_path / "later.csv"), columns=WEIGHTED)
    with pytest.raises(InputError, match="--weight-column often: synthetic:ratings=600 has no column of weights, and"):
        prepare(asked)


def test_weights_of_another_scale_than_counts_are_warned_of():
    found = load_data(table([0.001, 0.002]), columns=WEIGHTED)
    assert any(note.startswith("WARNING: the weights in column 'often' have the mean 0.0015") for note in found.notes)


def test_rows_take_their_weights_along():
    rows = load_data(table([1, 2, 3]), columns=WEIGHTED).rows
    assert rows.take(np.array([2, 0])).weights.tolist() == [3.0, 1.0]
    assert rows.joined(rows).weights.tolist() == [1.0, 2.0, 3.0] * 2
    assert (
        load_data(table([1, 2, 4]), columns=WEIGHTED).fingerprint()
        != load_data(table([1, 2, 3]), columns=WEIGHTED).fingerprint()
    )


def test_of_a_repeated_pair_the_latest_keeps_its_weight():
    found = load_data(pd.concat([table([1, 2]), table([5])], ignore_index=True), columns=WEIGHTED)
    assert found.rows.weights.tolist() == [2.0, 5.0]


def test_a_test_file_has_weights_too_and_ratings_to_fold_in_have_none():
    known = load_data(table([1, 2]), columns=WEIGHTED)
    found = read_more(table([3, 0, 4]), known, Reading(columns=WEIGHTED))
    assert found.rows.weights.tolist() == [3.0, 4.0]
    assert any("weights from column 'often': 3 to 4, effective rows 2 of 2" in note for note in found.notes)
    assert list(read_rated(table([3, 0]), Reading(columns=WEIGHTED))[0]) == ["user", "item", "rating"]


def test_equal_weights_lose_no_rows_and_one_large_one_all_others():
    assert effective_rows(np.full(7, 1e14)) == pytest.approx(7)
    assert effective_rows(np.array([1e15, *np.full(99, 1e-9)])) == pytest.approx(1)
    assert effective_rows(np.array([1.0, 3.0])) == pytest.approx(16 / 10)


def test_rows_of_weight_0_are_left_out_whatever_else_they_lack():
    data = table([2, 0, 1, 0])
    data.loc[1, "rating"] = None
    data.loc[3, "user"] = None
    found = load_data(data, columns=WEIGHTED)
    assert found.rows.ratings.tolist() == [1.0, 3.0]
    assert "rows of weight 0 in column 'often', which are left out: 2" in found.notes
