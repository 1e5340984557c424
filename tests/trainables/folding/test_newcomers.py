"""Which ratings make whom new, and what is said of them: on a world of two known users and two known items."""

import numpy as np
import pandas as pd
import pytest

from reeltune.trainables.data import Ids
from reeltune.trainables.errors import InputError
from reeltune.trainables.folding.newcomers import Known, new_ratings
from tests.worlds import STARS

KNOWN = Known(
    users=Ids(np.array(["u1", "u2", "of a side table"])),
    items=Ids(np.array(["i1", "i2"])),
    user_ratings=np.array([0, 3, 2, 0]),
    item_ratings=np.array([0, 3, 2]),
)


def new(*rows, known_ids="error"):
    frame = pd.DataFrame(rows, columns=["user", "item", "rating"]).astype({"user": "str", "item": "str"})
    return new_ratings(frame, KNOWN, STARS, "new.csv", known_ids)


def pairs(newcomers):
    return list(zip(newcomers.owners.tolist(), newcomers.partners.tolist(), newcomers.ratings.tolist(), strict=True))


def test_new_users_come_behind_the_known_ones_with_their_ratings_of_known_items():
    found = new(("a", "i1", 5.0), ("b", "i2", 1.0), ("a", "i2", 2.0))
    assert list(found.text("user")) == ["a", "b"]
    assert found.for_users().count == 2
    assert pairs(found.for_users()) == [(4, 1, 5.0), (5, 2, 1.0), (4, 2, 2.0)]
    assert found.for_items().count == 0
    assert found.notes == ("new.csv: new users: 2, new items: 0",)
    assert found.counts()[0].tolist() == [0, 3, 2, 0, 2, 1]


def test_a_new_item_is_found_from_known_users_and_from_new_ones_who_rated_a_known_item():
    found = new(("u1", "x", 5.0), ("a", "x", 4.0), ("a", "i1", 3.0), ("b", "x", 1.0))
    assert pairs(found.for_users()) == [(4, 1, 3.0)]
    assert pairs(found.for_items()) == [(3, 1, 5.0), (3, 4, 4.0)]
    said = (
        "new.csv: new users: 2, new items: 1; 1 users and 0 items of them have rated, or were rated by, new ones alone"
    )
    assert found.notes == (said,)
    users, items = found.counts()
    assert users.tolist() == [0, 3, 2, 0, 1, 0]
    assert items.tolist() == [0, 3, 2, 2]


def test_a_known_id_without_a_fitted_rating_is_new_and_keeps_its_row_as_the_mean():
    found = new(("of a side table", "i1", 5.0))
    assert list(found.text("user")) == ["of a side table"]
    assert found.for_users().count == 0
    assert pairs(found.for_users()) == [(3, 1, 5.0)]
    assert 3 in found.for_users().expected.tolist()


def test_a_pair_that_is_known_on_both_sides_is_an_error_left_out_or_its_user_found_again():
    rows = ("u1", "i1", 5.0), ("u1", "i2", 1.0), ("a", "i1", 2.0)
    with pytest.raises(
        InputError, match=r"^new\.csv: the model was fitted on ratings of user 'u1' and of item 'i1', and"
    ):
        new(*rows)
    dropped = new(*rows, known_ids="drop")
    assert pairs(dropped.for_users()) == [(4, 1, 2.0)]
    assert dropped.notes[0] == "new.csv: pairs of a known user and a known item, which are left out: 2"
    again = new(*rows, known_ids="again")
    assert list(again.text("user")) == ["u1", "a"]
    assert pairs(again.for_users()) == [(1, 1, 5.0), (1, 2, 1.0), (4, 1, 2.0)]
    assert again.notes[0] == "new.csv: known users who are found anew: 1"
    assert again.counts()[0].tolist() == [0, 2, 2, 0, 1]


def test_of_a_pair_that_is_rated_twice_the_last_rating_counts():
    found = new(("a", "i1", 5.0), ("a", "i1", 2.0))
    assert pairs(found.for_users()) == [(4, 1, 2.0)]
    assert found.notes[0] == "new.csv: pairs that are rated twice, of which the last is taken: 1"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (
            ("a", "i1", 6.0),
            "new.csv: user 'a' has rated item 'i1' with 6; the model's ratings are 1 to 5 in steps of 1",
        ),
        (("m" * 2**20, "i1", 5.0), "has 1,048,576 characters; an id has 1,000 at most"),
        (("u1", "i1", 5.0), "--known-ids drop leaves them out, and --known-ids again finds these users anew"),
    ],
)
def test_what_cannot_be_is_refused_in_one_short_line(row, said):
    with pytest.raises(InputError) as caught:
        new(row)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 400


def test_pairs_of_known_ids_alone_are_refused_if_they_are_to_be_left_out():
    with pytest.raises(InputError, match=r"no pair has a new user or a new item"):
        new(("u1", "i1", 5.0), known_ids="drop")
