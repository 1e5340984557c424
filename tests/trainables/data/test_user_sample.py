import numpy as np
import pytest

from reeltune.trainables.data.features import Features
from reeltune.trainables.data.prepared import DataOptions, prepare
from reeltune.trainables.data.user_sample import user_sample

WORLD = "synthetic:users=60,items=40,ratings=1500"


@pytest.fixture(scope="module")
def every():
    return prepare(DataOptions(data=WORLD)).seen


def rated(rows):
    """Each row's item and rating, by the user's index, in the rows' order."""
    found = {}
    for user, item, rating in zip(rows.users, rows.items, rows.ratings, strict=True):
        found.setdefault(int(user), []).append((int(item), float(rating)))
    return found


def test_drawn_users_bring_all_their_rows_under_indices_of_their_own(every):
    sample = user_sample(every, 400, seed=1)
    for part, whole in ((sample.train, every.train), (sample.validation, every.validation)):
        index = dict(zip(whole.number, whole.users, strict=True))
        of_all, of_sample = rated(whole), rated(part)
        before = {new: index[part.number[np.flatnonzero(part.users == new)[0]]] for new in of_sample}
        assert all(of_sample[new] == of_all[old] for new, old in before.items())
        assert list(before.values()) != list(before)
    assert {*sample.train.users, *sample.validation.users} == set(range(1, sample.shape.users))


@pytest.mark.parametrize("rows", [1, 400, 1000])
def test_there_are_as_many_rows_as_asked_for_or_those_of_one_user_more(every, rows):
    sample = user_sample(every, rows, seed=1)
    most = np.bincount(np.concatenate([every.train.users, every.validation.users])).max()
    assert rows <= len(sample) < rows + most


def test_the_shape_is_that_of_the_sample_on_the_scale_of_all(every):
    sample = user_sample(every, 400, seed=1)
    shape = sample.shape
    assert (shape.ratings, shape.rated_users) == (len(sample.train), len(set(sample.train.users)))
    assert shape.rated_items == len(set(sample.train.items))
    assert (shape.items, shape.scale) == (every.shape.items, every.shape.scale)


def test_the_draw_is_that_of_the_seed(every):
    first, again, other = (user_sample(every, 400, seed=seed).train.fingerprint() for seed in (1, 1, 2))
    assert first == again != other


def test_users_keep_their_features(tmp_path):
    lines = [f"u{number % 20},i{number % 7},{1 + number % 5}" for number in range(400)]
    (tmp_path / "ratings.csv").write_text("user,item,rating\n" + "\n".join(lines))
    (tmp_path / "users.csv").write_text("user,age\n" + "\n".join(f"u{number},{number}" for number in range(20)))
    asked = DataOptions(data=str(tmp_path / "ratings.csv"), users=str(tmp_path / "users.csv"), duplicates="keep")
    every = prepare(asked).seen
    sample = user_sample(every, 100, seed=1)
    index = dict(zip(every.train.number, every.train.users, strict=True))
    for number, user in zip(sample.train.number, sample.train.users, strict=True):
        assert row(sample.shape.user_features, user) == row(every.shape.user_features, index[number])
    assert row(sample.shape.user_features, 0) == ([], [])


def row(features: Features, number):
    place = slice(features.offsets[number], features.offsets[number + 1])
    return features.columns[place].tolist(), features.weights[place].tolist()
