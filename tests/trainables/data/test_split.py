import copy
import json
import pickle
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reeltune.trainables.data import Fold, SealedRows, Shares, fold, split, split_given_test
from reeltune.trainables.errors import InputError
from tests.worlds import rows_of


def world(count, *, users=7, seed=0):
    draw = np.random.default_rng(seed)
    return rows_of(
        draw.integers(1, users + 1, count),
        draw.integers(1, 9, count),
        draw.integers(1, 6, count),
        draw.integers(0, 50, count),
    )


def parts(rows, ledger, **options):
    """Row numbers of the training, validation and test part."""
    found = split(rows, **options)
    test, _ = found.test.open(ledger, reason="test")
    return found.train.number, found.validation.number, test.number


def test_the_random_split_is_the_first_fifth_of_numpys_permutation(tmp_path):
    order = np.random.default_rng(42).permutation(1000)
    train, validation, test = parts(world(1000), tmp_path / "looks", seed=42)
    assert test.tolist() == order[:200].tolist()
    assert validation.tolist() == order[200:280].tolist()
    assert train.tolist() == order[280:].tolist()


@given(count=st.integers(30, 300), kind=st.sampled_from(["random", "user", "time"]), seed=st.integers(0, 2**32))
def test_the_parts_are_disjoint_and_cover_all_rows(tmp_path, count, kind, seed):
    found = parts(world(count), tmp_path / "looks", kind=kind, seed=seed)
    assert sorted(np.concatenate(found).tolist()) == list(range(count))


@pytest.mark.parametrize("kind", ["random", "user", "time"])
@pytest.mark.parametrize(
    ("shares", "sizes"),
    [
        (Shares(validation=0.25, test=0.4), (45, 15, 40)),
        (Shares(validation=0.29, test=0), (71, 29, 0)),  # 0.29 · 100 is 28.999999999999996 in binary
        (Shares(validation=0, test=0.29), (71, 0, 29)),
        (Shares(validation=0, test=0), (100, 0, 0)),
    ],
)
def test_a_part_is_the_share_that_is_asked_for(tmp_path, kind, shares, sizes):
    found = parts(world(100), tmp_path / "looks", kind=kind, seed=3, shares=shares)
    assert tuple(map(len, found)) == sizes
    assert sorted(np.concatenate(found).tolist()) == list(range(100))


def test_the_parts_of_a_larger_test_share_are_of_the_same_order(tmp_path):
    """The test rows of a fifth are among those of two fifths."""
    small, large = (
        parts(world(100), tmp_path / "looks", seed=3, shares=Shares(test=share))[2].tolist() for share in (0.2, 0.4)
    )
    assert large[:20] == small


@pytest.mark.parametrize("kind", ["random", "user"])
def test_each_confirmation_holds_out_other_rows_however_large_the_validation_part_is(kind):
    found = split(world(700), kind=kind, seed=0, shares=Shares(validation=0.6))
    held_out = [fold(found.train, found.validation, number, kind=kind)[1].number for number in (1, 2, 3)]
    together = np.concatenate(held_out)
    assert len(np.unique(together)) == len(together)


@given(count=st.integers(30, 300), seed=st.integers(0, 100))
def test_every_test_row_is_as_late_as_any_training_row(tmp_path, count, seed):
    rows = world(count, seed=seed)
    train, validation, test = parts(rows, tmp_path / "looks", kind="time", seed=seed)
    times = rows.timestamps
    assert times[test].min() >= times[validation].max()
    assert times[validation].min() >= times[train].max()
    assert (len(test), len(validation)) == (int(0.2 * count), int(0.1 * (count - len(test))))


def test_the_time_split_knows_no_seed(tmp_path):
    rows = world(100)
    first, second = (parts(rows, tmp_path / "looks", kind="time", seed=seed) for seed in (1, 2))
    assert [part.tolist() for part in first] == [part.tolist() for part in second]


def test_each_user_gives_their_own_share(tmp_path):
    users = np.repeat([1, 2, 3], [100, 50, 10])
    rows = rows_of(users, np.arange(160) + 1, np.arange(160) % 5 + 1.0)
    train, validation, test = parts(rows, tmp_path / "looks", kind="user", seed=0)
    assert np.bincount(users[test], minlength=4).tolist() == [0, 20, 10, 2]
    assert np.abs(np.bincount(users[validation], minlength=4) - [0, 8, 4, 0.8]).max() < 1
    assert (len(train), len(validation)) == (116, 12), "a tenth of 128 is 12"


@pytest.mark.parametrize(("low", "high"), [(1, 3), (3, 6), (1, 60)])
def test_by_user_the_shares_hold_over_all_users_together_however_few_rows_each_has(tmp_path, low, high):
    sizes = np.random.default_rng(1).integers(low, high, 1500)
    users = np.repeat(np.arange(1, 1501), sizes)
    count = len(users)
    rows = rows_of(users, np.arange(count) + 1, np.arange(count) % 5 + 1.0)
    _, validation, test = parts(rows, tmp_path / "looks", kind="user", seed=3)
    assert (len(test), len(validation)) == (int(0.2 * count), int(0.1 * (count - len(test))))
    of_each = [np.bincount(users[part], minlength=1501)[1:] for part in (test, validation)]
    assert np.abs(of_each[0] - 0.2 * sizes).max() < 1
    assert np.abs(of_each[1] - 0.1 * (sizes - of_each[0])).max() < 1


def test_by_user_another_seed_takes_rows_of_other_light_users(tmp_path):
    users = np.arange(1, 101)
    rows = rows_of(users, users, users % 5 + 1.0)
    first, second = (parts(rows, tmp_path / "looks", kind="user", seed=seed)[2] for seed in (1, 2))
    assert len(first) == len(second) == 20
    assert len(set(users[first]) & set(users[second])) < 15


@pytest.mark.parametrize("kind", ["random", "user"])
def test_the_same_seed_splits_alike_and_another_does_not(tmp_path, kind):
    first, again, other = (parts(world(200), tmp_path / "looks", kind=kind, seed=seed) for seed in (1, 1, 2))
    assert [part.tolist() for part in first] == [part.tolist() for part in again]
    assert set(first[2]) != set(other[2])


def test_fitting_rows_are_training_and_validation():
    found = split(world(100), seed=0)
    assert found.fitting.number.tolist() == [*found.train.number, *found.validation.number]


@given(count=st.integers(120, 300), kind=st.sampled_from(["random", "user"]), seed=st.integers(0, 100))
def test_each_fold_holds_out_other_rows_of_the_fitting_rows(count, kind, seed):
    found = split(world(count), kind=kind, seed=seed)
    parts = [fold(found.train, found.validation, number, kind=kind) for number in range(4)]
    assert parts[0] == (found.train, found.validation)
    for train, held_out in parts:
        assert sorted([*train.number, *held_out.number]) == sorted(found.fitting.number)
        assert len(held_out) == pytest.approx(len(found.validation), abs=1 if kind == "random" else 10)
    held_out = np.concatenate([part.number for _, part in parts])
    assert len(np.unique(held_out)) == len(held_out)


def test_a_confirmations_rows_are_in_memory_once():
    rows = world(200_000)
    found = split(rows, seed=0)
    tracemalloc.start()
    fold(found.train, found.validation, 1, kind="random")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    kept = sum(column.nbytes for column in vars(rows.take(np.arange(len(rows)))).values() if column is not None)
    assert peak < 1.4 * kept, "of all rows, of which a fifth is the test's"


def test_a_fold_of_each_users_rows_takes_a_share_of_each():
    users = np.repeat([1, 2, 3], [100, 50, 25])
    found = split(rows_of(users, np.arange(175) + 1, np.arange(175) % 5 + 1.0), kind="user", seed=0)
    for number in range(4):
        _, held_out = fold(found.train, found.validation, number, kind="user")
        assert np.bincount(held_out.users)[1:] == pytest.approx([8, 4, 2], abs=1)


def test_by_time_each_fold_is_an_earlier_cut_and_trains_on_nothing_later():
    rows = rows_of(np.arange(100) % 7 + 1, np.arange(100) % 9 + 1, np.arange(100) % 5 + 1.0, np.arange(100))
    found = split(rows, kind="time", seed=0)
    assert sorted(found.validation.timestamps) == [*range(72, 80)]
    for number, (start, end) in enumerate([(72, 80), (64, 72), (56, 64), (48, 56)]):
        train, held_out = fold(found.train, found.validation, number, kind="time")
        assert sorted(held_out.timestamps) == [*range(start, end)]
        assert sorted(train.timestamps) == [*range(start)]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_by_time_a_cut_for_which_there_are_too_few_rows_is_the_one_before(number):
    rows = rows_of([1] * 5, [1, 2, 3, 4, 5], [1.0, 2.0, 3.0, 4.0, 5.0], [1, 2, 3, 4, 5])
    for later in (1, 2, 3):
        train, validation = rows.take(np.arange(5)[::-1][later:]), rows.take(np.arange(5)[::-1][:later])
        cut, held_out = fold(train, validation, number, kind="time")
        assert len(held_out) == later
        assert len(cut) >= 2
        assert cut.timestamps.max() < held_out.timestamps.min()


@pytest.mark.parametrize("kind", ["random", "user"])
def test_where_there_are_few_rows_some_are_held_out_still(kind):
    found = split(world(12, users=1), kind=kind, seed=0)
    for number in range(4):
        train, held_out = fold(found.train, found.validation, number, kind=kind)
        assert len(held_out) >= 1
        assert len(train) >= 1


@pytest.mark.parametrize("kind", ["random", "user", "time"])
def test_with_a_test_file_only_validation_is_cut_off(tmp_path, kind):
    own = rows_of([1, 0], [1, 2], [3.0, 4.0], [99, 99])
    found = split_given_test(world(700, users=7), own, kind=kind, seed=3)
    assert sorted(found.fitting.number.tolist()) == list(range(700))
    assert len(found.validation) == pytest.approx(70, abs=4)
    test, _ = found.test.open(tmp_path / "looks", reason="test")
    assert test is own


@pytest.mark.parametrize("kind", ["random", "user", "time"])
@pytest.mark.parametrize(("count", "part"), [(1, "test"), (4, "test"), (11, "validation")])
def test_an_empty_part_is_an_error_that_names_it(count, part, kind):
    with pytest.raises(InputError, match=f"{count} ratings are too few to split: the {part} part would be empty"):
        split(world(count, users=count), kind=kind, seed=0)


def test_shares_that_leave_a_part_empty_are_named(tmp_path):
    with pytest.raises(InputError) as caught:
        split(world(100), seed=0, shares=Shares(validation=0.001, test=0.5))
    assert str(caught.value) == (
        "100 ratings are too few to split: the validation part would be empty (50% go to the test, 0.1% of the rest to "
        "validation); give more ratings, other shares (--validation, --test-share) or fewer --folds"
    )
    with pytest.raises(InputError, match=r"would be empty \(0.1% of them to validation\)"):
        split_given_test(world(100), world(5), seed=0, shares=Shares(validation=0.001))


def test_twelve_rows_are_enough():
    found = split(world(12), seed=0)
    assert (len(found.train), len(found.validation), len(found.test)) == (9, 1, 2)


def test_a_time_split_without_times_is_an_error_with_a_way_out():
    with pytest.raises(InputError, match="--split random or user"):
        split(rows_of([1] * 50, [1] * 50, [1.0] * 50), kind="time", seed=0)


@pytest.mark.parametrize("send", [pickle.dumps, copy.copy, copy.deepcopy])
def test_sealed_rows_cannot_leave_their_process(send):
    with pytest.raises(TypeError, match="sealed test rows"):
        send(split(world(100), seed=0).test)


def test_a_split_with_sealed_rows_cannot_leave_either():
    with pytest.raises(TypeError, match="sealed test rows"):
        pickle.dumps(split(world(100), seed=0))


def test_the_second_opening_says_so_even_by_another_split_of_the_same_seed(tmp_path):
    ledger = tmp_path / "cache" / "looks.jsonl"
    looks = [split(world(100), seed=5).test.open(ledger, reason=reason)[1] for reason in ("tune", "train", "tune")]
    assert looks == [1, 2, 3]
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    assert [line["reason"] for line in lines] == ["tune", "train", "tune"]
    assert {line["count"] for line in lines} == {20}


def test_another_seed_or_another_rating_is_another_first_look(tmp_path):
    ledger = tmp_path / "looks.jsonl"
    rows = world(100)
    assert split(rows, seed=5).test.open(ledger, reason="r")[1] == 1
    assert split(rows, seed=6).test.open(ledger, reason="r")[1] == 1
    test, _ = split(rows, seed=5).test.open(ledger, reason="r")
    changed = rows_of(test.users, test.items, [9.0, *test.ratings[1:]], test.timestamps)
    assert SealedRows(changed).open(ledger, reason="r")[1] == 1


def test_the_length_is_no_look(tmp_path):
    sealed = split(world(100), seed=5).test
    assert len(sealed) == 20
    assert sealed.open(tmp_path / "looks.jsonl", reason="r")[1] == 1


@pytest.mark.parametrize("kind", ["random", "user"])
@pytest.mark.parametrize("of", [2, 3, 5])
def test_each_row_is_in_the_test_part_of_one_fold(kind, of):
    rows = world(601, users=40)
    folds = [split(rows, kind=kind, seed=3, tested=Fold(number=number, of=of)) for number in range(1, of + 1)]
    tested = np.concatenate([part.test._rows.number for part in folds])
    assert np.sort(tested).tolist() == rows.number.tolist()
    for part in folds:
        assert abs(len(part.test) - 601 / of) < 1
        assert not set(part.fitting.number) & set(part.test._rows.number)
        assert len(part.fitting) + len(part.test) == len(rows)


def test_the_first_of_five_folds_is_the_split_without_folds():
    rows = world(601, users=40)
    one, plain = split(rows, seed=3, tested=Fold(number=1, of=5)), split(rows, seed=3)
    for name in ("train", "validation"):
        assert getattr(one, name).number.tolist() == getattr(plain, name).number.tolist()
    assert one.test.fingerprint == plain.test.fingerprint


def test_folds_by_user_take_the_same_share_of_each_users_rows():
    rows = world(601, users=40)
    counts = np.bincount(rows.users)
    for number in (1, 2, 3):
        tested = split(rows, kind="user", seed=3, tested=Fold(number=number, of=3)).test._rows.users
        assert np.abs(np.bincount(tested, minlength=len(counts)) - counts / 3).max() < 1
