import numpy as np
import pandas as pd
import pytest

from reeltune.trainables.data import Columns, Fold, load_data, split
from reeltune.trainables.errors import InputError

PARTS = Columns(fold="part")


def table(parts, **columns):
    """A row for each fold: another user and another item each."""
    count = len(parts)
    ids = [f"id {place}" for place in range(count)]
    return pd.DataFrame({"user": ids, "item": ids, "rating": np.arange(count) % 5 + 1.0, "part": parts} | columns)


def refused(data, columns=PARTS, **options):
    with pytest.raises(InputError) as caught:
        load_data(data, columns=columns, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("parts", "values", "of_rows"),
    [
        (["b", "a", " b"], ("a", "b"), [2, 1, 2]),
        ([10, 9, 10], ("9", "10"), [2, 1, 2]),
        (["10", "9", "010"], ("9", "010", "10"), [3, 1, 2]),
        ([2.0, 1.0, 0.5], ("0.5", "1", "2"), [3, 2, 1]),
        ([True, False, True], ("False", "True"), [2, 1, 2]),
        (pd.Categorical(["x", "y", "x"], categories=["z", "y", "x"]), ("x", "y"), [1, 2, 1]),
    ],
)
def test_folds_are_in_the_order_of_their_values(parts, values, of_rows):
    found = load_data(table(parts), columns=PARTS).folds
    assert (found.values, found.of_rows.tolist()) == (values, of_rows)


def test_a_column_is_of_folds_only_if_it_is_asked_for():
    named = table([1, 2, 1]).rename(columns={"part": "fold"})
    assert load_data(named).folds is None


def test_rows_that_are_left_out_are_of_no_fold():
    data = table(["a", "b", "a", None], rating=[1.0, 2.0, 3.0, 0.0])
    assert load_data(data, columns=PARTS, not_rated=(0,)).folds.of_rows.tolist() == [1, 2, 1]


def test_a_fold_whose_rows_all_count_0_times_is_none():
    data = table(["a", "b", "c", "a"]).assign(often=[1, 0, 1, 1])
    found = load_data(data, columns=Columns(fold="part", weight="often")).folds
    assert (found.values, found.of_rows.tolist()) == (("a", "c"), [1, 2, 1])


def test_of_a_repeated_pair_within_a_fold_the_latest_is_kept():
    data = pd.concat([table(["a", "b", "a"]), table(["a"], rating=[5.0])], ignore_index=True)
    found = load_data(data, columns=PARTS)
    assert found.folds.of_rows.tolist() == [2, 1, 1]
    assert found.rows.ratings.tolist() == [2.0, 3.0, 5.0]


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        (["a", None, "b"], "DataFrame: row 2: the fold in column 'part' is missing; with --split folds:part each row"),
        (["a", "b", "NA"], "DataFrame: row 3: the fold in column 'part' is missing"),
        ([1.0, np.nan, 2.0], "DataFrame: row 2: the fold in column 'part' is missing"),
        (["a", "a", "a"], "DataFrame: column 'part' is 'a' in every row; --split folds:part needs at least 2 folds"),
        (range(21), "DataFrame: column 'part' has 21 different values; --split folds:part makes a search of each, and"),
    ],
)
def test_folds_that_cannot_be_are_refused(parts, sentence):
    assert sentence in refused(table(parts))


def test_a_pair_in_two_folds_is_refused():
    data = pd.concat([table(["a", "b"]), table(["b"])], ignore_index=True)
    assert "user 'id 0' with item 'id 0' is in the folds 'a' and 'b'" in refused(data)


@pytest.mark.parametrize(
    ("data", "options", "sentence"),
    [
        (
            table([1, 2]),
            {"columns": Columns(fold="week")},
            "DataFrame: no column 'week' (--split folds:week); found user",
        ),
        (table([1, 2]), {"columns": Columns(fold="user")}, "column 'user' cannot be user and fold at once"),
        ("synthetic", {}, "--split folds:part: does not apply to synthetic, which has no column of folds"),
        (table([1, 2]), {"matrix": True}, "--split folds:part: a matrix has columns of items alone; use --folds K"),
    ],
)
def test_data_without_such_a_column_is_refused(data, options, sentence):
    assert sentence in refused(data, **options)


def test_another_fold_of_a_row_is_other_data():
    first, second = (load_data(table(parts), columns=PARTS).fingerprint() for parts in ([1, 2, 1], [1, 2, 2]))
    assert first != second


def test_the_test_rows_are_the_folds_and_the_rest_is_split_at_random(tmp_path):
    ratings = load_data(table(np.arange(90) % 3), columns=PARTS)
    drawn = []
    for number in (1, 2, 3):
        tested = Fold(number=number, of=3, value=str(number - 1))
        found = split(ratings.rows, seed=7, tested=tested, given=ratings.folds.of_rows)
        test, _ = found.test.open(tmp_path / "looks", reason="test")
        assert sorted(test.number) == list(range(number - 1, 90, 3))
        assert (len(found.train), len(found.validation)) == (54, 6)
        assert set(found.fitting.number).isdisjoint(test.number)
        drawn.append(set(found.validation.number))
    assert drawn[0] != drawn[1]
