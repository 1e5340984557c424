import pandas as pd
import pytest

from reeltune.trainables.data.reading.tables import Table
from reeltune.trainables.data.values import read_values
from reeltune.trainables.errors import InputError


def read(values):
    frame = pd.DataFrame({"rating": values})
    table = Table(source="r.csv", frame=frame, locate=lambda row: f"r.csv:{row + 2}")
    ratings, notes = read_values(table, "rating", frame["rating"])
    return ratings.tolist(), notes


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["4/5", "3.5 / 5"], [4, 3.5]),
        (["4.0 out of 5 stars", "2 out of 5"], [4, 2]),
        (["80%", "40 %"], [80, 40]),
        (["5 stars", "1 star"], [5, 1]),
        (["5★", "4"], [5, 4]),
        (["★★★★½", "★★☆☆☆"], [4.5, 2]),
        (["4,0", "3,5", "2"], [4, 3.5, 2]),
    ],
)
def test_a_column_in_one_form_is_read_and_that_is_said(values, expected):
    ratings, (note,) = read(values)
    assert ratings == expected
    assert note == f"ratings such as {values[0]!r} in column 'rating' are read as {expected[0]:g}"


def test_numbers_with_spaces_around_need_no_word():
    assert read([" 4 ", "3"]) == ([4, 3], ())


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["4/5", "8/10"], "r.csv:3: the rating in column 'rating' is out of 10, and others are out of 5: bring all"),
        (["4/5", "3/5", "4"], "r.csv:4: .* found '4', and others are such as '4/5': write all in one way"),
        (["80%", "70%", "4"], "r.csv:4: .* found '4', and others are such as '80%'"),
        (["1,000", "2,000"], "r.csv:2: the rating in column 'rating' may be a thousand or have a decimal comma"),
        (["900", "1,250", "2,100"], "r.csv:3: .* may be a thousand or have a decimal comma: '1,250'"),
        (["4", "NULL"], "r.csv:3: .* found 'NULL'; --not-rated NULL leaves such rows out"),
        (["4", "six"], "r.csv:3: .* must be a finite number; found 'six'$"),
        (["4", "inf"], "r.csv:3: .* found 'inf'"),
    ],
)
def test_what_is_not_clear_for_the_whole_column_is_refused_with_its_line(values, said):
    with pytest.raises(InputError, match=said):
        read(values)


def test_a_single_decimal_comma_among_other_numbers_is_refused():
    with pytest.raises(InputError, match=r"r.csv:4: .* found '3,5'; write it with a decimal point"):
        read(["4", "2.5", "3,5"])
