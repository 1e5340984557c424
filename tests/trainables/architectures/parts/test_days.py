"""A vector for each user and day, looked up by the pair's time."""

import torch

from reeltune.trainables.architectures.parts.days import DAY, Days

USERS, TIMES = torch.tensor([1, 1, 2, 1]), torch.tensor([10, DAY + 5, 20, 30])  # user 1 on two days, user 2 on one


def test_a_user_has_one_vector_for_all_ratings_of_a_day():
    days = filled(Days.of(USERS, TIMES, 3))
    first, second, other, again = days(USERS, TIMES)
    assert torch.equal(first, again)
    assert not torch.equal(first, second)
    assert not torch.equal(first, other)


def test_a_day_on_which_a_user_rated_nothing_that_was_fitted_adds_nothing():
    days = filled(Days.of(USERS, TIMES, 3))
    strangers = days(torch.tensor([2, 1, 0, 9]), torch.tensor([DAY + 5, 5 * DAY, 10, 10]))
    assert torch.equal(strangers, torch.zeros(4, 3))


def test_times_before_1970_have_days_too():
    days = filled(Days.of(torch.tensor([1, 1]), torch.tensor([-10, 10]), 2))
    assert len(days.keys) == 2
    before, after = days(torch.tensor([1, 1]), torch.tensor([-20, 20]))
    assert not torch.equal(before, after)


def test_a_day_starts_without_an_effect():
    assert not Days.of(USERS, TIMES, 3)(USERS, TIMES).any()


def filled(days):
    with torch.no_grad():
        days.table.copy_(torch.randn(days.table.shape, generator=torch.Generator().manual_seed(0)))
    return days
