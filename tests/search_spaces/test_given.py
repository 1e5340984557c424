"""Samplers that a program gives as Optuna's own objects."""

import warnings

import numpy as np
import optuna
import pytest
from optuna.samplers import GPSampler, PartialFixedSampler, QMCSampler, RandomSampler, TPESampler

from reeltune.search_spaces import SAMPLERS, Outcome, Study, check_sampler, maker, sampling_of, seeded, text_of
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.errors import InputError
from tests.search_spaces.test_samplers import CONDITIONAL, SHAPE

with warnings.catch_warnings(action="ignore", category=optuna.exceptions.ExperimentalWarning):
    HALTON = QMCSampler(seed=7, qmc_type="halton")
    ALL = optuna.samplers.BruteForceSampler(seed=1)
    FIXED = PartialFixedSampler({"epochs": 3}, RandomSampler())


class Stubborn(RandomSampler):
    """Somebody's own, with a bug."""

    def sample_independent(self, study, trial, param_name, param_distribution):
        raise KeyError("no such thing")


class WithItsOwnNumbers(RandomSampler):
    """Somebody's own, which draws from numpy's newer generator."""

    def __init__(self):
        super().__init__()
        self._rng = np.random.default_rng(1)


def drawn(sampler, count=8, *, resumed=False):
    study = Study("classifier", ARCHITECTURES["classifier"], CONDITIONAL, SHAPE, seed=42, sampler=sampler)
    asked = []
    for number in range(count):
        asked.append(study.ask(str(number), number))
        study.tell(str(number), Outcome(state="done", value=asked[-1]["learning_rate"]), {})
    return asked[1:]


@pytest.mark.parametrize(
    ("sampler", "text"),
    [
        ("tpe", "tpe"),
        (GPSampler(seed=1), "GPSampler(seed=1)"),
        (GPSampler(seed=0, n_startup_trials=3), "GPSampler(seed=0, n_startup_trials=3)"),
        (TPESampler(), "TPESampler()"),
        (RandomSampler(seed=7), "RandomSampler(seed=7)"),
        (HALTON, "QMCSampler(seed=7, qmc_type='halton')"),
        (FIXED, "PartialFixedSampler(fixed_params={'epochs': 3})"),
    ],
)
def test_a_run_keeps_its_class_its_seed_and_what_differs_from_the_defaults(sampler, text):
    assert text_of(sampler) == text
    assert sampling_of(sampler) is sampler


def test_it_is_known_whether_it_has_a_seed_and_telling_draws_nothing():
    sampler = GPSampler(seed=3)
    assert seeded(sampler)
    assert not seeded(GPSampler())
    text_of(sampler)
    assert drawn(maker(sampler)) == drawn(maker(GPSampler(seed=3)))


@pytest.mark.parametrize("sampler", [GPSampler(seed=1, n_startup_trials=3), TPESampler(seed=1), RandomSampler(seed=1)])
def test_each_study_has_a_copy_of_its_own_and_draws_what_its_seed_says(sampler):
    assert drawn(maker(sampler)) == drawn(maker(sampler))


def test_a_resumed_study_draws_other_points_than_those_that_were_tried():
    sampler = RandomSampler(seed=1)
    rates = [{point["learning_rate"] for point in drawn(maker(sampler, resumed=again))} for again in (False, True)]
    assert not rates[0] & rates[1]


@pytest.mark.parametrize(
    ("sampler", "sentence"),
    [
        (optuna.samplers.NSGAIISampler(seed=1), "it is for several objectives, and a search has one"),
        (ALL, 'give sampler="grid"'),
        (optuna.samplers.GridSampler({"epochs": [1]}), 'give sampler="grid"'),
        (RandomSampler, "expected a name or an object of optuna.samplers"),
        ("cmaes", f"expected {', '.join(list(SAMPLERS)[:-1])} or grid"),
        ("GPSampler(seed=1)", "an Optuna sampler is given from Python: rt.tune(..., sampler=...)"),
    ],
)
def test_what_cannot_be_asked_trial_by_trial_is_refused(sampler, sentence):
    with pytest.raises(InputError) as caught:
        sampling_of(sampler)
    assert sentence in str(caught.value)


def test_somebodys_own_may_keep_its_random_numbers_as_it_likes():
    sampler = WithItsOwnNumbers()
    assert sampling_of(sampler) is sampler
    assert text_of(sampler) == "WithItsOwnNumbers()"
    assert not seeded(sampler)


def test_one_that_cannot_draw_from_a_space_is_refused_before_anything_runs():
    with pytest.raises(InputError, match=r"Stubborn.*: cannot draw from the space of classifier: .*no such thing"):
        check_sampler(Stubborn(seed=1), {"classifier": CONDITIONAL}, ARCHITECTURES, SHAPE)
    check_sampler(GPSampler(seed=1), {"classifier": CONDITIONAL}, ARCHITECTURES, SHAPE)
