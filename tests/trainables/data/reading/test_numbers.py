"""Text as numbers: what pandas makes of it, whichever way is taken."""

import numpy as np
import pandas as pd
import pytest

from reeltune.trainables.data.reading import numbers
from reeltune.trainables.data.reading.numbers import to_numbers

COLUMNS = {
    "stars": ["4", "3.5", "5"] * 9,
    "whole": ["4", "3", "5"] * 9,
    "odd": ["4", " 3 ", "+5", "1e2", "nan", "inf", "4/5", "", "1_000", "0x1F", None, "٣"] * 3,
    "seconds": [str(1_500_000_000 + 7 * number) for number in range(30)],
    "zeros at the front": [f"{number:03}" for number in range(30)],
    "more than fits": [str(10**25 + number) for number in range(30)],
    "signs": [str(number - 10) for number in range(30)],
    "fractions": [f"{number / 7:.17g}" for number in range(30)],
    "a gap": [*map(str, range(30)), None],
    "no digits": [f"n{number}" for number in range(30)],
}


@pytest.mark.parametrize("name", COLUMNS)
def test_text_is_read_as_pandas_reads_it(name):
    values = pd.Series(COLUMNS[name], dtype="str", index=range(5, 5 + len(COLUMNS[name])))
    expected = pd.to_numeric(values, errors="coerce")
    pd.testing.assert_series_equal(to_numbers(values).astype(float), expected.astype(float), check_exact=True)
    assert np.issubdtype(to_numbers(values).dtype, np.integer) == np.issubdtype(expected.dtype, np.integer)


def test_a_column_of_few_values_that_begins_with_many_is_read_alike(monkeypatch):
    monkeypatch.setattr(numbers, "LOOKED_AT", 4)
    values = pd.Series(["1", "2", "3", "4", "4.5", "4.5", "x"], dtype="str")
    assert to_numbers(values).tolist()[:6] == [1, 2, 3, 4, 4.5, 4.5]
    assert np.isnan(to_numbers(values)[6])


def test_numbers_stay_as_they_are():
    assert to_numbers(pd.Series([1, 2])).tolist() == [1, 2]
