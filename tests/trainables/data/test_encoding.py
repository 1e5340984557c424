import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reeltune.trainables.data.encoding import BINS, MOST_VALUES, encode


def encoded(values, *, name="x", indices=None):
    """One column's features, as {row: {name of a feature: weight}}, and how the column was read."""
    indices = np.arange(1, len(values) + 1) if indices is None else np.asarray(indices)
    frame = pd.DataFrame({name: pd.Series(values)})
    features, (column,) = encode(frame, indices, rows=int(indices.max()) + 1)
    return rows_of(features), column


def rows_of(features):
    spans = zip(features.offsets[:-1], features.offsets[1:], strict=True)
    return {
        row: {features.names[features.columns[at]]: float(features.weights[at]) for at in range(start, end)}
        for row, (start, end) in enumerate(spans)
    }


def names(values, **options):
    rows, _ = encoded(values, **options)
    return [sorted(row) for row in rows.values()][1:]


def test_a_category_is_a_feature_for_each_value():
    rows, column = encoded(["m", "f", "m", "f"])
    assert rows == {0: {}, 1: {"x=m": 1}, 2: {"x=f": 1}, 3: {"x=m": 1}, 4: {"x=f": 1}}
    assert (column.kind, column.features, column.left_out) == ("category", 2, "")


def test_a_value_of_one_row_has_no_feature():
    assert names(["a", "a", "b", "c", "c"]) == [["x=a"], ["x=a"], [], ["x=c"], ["x=c"]]


def test_bytes_are_text_whatever_they_hold():
    assert names([b"\xff", b"\xff", b"b", b"b"]) == [["x=\ufffd"], ["x=\ufffd"], ["x=b"], ["x=b"]]
    assert names([[b"\xff", b"a"], [b"\xff", b"a"]]) == [["x=a", "x=\ufffd"]] * 2


@pytest.mark.parametrize("missing", ["", " ", "NA", "null", "\\N", "nan", None, np.nan])
def test_a_missing_value_has_no_feature(missing):
    assert names(["a", "a", missing, missing, "b", "b"])[2:4] == [[], []]


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([f"name {number}" for number in range(9)], "9 distinct values in 9 rows"),
        (["85711", "94043", "T8H1N", "85711", *(f"V{number}" for number in range(9))], "12 distinct values in 13 rows"),
        (["a", "a", "a"], "the same value in all rows"),
        ([None, None], "no values"),
        ([["a"], ["b"]], "no two rows have the same value"),
    ],
)
def test_what_says_nothing_is_left_out_with_the_reason(values, why):
    rows, column = encoded(values)
    assert not any(rows.values())
    assert (column.left_out, column.features) == (why, 0)


def test_of_too_many_values_the_most_frequent_have_features():
    values = [f"v{number:04}" for number in range(MOST_VALUES + 1)] * 2 + ["v0000"]
    _, column = encoded([*values, "v1000"])
    assert column.features == MOST_VALUES
    assert column.left_out == "all but the 1,000 most frequent of 1,001 values"
    assert names([*values, "v1000"])[MOST_VALUES] == ["x=v1000"]


@pytest.mark.parametrize(
    "values",
    [
        ["Action|Comedy", "Comedy", "Action", "Action|Comedy"],
        ["Action, Comedy", "Comedy", "Action", "Comedy, Action"],
        ["Action;Comedy", "Comedy", "Action", "Comedy; Action;"],
        ["['Action', 'Comedy']", "['Comedy']", "['Action']", "['Action', 'Comedy']"],
        [["Action", "Comedy"], ["Comedy"], ["Action"], np.array(["Action", "Comedy", "Comedy"])],
    ],
    ids=["bars", "commas", "semicolons", "brackets", "lists"],
)
def test_several_values_of_a_row_weigh_as_much_as_one(values):
    rows, column = encoded(values)
    both = {"x=Action": pytest.approx(0.5**0.5), "x=Comedy": pytest.approx(0.5**0.5)}
    assert rows == {0: {}, 1: both, 2: {"x=Comedy": 1}, 3: {"x=Action": 1}, 4: both}
    assert (column.kind, column.features) == ("list", 2)


def test_sentences_and_decimal_commas_are_no_lists():
    sentences = [f"A man, a plan {number}, and no end {number}" for number in range(5)]
    assert encoded(sentences)[1].left_out == "5 distinct values in 5 rows"
    assert names(["1,5", "1,5", "2,5", "2,5"])[0] == ["x=1,5"]


def test_a_list_in_a_recbole_file_has_spaces_between():
    rows, _ = encoded(["Action Comedy", "Comedy", "Action", "Action"], name="class:token_seq")
    assert sorted(rows[1]) == ["class=Action", "class=Comedy"]


def test_many_numbers_are_ranges_of_as_many_rows():
    rows, column = encoded([str(number) for number in range(100)], name="age")
    assert (column.kind, column.features) == ("number", BINS)
    assert rows[1] == {"age=0-9": 1}
    assert rows[100] == {"age=90-99": 1}


@pytest.mark.parametrize("count", [4, 12, 20, 21, 1000])
@pytest.mark.parametrize("step", [7, 0.37])
def test_numbers_that_are_all_distinct_are_ranges(count, step):
    rows, column = encoded(np.random.default_rng(0).permutation(count) * step, name="price")
    assert (column.kind, column.left_out) == ("number", "")
    assert column.features == min(BINS, count // 2)
    assert all(len(row) == 1 for place, row in rows.items() if place)
    sizes = np.unique([next(iter(row)) for place, row in rows.items() if place], return_counts=True)[1]
    assert sizes.min() >= 2
    assert sizes.max() <= sizes.min() + 1


@pytest.mark.parametrize("ids", [1, 2, 3])
def test_of_too_few_rows_numbers_are_left_out_and_it_is_said(ids):
    _, column = encoded(np.arange(30.0), name="price", indices=np.arange(30) % ids + 1)
    assert column.left_out == f"{ids} rows are too few for ranges of numbers"


@pytest.mark.parametrize("name", ["shop_id", "code", "tmdbId"])
def test_numbers_that_name_their_rows_are_left_out_and_it_is_said(name):
    assert encoded(np.arange(1000, 1100), name=name)[1].left_out == "100 distinct values in 100 rows"


def test_a_range_of_one_number_is_named_by_it():
    values = [1990.0] * 50 + [float(year) for year in range(1991, 2016)] * 2
    assert names(values, name="year")[0] == ["year=1990"]


def test_ranges_of_numbers_alike_in_six_digits_have_different_names():
    features, _ = encode(pd.DataFrame({"x": 1 + np.arange(40) * 1e-9}), np.arange(1, 41), rows=41)
    assert features.names[:2] == ("x=1", "x=1 (1)")
    assert len(set(features.names)) == BINS


def test_few_numbers_are_categories_in_their_order():
    _, column = encoded([10, 9, 10, 9])
    assert (column.kind, column.features) == ("category", 2)
    features, _ = encode(pd.DataFrame({"x": [10, 9, 10, 9]}), np.arange(1, 5), rows=5)
    assert features.names == ("x=9", "x=10")


@pytest.mark.parametrize("name", ["zip_code", "genreId", "shop_id", "PostCode"])
def test_numbers_that_are_codes_are_no_ranges(name):
    assert encoded([str(number % 30) for number in range(90)], name=name)[1].kind == "category"


def test_a_number_is_the_same_in_text_and_in_parquet():
    numbers = [float(number) for number in range(50)] * 2
    frames = [pd.Series(numbers), pd.Series([f"{number:g}" for number in numbers])]
    assert names(frames[0]) == names(frames[1])
    assert names(np.array([0.1, 4.0] * 2, dtype="float32")) == names(["0.1", "4", "0.1", "4"])
    assert names([3.0, 4.0, 3.0, 4.0]) == names(["3", "4", "3", "4"])


def test_numbers_that_are_none_are_missing():
    assert names([*map(str, range(60)), "unknown", "inf"])[-2:] == [[], []]


def test_of_a_date_the_year_counts():
    assert names(["1995-01-01", "1995-12-31", "1996-02-03", "1996-02-03"])[0] == ["x=1995"]
    assert names(pd.to_datetime(["1995-01-01", "1995-12-31", "1996-02-03", "1996-02-03"]))[0] == ["x=1995"]


def test_flags_side_by_side_are_one_column_of_several_values():
    flags = pd.DataFrame(np.eye(6, dtype=int)[[0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5]], columns=list("abcdef"))
    flags.iloc[0] = 1
    features, (column,) = encode(flags, np.arange(1, 13), rows=13)
    assert (column.name, column.kind, column.features) == ("a...f", "list", 6)
    assert sum(rows_of(features)[1].values()) == pytest.approx(6**0.5)


def test_a_single_flag_is_a_category():
    features, _ = encode(pd.DataFrame({"paid": ["0", "1", "0", "1"]}), np.arange(1, 5), rows=5)
    assert features.names == ("paid=0", "paid=1")


def test_of_repeated_ids_the_first_value_counts_and_all_of_several():
    rows, _ = encoded(["a", "b", "a", "b"], indices=[1, 1, 2, 3])
    assert rows == {0: {}, 1: {"x=a": 1}, 2: {"x=a": 1}, 3: {}}
    rows, _ = encoded(["a|b", "b|c", "c|b", "a"], indices=[1, 1, 2, 3])
    assert sorted(rows[1]) == ["x=a", "x=b", "x=c"]


def test_a_missing_first_value_gives_way_to_the_next():
    assert encoded([None, "a", "a", "b", "b"], indices=[1, 1, 2, 3, 4])[0][1] == {"x=a": 1}


words = st.sampled_from(["a", "b", "c", "d=e", "", "NA", "Ünï", "NAN", "-0", "a|b", "b|c|a", "x, y"])
columns = st.fixed_dictionaries(
    {
        "word": st.lists(words, min_size=30, max_size=30),
        "list": st.lists(st.lists(st.sampled_from("abcdef"), max_size=4), min_size=30, max_size=30),
        "number": st.lists(st.floats(width=32) | st.integers(-9, 9).map(float), min_size=30, max_size=30),
    }
)


@settings(max_examples=50)
@given(columns, st.randoms())
def test_any_table_is_finite_of_unit_norm_and_the_same_in_any_order(table, random):
    frame, indices = pd.DataFrame(table), np.arange(1, 31)
    features, read = encode(frame, indices, rows=33)
    assert np.isfinite(features.weights).all()
    assert (features.weights > 0).all()
    rows = rows_of(features)
    assert rows[0] == rows[31] == rows[32] == {}
    for row in rows.values():
        for column in table:
            norm = sum(weight**2 for name, weight in row.items() if name.startswith(f"{column}="))
            assert norm == pytest.approx(1) or norm == 0
    assert len(features.names) == len(set(features.names)) == sum(column.features for column in read)
    order = random.sample(range(30), 30)
    again, _ = encode(frame.iloc[order].reset_index(drop=True), indices[order], rows=33)
    assert again.fingerprint() == features.fingerprint()
