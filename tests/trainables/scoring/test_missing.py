import math

import numpy as np
import pytest
from scipy.stats import norm

from reeltune.trainables.scoring.comparison import compare, comparison
from reeltune.trainables.scoring.gains import Gains
from reeltune.trainables.scoring.missing import missing, needed_users
from tests.trainables.scoring.made import alike, uneven, world


def said(found):
    return missing(found, needed_users(found))


@pytest.mark.parametrize("judged", [1, 4])
def test_with_the_needed_users_four_samples_in_five_show_the_gain(judged):
    first = compare(*world(13, gain=0.03, users=100, rows=4))
    assert first.p > 0.05
    # Worlds in which the gain that was found is the true one.
    enough = needed_users(first, judged=judged)
    shown = [
        compare(*world(1000 + seed, gain=first.gain, users=enough, rows=4)).p < 0.05 / judged for seed in range(150)
    ]
    assert np.mean(shown) == pytest.approx(0.8, abs=0.1)


def test_for_a_small_gain_it_is_the_normal_sample_size():
    found = compare(*world(16, gain=0.01, users=500))
    assert found.p > 0.05
    quantiles = norm.ppf(1 - 0.05 / 6) + norm.ppf(0.8)
    expected = 500 * (quantiles * found.standard_error / found.beyond) ** 2
    assert needed_users(found, judged=3) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("seed", range(20))
def test_more_users_are_needed_than_there_are_where_they_do_not_decide(seed):
    found = compare(*world(seed, gain=0.05, users=40, skewed=True))
    needed = needed_users(found)
    if found.p >= 0.05 and found.beyond > 0:
        assert needed > 40


def test_a_rare_kind_that_would_undo_the_gain_may_be_missing():
    """Each of 100 users gains 0.02 of 0.8. One in 41 who loses all would undo it, and may well not be among them."""
    found = comparison(alike(0.02 + 0.005 * np.resize([1, -1], 100), rows=10, within=0.001, error=0.8))
    assert 0.05 < found.p == found.criteria[2].p(found.beyond, -1)
    worst = 0.8 + 0.02 - 0.005
    exact = math.log(0.05) / math.log(1 - 0.0192 / worst)  # users of whom 95% of samples would show one in 41
    assert needed_users(found) == pytest.approx(exact, rel=0.05)
    assert said(found) == (
        "of 100 users a rare kind may be missing that undoes it; "
        "about 130 users with 1,300 test ratings would be needed"
    )


def test_users_who_have_most_of_the_rows_count_like_few():
    counts = np.array([400, *[8] * 50])
    gains = Gains(totals=counts * np.resize([0.15, 0.05], 51), counts=counts, within=0.0, error=0.8)
    found = comparison(gains)
    assert found.p > 0.05
    assert said(found) == "these 51 users count like 2: one user has 50% of the rows"
    assert needed_users(found) is None


def test_one_user_with_nearly_all_rows_counts_like_one():
    counts = np.array([100_000, *[8] * 50])
    found = comparison(Gains(totals=counts * np.resize([0.15, 0.05], 51), counts=counts, within=0.0, error=0.8))
    assert said(found) == "these 51 users count like 1: one user has over 99% of the rows"


def test_a_gain_within_the_spread_needs_more_users():
    found = compare(*world(16, gain=0.01, users=500))
    needed = needed_users(found)
    assert (
        said(found) == f"about {float(f'{needed:.1e}'):,.0f} users with {float(f'{8 * needed:.1e}'):,.0f} test ratings "
        "would be needed to see it"
    )


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (comparison(alike([0.0] * 30)), "no test row is rated differently"),
        (
            comparison(alike([0.1, 0.2] * 6)),
            "the test rows are of 12 users; fewer than 20 are too few for a verdict",
        ),
        (comparison(alike([0.1])), "the test rows are of one user; fewer than 20 are too few for a verdict"),
        (
            comparison(alike([0.5] * 4 + [0.0] * 96)),
            "the two differ for 4 of 100 users; fewer than 20 are too few for a verdict",
        ),
        (
            comparison(alike([-0.5] * 40, error=0.0)),
            "the baseline makes no error, so that there is nothing to beat",
        ),
        (
            comparison(alike([0.0005] * 40)),
            "so small a gain counts as none (under 0.1% of the baseline's error)",
        ),
    ],
)
def test_where_nobody_can_tell_how_many_are_needed_the_reason_is_said(found, sentence):
    assert said(found) == sentence
    assert needed_users(found) is None


def test_more_than_a_thousand_million_times_the_users_is_no_advice():
    found = comparison(alike(0.0010000001 + np.resize([1.0, -1.0], 40)))
    assert found.beyond > 0
    assert needed_users(found) is None
    assert said(found) == "more than can be told would be needed to see it"


def test_users_of_equal_size_count_like_their_number():
    assert said(comparison(uneven(3, users=30))).startswith("these 30 users count like 1")
    assert "count like" not in said(comparison(alike(np.resize([0.3, -0.2], 20))))
