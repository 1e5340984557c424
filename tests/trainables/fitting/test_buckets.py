"""How users are dealt to buckets, and which of their rows are in which batch."""

import numpy as np
import pytest
import torch

from reeltune.trainables.fitting import buckets
from reeltune.trainables.fitting.buckets import Buckets, Order, Turns


@pytest.fixture
def users():
    """Those of 20,000 rows: some users have few and some have many, 100 of 500 none."""
    return np.random.default_rng(0).geometric(0.01, 20_000) % 400 + 1


@pytest.fixture
def dealt(users):
    return Buckets.of(users, 501)


def orders(dealt, users, turns, *, world, epoch=0):
    """The rows of each step over all workers."""
    steps = [[] for _ in range(turns.steps)]
    for rank in range(world):
        own = range(rank, len(dealt), world)
        held = {bucket: torch.from_numpy(np.flatnonzero(dealt.of_users[users] == bucket)) for bucket in own}
        order = Order.of(held, turns, seed=1, epoch=epoch)
        for step in range(turns.steps):
            steps[step] += order.of_step(step).tolist()
    return [sorted(rows) for rows in steps]


def test_each_user_has_a_bucket_and_buckets_are_alike(dealt, users):
    assert len(dealt) == 64
    assert dealt.of_users[0] == -1, "'unknown'"
    assert set(dealt.of_users[1:]) == set(range(64))
    assert np.array_equal(dealt.sizes, np.bincount(dealt.of_users[users], minlength=64))
    assert dealt.sizes.max() < 1.2 * dealt.sizes.mean()
    assert {len(dealt.users(bucket)) for bucket in range(64)} == {7, 8}
    assert all((dealt.of_users[dealt.users(bucket)] == bucket).all() for bucket in range(64))


def test_very_many_rows_have_more_buckets(users, monkeypatch):
    monkeypatch.setattr(buckets, "LARGE", len(users))
    assert len(Buckets.of(users, 501)) == 1024


@pytest.mark.parametrize("world", [2, 3, 7, 64])
def test_a_batch_holds_the_same_rows_whatever_the_number_of_workers(dealt, users, world):
    turns = Turns.of(dealt, steps=78, batch_size=256)
    assert orders(dealt, users, turns, world=world) == orders(dealt, users, turns, world=1)


def test_an_epoch_takes_each_row_at_most_once_in_batches_of_the_size(dealt, users):
    turns = Turns.of(dealt, steps=78, batch_size=256)
    steps = orders(dealt, users, turns, world=1)
    taken = [row for rows in steps for row in rows]
    assert len(set(taken)) == len(taken) == 78 * 256
    assert [len(rows) for rows in steps] == [turns.rows(step) for step in range(78)] == [256] * 78


@pytest.mark.parametrize("world", [2, 4])
def test_workers_share_each_batch_about_evenly(dealt, world):
    turns = Turns.of(dealt, steps=78, batch_size=256)
    for rank in range(world):
        assert abs(np.diff(turns.before[:, rank::world].sum(1), axis=0) - 256 / world).max() < 20


def test_another_epoch_has_another_order(dealt, users):
    turns = Turns.of(dealt, steps=78, batch_size=256)
    assert orders(dealt, users, turns, world=1) != orders(dealt, users, turns, world=1, epoch=1)


def test_a_batch_of_all_rows_takes_all(dealt, users):
    turns = Turns.of(dealt, steps=1, batch_size=len(users))
    assert orders(dealt, users, turns, world=2) == [list(range(len(users)))]
