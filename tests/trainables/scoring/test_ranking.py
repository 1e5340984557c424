"""NDCG and recall of top lists, on worlds whose answer is known, and beside scikit-learn's."""

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from reeltune.trainables.data import load_data, split
from reeltune.trainables.data.scale import Scale
from reeltune.trainables.scoring.ranking import TOP, lists, ranked
from tests.worlds import STARS, rows_of


def made(test, fitted=((1, 1, 3),), *, items=31, people=None):
    """Lists of test rows (user, item, rating) with 30 items."""
    rows = rows_of(*np.array(test, dtype=float).T)
    whose = rows.users if people is None else np.array(people)
    return lists(rows, whose, rows_of(*np.array(fitted, dtype=float).T), STARS, items=items)


def listed(found, *orders):
    """The items of each list, best first; the others follow."""
    scores = np.zeros((len(orders), found.items - 1))
    for row, order in zip(scores, orders, strict=True):
        rest = [item for item in range(1, found.items) if item not in order]
        row[np.array([*order, *rest]) - 1] = np.arange(found.items - 1, 0, -1)
    return ranked(found, scores)


def test_the_best_list_has_1_and_a_list_of_nothing_rated_0():
    found = made([(2, 5, 4), (2, 6, 5), (3, 7, 4)])
    result = listed(found, [6, 5], range(8, 20))
    assert result.ndcg == pytest.approx([1, 0])
    assert result.recall == pytest.approx([1, 0])


def test_a_place_counts_by_its_discount_and_the_rating_is_the_gain():
    found = made([(2, 5, 4), (2, 6, 2)])
    expected = (2 / np.log2(2) + 4 / np.log2(4)) / (4 / np.log2(2) + 2 / np.log2(3))
    assert listed(found, [6, 9, 5]).ndcg == pytest.approx([expected])


def test_fitted_items_take_no_place_and_those_of_others_do():
    fitted = [(2, item, 3) for item in range(10, 20)] + [(3, item, 3) for item in range(20, 31)]
    found = made([(2, 5, 4), (3, 5, 4)], fitted)
    result = listed(found, [*range(10, 20), 5], [*range(10, 20), 5])
    assert result.recall == pytest.approx([1, 0])


def test_recall_is_of_liked_items_and_of_as_many_as_a_list_holds():
    found = made([(2, 5, 4), (2, 6, 5), (2, 7, 3), *((3, item, 5) for item in range(1, 21))])
    assert listed(found, [7, 5, *range(8, 16)], range(1, 21)).recall == pytest.approx([0.5, 1])


def test_who_likes_nothing_has_no_recall_and_has_an_ndcg():
    result = listed(made([(2, 5, 3)]), [5])
    assert np.isnan(result.recall).all()
    assert result.ndcg == pytest.approx([1])


def test_items_of_equal_score_count_as_the_mean_over_their_orders():
    found = made([(2, 5, 4)], items=21)
    assert ranked(found, np.zeros((1, 20))).recall == pytest.approx([TOP / 20])


def test_a_pair_that_was_fitted_too_is_in_no_list():
    found = made([(2, 5, 4), (2, 6, 5), (3, 7, 4)], [(2, 6, 1), (3, 7, 1)])
    assert found.users.tolist() == [2]
    assert found.item.tolist() == [5]


def test_a_pair_with_two_rows_counts_with_its_mean_rating():
    assert made([(2, 5, 4), (2, 5, 1)]).gain.tolist() == [2.5]


def test_an_unknown_item_is_in_no_list_and_in_the_best_one():
    found = made([(2, 0, 4), (2, 0, 4), (2, 5, 4)])
    assert listed(found, [5]).recall == pytest.approx([1 / 3])


def test_unknown_users_have_a_list_each():
    found = made([(0, 5, 4), (0, 6, 4)], people=[-2, -1])
    assert listed(found, *[[5, *range(10, 19)]] * 2).recall == pytest.approx([1, 0])


def test_a_drawn_list_is_as_good_as_it_was():
    found = made([(user, user + 3, 4) for user in range(2, 22)], [(user, 1, 3) for user in range(2, 22)])
    some, scores = found.drawn(5, seed=3), np.random.default_rng(0).normal(size=(22, 30))
    assert len(some) == 5
    assert some.users.tolist() == found.drawn(5, seed=3).users.tolist() != found.drawn(5, seed=4).users.tolist()
    whole = dict(zip(found.users, ranked(found, scores[found.users].copy()).ndcg, strict=True))
    assert ranked(some, scores[some.users].copy()).ndcg == pytest.approx([whole[user] for user in some.users])


@pytest.mark.parametrize("decimals", [0, 9])
def test_it_is_what_scikit_learn_has_with_ties_and_without(decimals):
    data = load_data("synthetic:users=50,items=80,ratings=2000")
    parts, scale = split(data.rows, seed=1), Scale.of(data.rows.ratings)
    rows = parts.validation
    found = lists(rows, rows.users, parts.train, scale, items=81)
    scores = np.random.default_rng(1).normal(size=(len(found), 80)).round(decimals)
    gains = np.zeros(scores.shape)
    gains[found.person, found.item - 1] = found.gain
    result = ranked(found, scores)
    for place in range(len(found)):
        unseen = np.isfinite(scores[place])
        expected = ndcg_score(gains[place : place + 1, unseen], scores[place : place + 1, unseen], k=TOP)
        assert result.ndcg[place] == pytest.approx(expected)
