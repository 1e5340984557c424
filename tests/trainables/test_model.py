"""What all architectures have in common, but for the contract in test_architectures.py."""

import pytest
import torch

from reeltune.trainables.data.shape import Shape
from reeltune.trainables.model import batch_for, filled
from tests.worlds import STARS


@pytest.mark.parametrize(
    ("ratings", "batch"),
    [(2, 64), (1500, 64), (64_000, 4096), (80_000, 4096), (800_000, 32_768), (20_000_000, 2**20), (10**9, 2**20)],
)
def test_a_batch_is_a_power_of_two_that_makes_about_so_many_steps_an_epoch(ratings, batch):
    assert batch_for(Shape(users=9, items=9, scale=STARS, ratings=ratings), steps=18) == batch
    assert 12 < ratings / batch < 26 or batch in (64, 2**20)


def test_a_batch_of_ratings_not_counted_is_that_of_movielens_100k():
    assert batch_for(Shape(users=9, items=9, scale=STARS), steps=36) == 2048


def test_ids_without_a_rating_have_the_plain_mean_and_new_items_the_one_weighted_by_ratings():
    rows, counts = torch.tensor([9.0, 1.0, 9.0, 5.0, 9.0]), torch.tensor([0, 3, 0, 1, 0])
    assert filled(rows, counts, rare=None).tolist() == [3, 1, 3, 5, 3]
    assert filled(rows, counts, rare=0).tolist() == [2, 1, 2, 5, 2]
    assert filled(rows, counts, rare=3).tolist() == [2, 1, 3, 5, 2]
    assert torch.equal(filled(rows[:, None], counts, rare=3), filled(rows, counts, rare=3)[:, None])
