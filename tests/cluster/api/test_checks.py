"""Options that mean something together."""

import numpy as np
import pytest

from reeltune.cluster.api.checks import at_least, sample_of, scheduler_of, whole_number
from reeltune.cluster.search.schedulers import SCHEDULERS
from reeltune.trainables.errors import InputError


def test_without_a_word_trials_are_halved():
    assert scheduler_of(None, asha=None) == "asha"


@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_scheduler_is_taken_by_its_name(name):
    assert scheduler_of(name, asha=None) == name


@pytest.mark.parametrize(("asha", "name"), [(True, "asha"), (False, "none")])
def test_the_older_flags_mean_a_scheduler_and_may_stand_beside_its_name(asha, name):
    assert scheduler_of(None, asha=asha) == name
    assert scheduler_of(name, asha=asha) == name


@pytest.mark.parametrize(("asha", "name"), [(True, "none"), (True, "median"), (False, "asha"), (False, "median")])
def test_a_flag_and_a_name_that_differ_are_refused(asha, name):
    with pytest.raises(InputError, match="give one of them"):
        scheduler_of(name, asha=asha)


@pytest.mark.parametrize(
    ("word", "rows"), [(None, None), ("all", "all"), ("1000", 1000), (2_000_000, 2_000_000), (np.int64(5000), 5000)]
)
def test_a_sample_is_a_number_of_ratings_or_all(word, rows):
    assert sample_of(word) == rows


@pytest.mark.parametrize("number", [3, np.int64(3)])
def test_a_whole_number_may_be_numpys(number):
    assert type(whole_number("--trials", number, 1)) is int


@pytest.mark.parametrize("number", [0.5, np.float32(0.5), 1])
def test_a_number_is_at_least_as_much(number):
    assert at_least("--drain", number, 0.5) == number


@pytest.mark.parametrize("word", ["999", 0, -5, "some", "1e6", 1.5, "", True])
def test_another_sample_is_refused(word):
    with pytest.raises(InputError, match=rf"--sample {word}: expected a number of ratings from 1,000 on, or all"):
        sample_of(word)
