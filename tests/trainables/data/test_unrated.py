import numpy as np
import pandas as pd
import pytest

from reeltune.trainables.data import load_data
from reeltune.trainables.data.unrated import is_not_rated, questions

STARS = {1: 6, 2: 11, 3: 27, 4: 34, 5: 21}
TENS = {1: 1, 2: 1, 3: 2, 4: 3, 5: 10, 6: 12, 7: 20, 8: 25, 9: 15, 10: 10}
HALVES = {0.5: 1, 1: 2, 1.5: 2, 2: 4, 2.5: 6, 3: 14, 3.5: 16, 4: 20, 4.5: 13, 5: 23}


def asked(counts, times=10):
    ratings = np.repeat(list(counts), [count * times for count in counts.values()]).astype(float)
    return questions(ratings)


@pytest.mark.parametrize(
    ("counts", "value"),
    [
        ({0: 90, **STARS}, "0 is 48% of the rows"),  # Goodreads
        ({0: 160, **TENS}, "0 is 62% of the rows"),  # Book-Crossing
        ({0: 5, 1: 1, 2: 1, 3: 4, 4: 17, 5: 72}, "0 is 5% of the rows"),  # Food.com
        ({0: 30, **HALVES}, "0 is 23% of the rows"),
        ({-1: 24, **TENS}, "-1 is 20% of the rows and lies apart from the others (1 to 10)"),  # MyAnimeList
        ({-1: 24, 0: 2, **STARS}, "-1 is 19% of the rows and lies apart from the others (0 to 5)"),
        ({99: 40, **STARS}, "99 is 29% of the rows and lies apart from the others (1 to 5)"),
        ({9: 10, **STARS}, "9 is 9% of the rows and lies apart from the others (1 to 5)"),
    ],
)
def test_values_that_look_like_not_rated_are_asked_about(counts, value):
    number = value.split()[0]
    expected = f"WARNING: {value}: is it 'not rated'? --not-rated {number} leaves them out"
    assert asked(counts) == (expected,)


def test_two_such_values_are_two_questions():
    assert [line.split()[1] for line in asked({-1: 10, 0: 90, **STARS})] == ["-1", "0"]


def test_ninety_nine_among_fine_steps_is_asked_about():
    fine = np.linspace(-10, 10, 1999).round(2)
    assert [line.split()[1] for line in questions(np.concatenate([fine, np.full(1000, 99.0)]))] == ["99"]


@pytest.mark.parametrize(
    "counts",
    [
        STARS,
        TENS,
        HALVES,
        {1: 27, 2: 21, 3: 25, 4: 18, 5: 9},  # Coat: the lowest is the most frequent
        {1: 20, 2: 4, 3: 6, 4: 10, 5: 60},  # reviews of apps
        {0: 1, 1: 2, 2: 5, **dict.fromkeys(range(3, 11), 9)},  # a scale that begins at 0
        {0: 12, 1: 8, 2: 10, 3: 25, 4: 28, 5: 17},
        {0: 48, 1: 52},
        {-1: 30, 1: 70},
        {0: 40, 1: 30, 2: 30},
        {-2: 10, -1: 10, 0: 40, 1: 20, 2: 20},
        {1: 1, 5: 3, 6: 5, 7: 10, 8: 30, 9: 30, 10: 20},
    ],
)
def test_usual_scales_are_not_asked_about(counts):
    assert asked(counts) == ()


def test_the_largest_of_counts_is_not_asked_about():
    assert questions(np.array([1.0, 2, 3, 5, 8, 13, 21, 352] * 3 + [1.0] * 300)) == ()


def test_few_rows_are_not_asked_about():
    assert questions(np.array([1.0, 2, 3, 5])) == ()
    assert questions(np.array([5.0, 6, 7, 8, 1])) == ()


def test_rows_are_left_out_by_number_and_by_word_and_counted():
    found, notes = is_not_rated(pd.Series(["0", "0.0", "4", "NULL", None, "99"]), ("0", "NULL", "", "7"))
    assert found.tolist() == [True, True, False, True, True, False]
    assert notes == (
        "rows rated 0, which are left out as not rated: 2",
        "rows rated NULL, which are left out as not rated: 1",
        "rows rated nothing, which are left out as not rated: 1",
        "WARNING: no row is rated 7 (--not-rated 7)",
    )


@pytest.mark.parametrize("value", ["-1", -1, -1.0, ("-1",), [-1]])
def test_one_value_that_means_not_rated_need_not_be_in_a_tuple(value):
    frame = pd.DataFrame({"user": [1, 2, 3], "item": [1, 1, 1], "rating": [-1, 1, 5]})
    assert load_data(frame, not_rated=value).rows.ratings.tolist() == [1, 5]
