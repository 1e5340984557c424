import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import bootstrap, norm

from reeltune.trainables.scoring.verdict import (
    Comparison,
    compare,
    compare_all,
    compare_with_number,
    holm,
    judge,
    needed,
    spread,
)


def world(seed, *, gain=0.0, users=60, rows=8, skewed=False):
    """Squared errors of a baseline and of another that gains `gain` a row in the mean, and the rows' users."""
    draw = np.random.default_rng(seed)
    of = np.repeat(np.arange(users), rows)
    noise = draw.exponential(1, users) - 1 if skewed else draw.normal(0, 1, users)
    other = draw.exponential(1, len(of))
    return other + gain + noise[of] * 0.3 + draw.normal(0, 0.3, len(of)), other, of


def comparison(*, gain, ci95, p):
    return Comparison(gain=gain, ci95=ci95, p=p, standard_error=0.05, ratings=1000, nothing=0.001)


def scipys(baseline, other, users):
    """The same interval by scipy, which resamples the sums and counts of users in pairs."""
    gains = baseline - other
    totals, counts = np.bincount(users, weights=gains), np.bincount(users)

    def mean(totals, counts, axis=-1):
        return totals.sum(axis) / counts.sum(axis)

    done = bootstrap((totals, counts), mean, paired=True, method="BCa", n_resamples=10_000, rng=5)
    return tuple(done.confidence_interval)


@pytest.mark.parametrize(("seed", "skewed"), [(0, False), (1, True), (2, True)])
def test_the_interval_is_scipys(seed, skewed):
    baseline, other, users = world(seed, gain=0.1, skewed=skewed)
    drop = np.random.default_rng(seed).random(len(users)) < 0.5  # users of uneven numbers of rows
    baseline, other, users = baseline[drop], other[drop], np.unique(users[drop], return_inverse=True)[1]
    found = compare(baseline, other, users, seed=1)
    low, high = scipys(baseline, other, users)
    assert found.gain == pytest.approx((baseline - other).mean())
    assert found.ci95 == (pytest.approx(low, abs=0.05 * (high - low)), pytest.approx(high, abs=0.05 * (high - low)))


@given(seed=st.integers(0, 10_000), gain=st.sampled_from([-0.1, 0.0, 0.05, 0.08, 0.1, 0.3]), skewed=st.booleans())
def test_p_is_small_exactly_when_no_gain_that_counts_for_none_is_in_the_interval(seed, gain, skewed):
    found = compare(*world(seed, gain=gain, users=20, rows=3, skewed=skewed), seed=seed)
    low, high = found.ci95
    assert low <= found.gain <= high
    assert 0 < found.p <= 1
    if abs(found.p - 0.05) > 0.002:  # at the border, two quantiles of the same draws may differ by one draw
        assert (found.p < 0.05) == (low > found.nothing or high < -found.nothing)


def test_p_is_the_normal_ones_where_gains_are_normal():
    baseline, other, users = world(3, gain=0.03, users=400)
    found = compare(baseline, other, users, seed=1)
    by_user = np.bincount(users, weights=baseline - other) / 8
    z = (by_user.mean() - found.nothing) / (by_user.std(ddof=1) / 20)
    assert found.p == pytest.approx(2 * norm.sf(abs(z)), rel=0.25)


def test_the_interval_covers_the_true_gain_about_as_often_as_it_says():
    covered = 0
    for seed in range(200):
        low, high = compare(*world(seed, gain=0.1, users=40, rows=2), seed=seed).ci95
        covered += low <= 0.1 <= high
    assert 0.88 * 200 <= covered <= 200
    assert covered < 200  # an interval that always covers says nothing


def test_rows_of_one_user_are_one_observation():
    """Copies of a user's rows are no news; rows of new users would be."""
    baseline, other, users = world(4, gain=0.1, users=30, rows=2)
    nine = [np.tile(part, 9) for part in (baseline, other, users)]
    strangers = np.arange(len(nine[2]))

    def width(found):
        return found.ci95[1] - found.ci95[0]

    once, copied = compare(baseline, other, users, seed=1), compare(*nine, seed=1)
    assert width(copied) == pytest.approx(width(once))
    assert width(compare(nine[0], nine[1], strangers, seed=1)) < 0.6 * width(once)


@pytest.mark.parametrize("users", [1, 2, 19])
def test_few_users_are_never_enough_for_a_verdict_and_their_rows_give_the_interval(users):
    baseline, other, _ = world(5, gain=0.5)
    found = compare(baseline, other, np.arange(len(baseline)) % users, seed=1)
    assert found.ci95 == compare(baseline, other, np.arange(len(baseline)), seed=1).ci95
    assert found.ci95[0] < found.gain < found.ci95[1]
    assert judge({"other": found})["other"].word == "undecided"


def test_a_gain_of_next_to_nothing_is_none_however_sure_it_is():
    errors = np.random.default_rng(15).exponential(1, 1000)
    users = np.repeat(np.arange(100), 10)
    for share, word in ((0.0005, "undecided"), (0.002, "beats")):
        found = compare(errors, errors * (1 - share), users, seed=1)
        assert found.ci95[0] > 0
        assert judge({"other": found})["other"].word == word


def test_predictors_that_differ_for_a_few_users_alone_are_undecided():
    # Four rows of 800 differ, by chance all in favour of one.
    baseline, users = np.ones(800), np.repeat(np.arange(100), 8)
    other = baseline.copy()
    other[[3, 100, 300, 500]] = 0.0
    found = compare(baseline, other, users, seed=1)
    assert found.ci95[0] < 0 < found.gain < found.ci95[1]
    verdict = judge({"other": found})["other"]
    assert (verdict.word, verdict.needed_ratings) == ("undecided", None)


def test_one_row_is_not_enough_for_a_verdict():
    found = compare(np.array([1.0]), np.array([0.9]), np.array([1]), seed=1)
    assert found.p == 1


def test_the_same_seed_gives_the_same_answer():
    first, again, other = (compare(*world(6, gain=0.05), seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first.ci95 != other.ci95
    assert first.ci95 == pytest.approx(other.ci95, abs=0.02)


@given(
    seed=st.integers(0, 10_000),
    gain=st.sampled_from([-0.1, 0.0, 0.1, 1.0]),
    users=st.integers(1, 40),
    rows=st.integers(1, 6),
)
def test_swapping_the_two_mirrors_the_interval(seed, gain, users, rows):
    baseline, other, of = world(seed, gain=gain, users=users, rows=rows)
    there, back = compare(baseline, other, of, seed=1), compare(other, baseline, of, seed=1)
    assert back.gain == -there.gain
    assert back.ci95 == pytest.approx((-there.ci95[1], -there.ci95[0]), abs=1e-9)
    assert back.p == pytest.approx(there.p, abs=2e-3)
    assert back.standard_error == (None if users < 20 else pytest.approx(there.standard_error))


def test_several_are_compared_as_each_would_be_alone():
    baseline, other, users = world(10, gain=0.1)
    others = {"other": other, "worse": other + 0.5, "same": baseline}
    together = compare_all(baseline, others, users, seed=1)
    assert together.keys() == others.keys()
    for name, errors in others.items():
        alone = compare(baseline, errors, users, seed=1)
        assert together[name].ci95 == pytest.approx(alone.ci95)
        assert together[name].p == pytest.approx(alone.p, abs=1e-3)
    assert compare_all(baseline, {}, users, seed=1) == {}


def test_the_standard_error_is_the_spread_of_the_gain_over_worlds(monkeypatch):
    monkeypatch.setattr("reeltune.trainables.scoring.verdict.RESAMPLES", 100)  # it needs none
    # Users of uneven numbers of rows, whose rows hang together.
    found = []
    for seed in range(300):
        baseline, other, users = world(seed, gain=0.1, users=80)
        kept = np.random.default_rng(seed).random(len(users)) < np.linspace(0.1, 1, 80)[users]
        found.append(compare(baseline[kept], other[kept], users[kept], seed=1))
    spread_of_gains = np.std([one.gain for one in found], ddof=1)
    assert np.mean([one.standard_error for one in found]) == pytest.approx(spread_of_gains, rel=0.1)


def test_a_published_number_is_compared_by_the_errors_of_one_predictor_alone():
    draw = np.random.default_rng(11)
    users = np.arange(2000)
    errors = draw.exponential(0.8, len(users))
    found = compare_with_number(0.83, errors, users, seed=1)
    half = 1.96 * errors.std() / np.sqrt(len(errors))
    assert found.gain == pytest.approx(0.83 - errors.mean())
    assert found.ci95 == pytest.approx((found.gain - half, found.gain + half), abs=0.15 * half)
    assert compare_with_number(2.0, errors, users, seed=1).p < 1e-3


def test_an_interval_against_a_number_covers_the_true_gain():
    draw = np.random.default_rng(12)
    users = np.repeat(np.arange(50), 4)
    covered = 0
    for seed in range(200):
        low, high = compare_with_number(1.2, draw.exponential(1.0, len(users)), users, seed=seed).ci95
        covered += low <= 0.2 <= high
    assert 0.9 * 200 <= covered < 200


@pytest.mark.parametrize("judged", [1, 4])
def test_with_the_needed_ratings_four_samples_in_five_show_the_gain(judged, monkeypatch):
    monkeypatch.setattr("reeltune.trainables.scoring.verdict.RESAMPLES", 1000)
    first = compare(*world(13, gain=0.03, users=100, rows=4), seed=1)
    assert first.p > 0.05
    assert first.ratings == 400
    # Worlds in which the gain that was found is the true one.
    enough = needed(first, judged=judged)
    shown = [
        compare(*world(1000 + seed, gain=first.gain, users=round(enough / 4), rows=4), seed=1).p < 0.05 / judged
        for seed in range(150)
    ]
    assert np.mean(shown) == pytest.approx(0.8, abs=0.1)


def test_no_number_of_ratings_is_needed_where_none_could_be_told():
    assert needed(compare(*world(5, gain=0.5, users=19), seed=1)) is None  # too few users to know how they differ
    errors, _, users = world(9)
    assert needed(compare(errors, errors, users, seed=1)) is None


def test_twenty_thousand_rows_take_well_under_three_seconds():
    draw = np.random.default_rng(14)
    baseline, users = draw.exponential(1, 20_000), draw.integers(0, 6000, 20_000)
    others = {str(place): baseline + draw.normal(0, 0.5, 20_000) for place in range(4)}
    start = time.process_time()
    compare_all(baseline, others, users, seed=1)
    assert time.process_time() - start < 3


def test_the_draws_come_in_blocks_that_change_nothing_but_memory(monkeypatch):
    baseline, other, users = world(8, gain=0.1)
    whole = compare(baseline, other, users, seed=1)
    monkeypatch.setattr("reeltune.trainables.scoring.verdict.BLOCK", 60 * 1000)
    blocks = compare(baseline, other, users, seed=1)
    assert blocks.ci95 == pytest.approx(whole.ci95, rel=1e-12)
    assert blocks.p == pytest.approx(whole.p, abs=1e-3)


def test_identical_predictors_are_undecided():
    errors, _, users = world(9)
    found = compare(errors, errors, users, seed=1)
    assert (found.gain, found.ci95, found.p, found.standard_error) == (0.0, (0.0, 0.0), 1.0, None)
    verdict = judge({"same": found})["same"]
    assert (verdict.word, verdict.needed_ratings) == ("undecided", None)


def test_the_same_gain_on_every_row_is_sure():
    errors = np.full(80, 2.0)
    found = compare(errors, errors - 0.5, np.repeat(np.arange(20), 4), seed=1)
    assert (found.gain, found.ci95) == (0.5, (0.5, 0.5))
    assert judge({"better": found})["better"].word == "beats"


def test_holm_by_hand():
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06})
    assert holm({"a": 0.5, "b": 0.9}) == {"a": 1.0, "b": 1.0}
    assert holm({"a": 0.02}) == {"a": 0.02}
    assert holm({}) == {}


@given(st.dictionaries(st.text(max_size=3), st.floats(0, 1), max_size=6))
def test_holm_only_raises_keeps_the_order_and_stays_below_bonferroni(p_values):
    adjusted = holm(p_values)
    assert adjusted.keys() == p_values.keys()
    for name, p in p_values.items():
        assert p <= adjusted[name] <= min(1, p * len(p_values))
    ordered = sorted(p_values, key=p_values.get)
    assert [adjusted[name] for name in ordered] == sorted(adjusted.values())


def test_the_words():
    verdicts = judge(
        {
            "better": comparison(gain=0.1, ci95=(0.05, 0.15), p=0.001),
            "worse": comparison(gain=-0.1, ci95=(-0.15, -0.05), p=0.002),
            # Its own interval leaves 0 out; judged among three it is not enough.
            "near": comparison(gain=0.1, ci95=(0.001, 0.2), p=0.049),
            "even": comparison(gain=0.0, ci95=(-0.1, 0.1), p=0.9),
        }
    )
    assert {name: verdict.word for name, verdict in verdicts.items()} == {
        "better": "beats",
        "worse": "worse",
        "near": "undecided",
        "even": "undecided",
    }
    assert verdicts["near"].p_holm == pytest.approx(0.098)
    needed = {name: verdict.needed_ratings for name, verdict in verdicts.items()}
    assert needed["better"] is needed["worse"] is needed["even"] is None
    assert needed["near"] > 1000


def test_the_spread_is_the_deviation_of_the_seeds_mse():
    errors = np.array([[1.0, 3.0], [2.0, 4.0], [3.0, 5.0]])
    assert spread(errors) == pytest.approx(1.0)
    assert spread(errors[:1]) == 0
