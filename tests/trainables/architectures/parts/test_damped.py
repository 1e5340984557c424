"""Damped means, and the dampings that are found for them."""

import pytest
import torch

from reeltune.trainables.architectures.parts.damped import LEAST, MOST, best_dampings, damped_means


def everybody_rates_everything(users, items):
    """All pairs of indices from 1, users first; index 0, 'unknown', has no row."""
    return torch.arange(1, users + 1).repeat_interleave(items), torch.arange(1, items + 1).repeat(users)


def test_without_damping_they_are_the_biases_that_made_the_ratings():
    users, items = everybody_rates_everything(4, 5)
    kind, good = torch.tensor([0, -1, 0, 0.5, 0.5]), torch.tensor([0, -0.5, -0.25, 0, 0.25, 0.5])
    of_users, of_items = damped_means((users, items, kind[users] + good[items]), (5, 6), (0, 0))
    assert of_users[1:].tolist() == pytest.approx(kind[1:].tolist(), abs=1e-6)
    assert of_items[1:].tolist() == pytest.approx(good[1:].tolist(), abs=1e-6)


def test_a_damping_adds_so_many_ratings_at_the_mean():
    users, items = torch.tensor([1, 1, 1, 2]), torch.tensor([1, 2, 3, 4])
    _, of_items = damped_means((users, items, torch.tensor([2.0, 2, 2, 2])), (3, 6), (1e9, 1))
    assert of_items[1:].tolist() == pytest.approx([1, 1, 1, 1, 0])
    of_users, _ = damped_means((users, items, torch.tensor([2.0, 2, 2, 2])), (3, 6), (1, 1e9))
    assert of_users[1:].tolist() == pytest.approx([1.5, 1])


def noisy(kind, good, *, seed=0):
    """Ratings of noise 1 with biases of these deviations, of 40 items by 60 users."""
    draw = torch.Generator().manual_seed(seed)
    users, items = everybody_rates_everything(60, 40)
    of_users, of_items = kind * torch.randn(61, generator=draw), good * torch.randn(41, generator=draw)
    return users, items, of_users[users] + of_items[items] + torch.randn(len(users), generator=draw)


def test_what_tells_nothing_is_damped_most_and_what_tells_all_least():
    assert best_dampings(noisy(0, 10), (61, 41)) == (2.0**MOST, 2.0**LEAST)
    assert best_dampings(noisy(10, 0), (61, 41)) == (2.0**LEAST, 2.0**MOST)


def test_the_dampings_found_are_near_the_ratio_of_variances():
    found = [best_dampings(noisy(0.5, 0.35, seed=seed), (61, 41)) for seed in range(5)]
    of_users, of_items = torch.tensor(found).log2().mean(0)
    assert of_users == pytest.approx(2, abs=1)  # 1 / 0.5² = 4 ratings
    assert of_items == pytest.approx(3, abs=1)  # 1 / 0.35² = 8


def test_two_rows_are_enough():
    rows = torch.tensor([1, 2]), torch.tensor([1, 1]), torch.tensor([1.0, -1.0])
    assert all(2.0**LEAST <= damping <= 2.0**MOST for damping in best_dampings(rows, (3, 2)))
