import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reeltune.trainables.scoring.comparison import compare, comparison
from reeltune.trainables.scoring.verdict import holm, judge, spread
from tests.trainables.scoring.made import alike, world


def test_an_undecided_gain_says_what_is_missing_and_a_decided_one_nothing():
    verdicts = judge(
        {
            "better": compare(*world(1, gain=1.0)),
            "even": compare(*world(2, gain=0.02)),
            "few": compare(*world(3, users=5)),
        }
    )
    better, even, few = verdicts.values()
    assert (better.word, better.missing, better.needed_users, better.needed_ratings) == ("beats", None, None, None)
    assert even.word == few.word == "undecided"
    assert even.missing.endswith("would be needed to see it")
    assert even.needed_ratings == math.ceil(8 * even.needed_users) > 480
    assert (few.needed_users, few.needed_ratings) == (None, None)
    assert few.missing.startswith("the test rows are of 5 users")


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


def known(*, gain, p):
    """A comparison of 60 users with this gain and p."""
    return replace(comparison(alike(np.resize([0.1, -0.05], 60))), gain=gain, p=p)


def test_the_words():
    verdicts = judge(
        {
            "better": known(gain=0.1, p=0.001),
            "worse": known(gain=-0.1, p=0.002),
            # Judged alone it would be enough; judged among four it is not.
            "near": known(gain=0.1, p=0.049),
            "even": known(gain=0.0, p=0.9),
        }
    )
    assert {name: verdict.word for name, verdict in verdicts.items()} == {
        "better": "beats",
        "worse": "worse",
        "near": "undecided",
        "even": "undecided",
    }
    assert verdicts["near"].p_holm == pytest.approx(0.098)


def test_the_spread_is_the_deviation_of_the_seeds_mse():
    errors = np.array([[1.0, 3.0], [2.0, 4.0], [3.0, 5.0]])
    assert spread(errors) == pytest.approx(1.0)
    assert spread(errors[:1]) == 0


def test_the_spread_over_seeds_is_of_weighted_means():
    errors = np.array([[1.0, 3.0], [2.0, 0.0]])
    assert spread(errors, np.array([3.0, 1.0])) == pytest.approx(np.std([1.5, 1.5], ddof=1))
    assert spread(errors, np.array([1.0, 3.0])) == pytest.approx(np.std([2.5, 0.5], ddof=1))
    assert spread(errors[:1], np.array([1.0, 3.0])) == 0
