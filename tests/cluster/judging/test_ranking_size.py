from dataclasses import replace

import pytest

from reeltune.cluster.judging import ranking_size
from reeltune.cluster.judging.ranking_size import (
    MOST_PAIRS,
    MOST_USERS,
    PAIR_SECONDS,
    seconds_to_judge,
    seconds_to_rank,
)
from tests.reported import SHAPE


def seconds(fits=1, users=100, items=50):
    return seconds_to_rank(fits, replace(SHAPE, users=users + 1, items=items + 1))


@pytest.fixture(autouse=True)
def two_processors(monkeypatch):
    monkeypatch.setattr(ranking_size, "usable_cpus", lambda: 2)


def test_each_fit_rates_each_pair_on_one_of_the_processors():
    assert seconds(fits=6) == pytest.approx(6 * 100 * 50 * PAIR_SECONDS / 2)


def test_many_users_or_items_take_no_longer_than_those_that_are_drawn():
    assert seconds(users=10 * MOST_USERS) == seconds(users=MOST_USERS)
    assert seconds(users=MOST_USERS, items=10**6) == pytest.approx(MOST_PAIRS * PAIR_SECONDS / 2)


def test_what_is_judged_beside_the_lists_grows_with_the_test_rows_and_with_the_fits():
    def beside(fits, rows):
        return seconds_to_judge(fits, rows, SHAPE) - seconds_to_rank(fits, SHAPE)

    assert beside(9, 6_400_000) == pytest.approx(157, rel=0.05), "as it took"
    assert beside(9, 2000) == pytest.approx(2 * beside(9, 1000))
    assert beside(3, 1000) < beside(9, 1000) < 3 * beside(3, 1000)
