"""Which ratings are newer than a model, and which of them it is judged on."""

import numpy as np
import pandas as pd
import pytest

from reeltune.trainables.data import Reading
from reeltune.trainables.data.newer import NewerData, held_out, read_newer, refuse_off_scale
from reeltune.trainables.errors import InputError
from tests.worlds import STARS

OLD = [("a", "x", 1, 10), ("a", "y", 2, 20), ("b", "x", 3, 30)]
NEW = [("c", "x", 4, 40), ("a", "x", 5, 50), ("b", "z", 2, 60), ("b", "y", 1, 70)]


def frame(rows, *, timed=True):
    found = pd.DataFrame(rows, columns=["user", "item", "rating", "time"])
    return found if timed else found.drop(columns="time")


def read(data, old=None, *, fitted=None):
    return read_newer(NewerData(data=data, old=old, reading=Reading()), fitted=fitted)


def pairs(newer, chosen):
    rows = newer.ratings.rows.take(np.flatnonzero(chosen))
    users, items = newer.ratings.users.text[rows.users - 1], newer.ratings.items.text[rows.items - 1]
    return set(zip(users, items, rows.ratings.tolist(), strict=True))


@pytest.mark.parametrize(
    "given",
    [
        {"data": frame(NEW), "old": frame(OLD)},
        {"data": frame(OLD + NEW), "old": frame(OLD)},  # both are whole exports
        {"data": frame([*NEW[::-1], *OLD]), "fitted": 3},  # in one file of any order
    ],
)
def test_new_is_what_the_old_ratings_lack_and_of_a_pair_the_latest_counts(given):
    newer = read(**given)
    assert pairs(newer, newer.new) == {("c", "x", 4), ("a", "x", 5), ("b", "z", 2), ("b", "y", 1)}
    assert pairs(newer, ~newer.new) == {("a", "y", 2), ("b", "x", 3)}


def test_the_latest_are_judged_on_but_no_pair_that_was_rated_before():
    newer = read(frame(NEW), frame(OLD))
    assert pairs(newer, held_out(newer, share=0.7, seed=0)) == {("b", "z", 2), ("b", "y", 1)}
    assert ("a", "x", 5) not in pairs(newer, held_out(newer, share=0.999, seed=0))


def test_without_times_as_many_are_drawn_at_random():
    newer = read(frame(NEW, timed=False), frame(OLD, timed=False))
    drawn = {frozenset(pairs(newer, held_out(newer, share=0.7, seed=seed))) for seed in range(20)}
    assert {len(each) for each in drawn} == {2}
    assert len(drawn) > 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"data": frame(OLD), "fitted": 3}, "nothing is new in its 3 ratings, since the model's data had 3"),
        ({"data": frame(NEW), "fitted": 5}, "give the old ones too: --with OLD"),
        ({"data": frame(OLD[:2]), "old": frame(OLD)}, "nothing is new in its 2 ratings"),
        ({"data": frame(OLD + NEW, timed=False), "fitted": 3}, "without times nothing says which ratings are new"),
        ({"data": frame(OLD + NEW)}, "the model does not say how many ratings its data had"),
        (
            {"data": frame(NEW, timed=False), "old": frame(OLD)},
            "a column of the old ratings is read as timestamp",
        ),
        ({"data": "ml-100k", "fitted": 3}, "--data ml-100k: a data set by name has no newer ratings"),
        ({"data": frame(NEW), "old": "synthetic"}, "--with synthetic: a data set by name"),
    ],
)
def test_what_tells_nothing_of_newer_ratings_is_refused(given, said):
    with pytest.raises(InputError, match=said):
        read(**given)


def test_new_ratings_of_old_pairs_alone_cannot_be_judged_on():
    newer = read(frame([("a", "x", 5, 50)]), frame(OLD))
    with pytest.raises(InputError, match="the old ratings have each of its pairs"):
        held_out(newer, share=0.5, seed=0)


@pytest.mark.parametrize("value", [7, 3.5])
def test_a_rating_that_leaves_the_scale_is_named(value):
    newer = read(frame([("c", "x", value, 40)]), frame(OLD))
    with pytest.raises(InputError, match=f"{value} is no rating on the model's scale, 1 to 5 in steps of 1"):
        refuse_off_scale(newer.ratings, STARS)
