import numpy as np
import pytest
from scipy.stats import binom

from reeltune.trainables.scoring.unseen import Unseen, unseen
from tests.trainables.scoring.made import alike


def test_a_kind_that_95_samples_in_100_would_show_may_not_be_missing():
    found = Unseen(users=100, below=1.0, above=0.5)
    share = found.reach(0.05, -1)
    assert binom.pmf(0, 100, share) == pytest.approx(0.05)
    assert share == pytest.approx(3 / 100, rel=0.02)  # the rule of three
    assert found.reach(0.05, 1) == pytest.approx(share / 2)
    assert found.reach(0.05, -1, times=2) == pytest.approx(Unseen(users=200, below=1.0, above=0.5).reach(0.05, -1))


def test_p_is_the_chance_that_no_user_is_of_the_kind_that_would_undo_the_gain():
    found = Unseen(users=100, below=1.0, above=0.5)
    assert found.p(0.02, -1) == pytest.approx(binom.pmf(0, 100, 0.02))
    assert found.p(0.02, 1) == pytest.approx(binom.pmf(0, 100, 0.04))


def test_a_gain_that_no_kind_could_undo_is_sure():
    assert Unseen(users=20, below=0.4, above=0.0).p(0.4, -1) == 0
    assert Unseen(users=20, below=0.4, above=0.0).p(0.1, 1) == 0


def test_the_unseen_may_lose_the_baselines_whole_error_or_gain_it_as_far_as_nobody_seen_does():
    effects = np.array([0.3, 0.1, -0.2, 0.2])  # mean 0.1
    found = unseen(alike(effects, error=0.8))
    assert found.below == pytest.approx(0.8 + 0.1 - 0.3)
    assert found.above == pytest.approx(0.8 - 0.1 - 0.2)
    assert unseen(alike([-5.0, 0.1, 0.1], error=0.8)).below == 0  # somebody seen is farther out


def test_of_one_predictor_twice_nothing_is_unseen():
    assert unseen(alike([0.0] * 30)).reach(0.05, -1) == 0
