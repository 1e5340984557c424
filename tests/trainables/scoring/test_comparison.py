import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm, ttest_1samp

from reeltune.trainables.scoring.comparison import compare, compare_all, compare_with_number, comparison
from reeltune.trainables.scoring.gains import Gains
from reeltune.trainables.scoring.verdict import judge
from tests.trainables.scoring.made import uneven, world


def word(found):
    return judge({"other": found})["other"].word


@given(seed=st.integers(0, 10_000), gain=st.sampled_from([-0.1, 0.0, 0.05, 0.08, 0.1, 0.3]), skewed=st.booleans())
def test_p_is_small_exactly_when_no_gain_that_counts_for_none_is_in_the_interval(seed, gain, skewed):
    found = compare(*world(seed, gain=gain, users=20, rows=3, skewed=skewed))
    low, high = found.ci95
    assert low <= found.gain <= high
    assert 0 < found.p <= 1
    assert (found.p < 0.05) == (low > found.nothing or high < -found.nothing)


def test_with_many_equal_users_it_is_the_common_t_test_of_a_gain_that_counts_as_none():
    baseline, other, users = world(3, gain=0.05, users=2000)
    found = compare(baseline, other, users)
    by_user = np.bincount(users, weights=baseline - other) / 8
    assert found.p == pytest.approx(ttest_1samp(by_user, found.nothing).pvalue, rel=0.05)
    half = norm.ppf(0.975) * by_user.std(ddof=1) / 2000**0.5
    assert found.ci95 == pytest.approx((found.gain - half, found.gain + half), abs=0.03 * half)


def test_the_interval_is_the_hull_of_the_three_and_p_the_largest():
    found = comparison(uneven(1, between=0.3))
    below = [each.reach(0.05, -1) for each in found.criteria]
    above = [each.reach(0.05, 1) for each in found.criteria]
    assert found.ci95 == (found.gain - max(below), found.gain + max(above))
    assert found.p == max(each.p(found.beyond, found.side) for each in found.criteria)
    assert len(set(below)) == len(set(above)) == 3


def test_the_interval_covers_the_true_gain_about_as_often_as_it_says():
    covered = 0
    for seed in range(300):
        low, high = compare(*world(seed, gain=0.1, users=150, rows=2)).ci95
        covered += low <= 0.1 <= high
    assert 0.92 * 300 <= covered < 300  # an interval that always covers says nothing


def one_in(share):
    """Sizes of 51 users of whom one has this share of the rows."""
    return np.array([round(400 * share / (1 - share)), *[8] * 50])


def normal(draw, users):
    return draw.normal(0, 0.1, users)


def some_lose_much(draw, users):
    """Two users in a hundred lose 1, the others gain what makes the mean 0."""
    return np.where(draw.random(users) < 0.02, -1.0, 0.02 / 0.98)


def lognormal(draw, users):
    return 0.05 * (draw.lognormal(0, 1.2, users) - np.exp(0.72))


@pytest.mark.parametrize(
    ("counts", "effects"),
    [
        (one_in(0.5), normal),
        (one_in(0.9), normal),
        (one_in(0.999), normal),
        (np.full(100, 10), some_lose_much),
        (np.full(25, 20), lognormal),
        (np.full(60, 12), normal),
    ],
    ids=["half", "nine tenths", "nearly all", "some lose much", "skewed", "benign"],
)
def test_without_a_true_gain_a_word_is_said_in_at_most_one_world_in_twenty(counts, effects):
    """Resampling users (BCa) says one in 8 to 31 of 100 of these worlds, but for the benign ones."""
    false = 0
    for seed in range(300):
        draw = np.random.default_rng(seed)
        noise = np.sqrt(counts) * draw.normal(0, 0.1, len(counts))
        found = comparison(
            Gains(totals=counts * effects(draw, len(counts)) + noise, counts=counts, within=0.01, error=0.8)
        )
        false += found.p < 0.05
    assert false <= 0.05 * 300


def test_rows_of_one_user_are_one_observation():
    """Copies of a user's rows are no news; rows of new users would be."""
    baseline, other, users = world(4, gain=0.1, users=30, rows=2)
    nine = [np.tile(part, 9) for part in (baseline, other, users)]
    strangers = np.arange(len(nine[2]))

    def width(found):
        return found.ci95[1] - found.ci95[0]

    once, copied = compare(baseline, other, users), compare(*nine)
    assert width(copied) == pytest.approx(width(once))
    assert width(compare(nine[0], nine[1], strangers)) < 0.6 * width(once)


@pytest.mark.parametrize("users", [2, 19])
def test_few_users_are_never_enough_for_a_verdict_and_their_interval_is_wide(users):
    baseline, other, _ = world(5, gain=0.5)
    found = compare(baseline, other, np.arange(len(baseline)) % users)
    assert found.ci95[0] < found.gain < found.ci95[1]
    assert found.ci95[0] < 0.5 < found.ci95[1]
    assert (found.p, word(found)) == (1.0, "undecided")


@pytest.mark.parametrize(("share", "known"), [(0.85, True), (0.95, False), (0.9999, False)])
def test_where_one_user_has_nearly_all_rows_they_tell_of_one_user(share, known):
    counts = one_in(share)
    effects = np.random.default_rng(1).normal(0.3, 0.01, 51)
    found = comparison(Gains(totals=counts * effects, counts=counts, within=0.01, error=0.8))
    assert (found.ci95 is not None) == known
    assert word(found) == ("beats" if known else "undecided")


@pytest.mark.parametrize("rows", [1, 40])
def test_the_rows_of_one_user_have_no_interval_of_users(rows):
    baseline, other, _ = world(5, gain=0.5)
    found = compare(baseline[:rows], other[:rows], np.zeros(rows))
    assert (found.ci95, found.standard_error, found.p, found.effective_users) == (None, None, 1.0, 1.0)
    assert word(found) == "undecided"


def test_where_each_user_has_one_row_it_judges_all_the_same():
    found = compare(*world(6, gain=0.3, users=400, rows=1))
    assert word(found) == "beats"


def test_a_gain_of_next_to_nothing_is_none_however_sure_it_is():
    errors = np.random.default_rng(15).exponential(1, 100_000)
    users = np.repeat(np.arange(10_000), 10)
    for share, expected in ((0.0005, "undecided"), (0.002, "beats")):
        found = compare(errors, errors * (1 - share), users)
        assert found.ci95[0] > 0
        assert word(found) == expected


def test_predictors_that_differ_for_a_few_users_alone_are_undecided():
    # Four rows of 800 differ, by chance all in favour of one.
    baseline, users = np.ones(800), np.repeat(np.arange(100), 8)
    other = baseline.copy()
    other[[3, 100, 300, 500]] = 0.0
    found = compare(baseline, other, users)
    assert found.ci95[0] < 0 < found.gain < found.ci95[1]
    assert (found.differ, found.p, word(found)) == (4, 1.0, "undecided")


def test_identical_predictors_are_undecided():
    errors, _, users = world(9)
    found = compare(errors, errors, users)
    assert (found.gain, found.ci95, found.p, found.standard_error) == (0.0, (0.0, 0.0), 1.0, 0.0)
    assert compare(errors, errors, np.zeros(len(errors))).ci95 == (0.0, 0.0)


def test_the_same_gain_on_every_row_is_as_sure_as_users_were_seen():
    errors = np.full(80, 2.0)
    found = compare(errors, errors - 0.5, np.repeat(np.arange(20), 4))
    share = 1 - 0.05 ** (1 / 20)
    # The unseen may gain from -2 to 2, which is 2.5 below and 1.5 above.
    assert found.ci95 == pytest.approx((0.5 - share * 2.5, 0.5 + share * 1.5))
    assert found.p == pytest.approx((1 - 0.498 / 2.5) ** 20)
    assert word(found) == "beats"


def test_a_baseline_without_error_is_not_beaten_nor_is_it_said_to_be_better():
    errors = np.zeros(200)
    found = compare(errors, errors + 0.5, np.arange(200) % 40)
    assert (found.gain, found.p) == (-0.5, 1.0)


@given(
    seed=st.integers(0, 10_000),
    gain=st.sampled_from([-0.1, 0.0, 0.1, 1.0]),
    users=st.integers(2, 40),
    rows=st.integers(1, 6),
)
def test_swapping_the_two_mirrors_what_the_spread_says(seed, gain, users, rows):
    """The bound for unseen users is of the baseline's error, and so is another after a swap."""
    baseline, other, of = world(seed, gain=gain, users=users, rows=rows)
    there, back = compare(baseline, other, of), compare(other, baseline, of)
    assert back.gain == pytest.approx(-there.gain)
    assert back.standard_error == pytest.approx(there.standard_error)
    for mine, theirs in zip(there.criteria[:2], back.criteria[:2], strict=True):
        assert [mine.reach(0.05, -1), mine.reach(0.05, 1)] == pytest.approx(
            [theirs.reach(0.05, 1), theirs.reach(0.05, -1)]
        )
        assert mine.p(0.2, -1) == pytest.approx(theirs.p(0.2, 1))


def test_several_are_compared_as_each_would_be_alone_and_again_the_same():
    baseline, other, users = world(10, gain=0.1)
    others = {"other": other, "worse": other + 0.5, "same": baseline}
    together = compare_all(baseline, others, users)
    assert {name: compare(baseline, errors, users) for name, errors in others.items()} == together
    assert compare_all(baseline, {}, users) == {}


def test_users_may_have_any_names_in_any_order():
    baseline, other, users = world(11, gain=0.1)
    order = np.random.default_rng(1).permutation(len(users))
    named = compare(baseline[order], other[order], np.array([f"u{user}" for user in users])[order])
    assert named.ci95 == pytest.approx(compare(baseline, other, users).ci95)


def test_a_published_number_is_compared_by_the_errors_of_one_predictor_alone():
    draw = np.random.default_rng(11)
    users = np.arange(2000)
    errors = draw.exponential(0.8, len(users))
    found = compare_with_number(0.83, errors, users)
    half = 1.96 * errors.std() / np.sqrt(len(errors))
    assert found.gain == pytest.approx(0.83 - errors.mean())
    assert found.ci95 == pytest.approx((found.gain - half, found.gain + half), abs=0.15 * half)
    assert compare_with_number(2.0, errors, users).p < 1e-3


def test_an_interval_against_a_number_covers_the_true_gain():
    draw = np.random.default_rng(12)
    users = np.repeat(np.arange(200), 4)
    covered = 0
    for _ in range(200):
        low, high = compare_with_number(1.2, draw.exponential(1.0, len(users)), users).ci95
        covered += low <= 0.2 <= high
    assert 0.92 * 200 <= covered < 200


def test_a_million_rows_take_well_under_three_seconds():
    draw = np.random.default_rng(14)
    baseline, users = draw.exponential(1, 1_000_000), draw.integers(0, 200_000, 1_000_000)
    others = {str(place): baseline + draw.normal(0, 0.5, 1_000_000) for place in range(4)}
    start = time.process_time()
    compare_all(baseline, others, users)
    assert time.process_time() - start < 3


def test_only_the_ratios_of_weights_count():
    baseline, other, users = world(6, gain=0.2, skewed=True)
    weights = np.random.default_rng(0).exponential(1, len(users)) + 0.1
    found, larger = compare(baseline, other, users, weights), compare(baseline, other, users, 1000 * weights)
    assert larger.ci95 == pytest.approx(found.ci95, rel=1e-9)
    assert larger.p == pytest.approx(found.p, rel=1e-9)
    assert larger.effective_users == pytest.approx(found.effective_users, rel=1e-9)
    assert (larger.ratings, found.ratings) == (len(users), len(users))


def test_weights_of_1_change_no_digit():
    baseline, other, users = world(7, gain=0.1, skewed=True)
    plain, ones = compare(baseline, other, users), compare(baseline, other, users, np.ones(len(users)))
    assert replace(ones, weighted=False) == plain


def test_a_row_of_weight_2_moves_gain_and_interval_as_the_row_twice():
    """But for degrees of freedom, which two equal rows raise a little: they are taken for two observations."""
    baseline, other, users = world(8, gain=0.2)
    often = np.random.default_rng(0).integers(1, 4, len(users))
    found = compare(baseline, other, users, often.astype(float))
    twice = compare(*(np.repeat(values, often) for values in (baseline, other, users)))
    assert found.gain == pytest.approx(twice.gain, rel=1e-9)
    assert found.standard_error == pytest.approx(twice.standard_error, rel=1e-9)
    assert found.ci95 == pytest.approx(twice.ci95, abs=0.02 * found.standard_error)
    assert found.effective_users <= twice.effective_users + 1e-9


def test_of_one_user_with_nearly_all_weight_nothing_is_told():
    baseline, other, users = world(9, gain=0.2)
    heavy = np.where(users == 0, 1e4, 1.0)
    assert compare(baseline, other, users, heavy).ci95 is None


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("level", [1e-15, 1.0, 1e15])
@pytest.mark.parametrize("light", [1.0, 1e-18])
def test_weights_of_any_size_are_compared(level, light):
    """Also where all but nothing of each user's weight is one row's, so that rows within users tell nothing."""
    baseline, other, _ = world(8, gain=0.2)
    users = np.arange(len(baseline)) // 2
    found = compare(baseline, other, users, level * np.where(np.arange(len(users)) % 2, 1.0, light))
    low, high = found.ci95
    assert low < found.gain < high
    assert 0 < found.p < 1
    assert found.effective_users == pytest.approx(found.users)
