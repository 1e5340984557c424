import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reeltune.trainables.data import Ids, Ratings
from reeltune.trainables.data.ratings import from_frame
from reeltune.trainables.errors import InputError
from tests.worlds import rows_of


def frame(rows, *columns):
    return pd.DataFrame(rows, columns=["user", "item", "rating", *columns])


TWICE = [("a", "x", 1.0), ("b", "x", 2.0), ("a", "x", 3.0), ("a", "y", 4.0), ("a", "x", 5.0)]


def test_the_last_of_a_pair_is_kept_where_nothing_says_when():
    data = from_frame(frame(TWICE), name="r", duplicates="last")
    assert data.rows.ratings.tolist() == [2, 4, 5]
    assert data.rows.number.tolist() == [1, 3, 4]
    assert data.dropped == 2


def test_the_latest_of_a_pair_is_kept_wherever_it_stands():
    rows = [(*row, time) for row, time in zip(TWICE, [50, 10, 90, 20, 70], strict=True)]
    data = from_frame(frame(rows, "timestamp"), name="r", duplicates="last")
    assert data.rows.ratings.tolist() == [2, 3, 4]
    assert data.rows.timestamps.tolist() == [10, 90, 20]
    assert data.dropped == 2


def test_of_two_at_the_same_time_the_later_row_is_kept():
    rows = [("a", "x", 1.0, 5), ("a", "x", 2.0, 5), ("b", "x", 3.0, 5)]
    assert from_frame(frame(rows, "timestamp"), name="r", duplicates="last").rows.ratings.tolist() == [2, 3]


def test_all_rows_stay_where_duplicates_are_kept():
    data = from_frame(frame(TWICE), name="r", duplicates="keep")
    assert data.rows.ratings.tolist() == [1, 2, 3, 4, 5]
    assert data.dropped == 0


def test_duplicates_can_be_an_error_with_an_example_and_a_way_out():
    with pytest.raises(InputError, match=r"r: 2 pairs .* user 'a' with item 'x' .*--duplicates last"):
        from_frame(frame(TWICE), name="r", duplicates="error")
    assert from_frame(frame(TWICE[:2]), name="r", duplicates="error").dropped == 0


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), st.integers(1, 9), st.integers(0, 3)), min_size=1)
)
def test_one_row_of_each_pair_is_kept_in_file_order(rows):
    rows = [*rows, ("c", "z", 1, 0), ("d", "z", 2, 0)]
    data = from_frame(frame(rows, "timestamp").astype({"rating": float}), name="r", duplicates="last")
    kept = [rows[number] for number in data.rows.number]
    assert sorted(data.rows.number) == data.rows.number.tolist()
    for user, item in {(user, item) for user, item, *_ in rows}:
        times = [time for *pair, _, time in rows if pair == [user, item]]
        assert [time for *pair, _, time in kept if pair == [user, item]] == [max(times)]
    assert data.dropped == len(rows) - len(kept)


def test_index_0_is_kept_for_unknown():
    data = from_frame(frame(TWICE), name="r", duplicates="keep")
    assert data.rows.users.tolist() == [1, 2, 1, 1, 1]
    assert data.users.rows == 3
    assert data.users.encode(["b", "nobody", "a"]).tolist() == [2, 0, 1]


def test_joined_rows_come_one_after_the_other():
    first, second = rows_of([1], [2], [3.0], [4]), rows_of([5], [6], [7.0], [8])
    both = first.joined(second)
    assert (both.users.tolist(), both.items.tolist()) == ([1, 5], [2, 6])
    assert (both.ratings.tolist(), both.timestamps.tolist()) == ([3, 7], [4, 8])
    assert first.joined(rows_of([5], [6], [7.0])).timestamps is None


def test_a_fingerprint_changes_with_every_value_and_not_with_the_type():
    def hashed(users=(1, 2), items=(3, 4), ratings=(5.0, 6.0), timestamps=(7, 8)):
        return rows_of(users, items, ratings, timestamps).fingerprint()

    others = [hashed(users=(2, 1)), hashed(items=(3, 5)), hashed(ratings=(5.0, 6.5)), hashed(timestamps=(7, 9))]
    assert len({hashed(), hashed(timestamps=None), *others}) == 6
    wide = rows_of([1, 2], [3, 4], [5, 6], [7, 8])
    assert wide.take(np.arange(2)).fingerprint() == hashed()


def test_other_ids_are_another_data_set():
    rows = rows_of([1, 2], [1, 1], [1.0, 2.0])

    def hashed(users):
        return Ratings(name="r", rows=rows, users=Ids(np.array(users)), items=Ids(np.array(["x"]))).fingerprint()

    assert hashed(["a", "b"]) == hashed(["a", "b"])
    assert hashed(["a", "b"]) != hashed(["a", "c"])


@pytest.mark.parametrize("at_once", [1, 3, 4, 100])
def test_a_fingerprint_does_not_depend_on_how_many_rows_are_hashed_at_once(monkeypatch, at_once):
    rows = rows_of([1, 2, 3, 4], [4, 3, 2, 1], [1, 2, 3, 4], [9, 8, 7, 6])
    expected = rows.fingerprint()
    monkeypatch.setattr("reeltune.trainables.data.ratings.HASHED_AT_ONCE", at_once)
    assert rows.fingerprint() == expected


def test_rows_that_are_kept_are_joined_with_others_in_every_column():
    rows = rows_of([1, 2, 3], [4, 3, 2], [1, 2, 3], [9, 8, 7])
    kept = np.array([True, False, True])
    assert rows.joined(rows, kept=kept).fingerprint() == rows.take(np.flatnonzero(kept)).joined(rows).fingerprint()


def pairs(users, items):
    return rows_of(users, items, np.ones(len(users)))


def test_pairs_that_others_have_too_are_told_by_user_and_item_together():
    rows, others = pairs([1, 1, 2, 0, 3], [1, 2, 1, 1, 70_000]), pairs([1, 3, 0, 70_000], [2, 70_000, 2, 3])
    assert rows.pairs_in(others).tolist() == [False, True, False, False, True]
    assert others.pairs_in(rows).tolist() == [True, True, False, False]


@pytest.mark.parametrize("last", [3, 2**31 - 1])
def test_pairs_of_large_indices_are_not_mixed_up(last):
    rows = pairs([last, last - 1], [1, last])
    assert rows.pairs_in(rows).all()
    assert not rows.pairs_in(pairs([last - 1, last - 2], [1, last])).any()


def test_no_rows_share_no_pairs():
    assert pairs([1], [1]).pairs_in(pairs([], [])).tolist() == [False]
    assert pairs([], []).pairs_in(pairs([1], [1])).tolist() == []


def test_ids_that_move_from_users_to_items_change_the_fingerprint():
    def world(users, items):
        return Ratings(name="w", rows=rows_of([1], [1], [3.0]), users=Ids(np.array(users)), items=Ids(np.array(items)))

    assert world(["a", "bx"], ["c"]).fingerprint() != world(["a", "b"], ["xc"]).fingerprint()
    assert world(["a\nb"], ["c"]).fingerprint() != world(["a", "b"], ["c"]).fingerprint()


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_dates_in_any_resolution_are_seconds(unit):
    rows = frame(TWICE[:2]).assign(timestamp=pd.to_datetime([60, 86_400], unit="s").astype(f"datetime64[{unit}]"))
    assert from_frame(rows, name="r", duplicates="last").rows.timestamps.tolist() == [60, 86_400]
