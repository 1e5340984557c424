"""Every sampler through the same suite, each in a study as a search has it."""

import math
import warnings

import optuna
import pytest

from reeltune.search_spaces import SAMPLERS, Outcome, Parameter, Space, Study, shipped
from reeltune.search_spaces.samplers import STARTUP, Draw
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data.shape import Shape
from tests.worlds import STARS

SHAPE = Shape(users=944, items=1665, scale=STARS)
TRIALS = STARTUP + 4  # past those that every sampler draws at random
EVERY = pytest.mark.parametrize("sampler", SAMPLERS)

LOSS = Parameter(choices=["cost_regression", "reverse_kl"])
WIDTH = Parameter(low=0.5, high=2.0, when={"loss": "reverse_kl"})
RATE = Parameter(low=1e-4, high=1e-1, log=True)
CONDITIONAL = Space(
    architecture="classifier",
    parameters={
        "loss": LOSS,
        "label_width": WIDTH,
        "learning_rate": RATE,
        "epochs": Parameter(low=2, high=8, step=2),
        "dropout": Parameter(low=0.0, high=0.5, step=0.25),
    },
)


def new_study(sampler, *, seed=42, space=CONDITIONAL):
    architecture = ARCHITECTURES[space.architecture]
    return Study(space.architecture, architecture, space, SHAPE, seed=seed, sampler=SAMPLERS[sampler])


def outcome(config, number):
    """Every fourth trial is stopped, every fifth fails."""
    value = config.get("learning_rate", 1.0) + number / 100
    if number % 5 == 4:
        return Outcome(state="failed", value=None)
    if number % 4 == 3:
        return Outcome(state="stopped", value=value, curve={50: value})
    return Outcome(state="done", value=value, curve={50: value + 1, 100: value})


def searched(study, count=TRIALS):
    """Asks and tells in turn, failures too; the configurations."""
    asked = []
    for number in range(count):
        asked.append(study.ask(str(number), number))
        study.tell(str(number), outcome(asked[-1], number), {})
    return asked


@EVERY
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_configuration_is_one_of_the_shipped_space(name, sampler):
    space = shipped(name, ARCHITECTURES[name]).on(SHAPE, ARCHITECTURES[name])
    for config in searched(new_study(sampler, space=space))[1:]:
        assert ARCHITECTURES[name].Config.model_validate(config).model_dump() == config
        assert space.point(config) is not None


@EVERY
def test_a_parameter_is_drawn_only_where_it_applies(sampler):
    study = new_study(sampler)
    asked = searched(study, 2 * TRIALS)
    assert {config["loss"] for config in asked[1:]} == {"cost_regression", "reverse_kl"}
    for config, trial in zip(asked[1:], study._study.trials[1:], strict=True):  # the reference is outside the space
        assert ("label_width" in trial.params) == (config["loss"] == "reverse_kl")


@EVERY
def test_the_same_seed_draws_the_same_and_another_does_not(sampler):
    first, again, other = (searched(new_study(sampler, seed=seed)) for seed in (1, 1, 2))
    assert first == again
    assert first[0] == other[0], "the reference"
    assert first[1:] != other[1:]


@EVERY
def test_a_study_rebuilt_from_its_history_draws_what_an_undisturbed_one_does(sampler):
    undisturbed = new_study(sampler)
    history = searched(undisturbed)
    rebuilt = new_study(sampler)
    for number, config in enumerate(history):
        rebuilt.add(str(number), config, outcome(config, number), {})
    assert rebuilt.ask("next", TRIALS) == undisturbed.ask("next", TRIALS)


@EVERY
def test_trials_that_all_fail_keep_no_sampler_from_drawing(sampler):
    study = new_study(sampler)
    asked = []
    for number in range(TRIALS):
        asked.append(study.ask(str(number), number))
        study.tell(str(number), Outcome(state="failed", value=None), {})
    assert len({str(config) for config in asked}) > TRIALS / 2


@EVERY
def test_trials_that_run_at_the_same_time_are_not_the_same(sampler):
    study = new_study(sampler)
    asked = [study.ask(str(number), number) for number in range(TRIALS)]
    assert len({str(config) for config in asked}) > TRIALS / 2


@EVERY
def test_a_space_that_leaves_nothing_to_vary_gives_its_one_configuration(sampler):
    space = Space(architecture="pmf", parameters={}, fixed={"factors": 7})
    assert {config["factors"] for config in searched(new_study(sampler, space=space), 4)[1:]} == {7}


def points(sampler, count):
    """What a sampler draws of the conditional space, without the reference."""
    study = new_study(sampler)
    searched(study, count + 1)
    return [trial.params for trial in study._study.trials[1:]]


def test_the_grid_has_each_combination_once_and_then_random_points():
    numbers = {"epochs": (2, 6, 8), "dropout": (0.0, 0.25, 0.5), "learning_rate": (1e-4, 10**-2.5, 1e-1)}
    combinations = 3**3 * (1 + 3)  # label_width has three values, and applies to one of the two losses
    drawn = points("grid", combinations + 5)
    grid = [tuple(sorted(point.items())) for point in drawn[:combinations]]
    assert len(set(grid)) == combinations
    for name, values in numbers.items():
        assert sorted({point[name] for point in drawn[:combinations]}) == pytest.approx(values)
    assert not {tuple(sorted(point.items())) for point in drawn[combinations:]} & set(grid)


def test_a_space_of_more_combinations_than_a_machine_counts_has_a_grid():
    space = Space(architecture="pmf", parameters={f"p{number}": Parameter(low=0.0, high=1.0) for number in range(41)})
    drawn = []
    with warnings.catch_warnings(action="ignore", category=optuna.exceptions.ExperimentalWarning):
        for place in range(3):
            sampler = SAMPLERS["grid"](Draw(space=space, place=place, seed=place, study_seed=1))
            trial = optuna.create_study(sampler=sampler).ask()
            drawn.append(tuple(space.suggest(trial).values()))
    assert len(set(drawn)) == 3
    assert {value for point in drawn for value in point} == {0.0, 0.5, 1.0}


def test_quasi_random_points_have_one_in_each_part_of_a_range():
    shares = [(math.log10(point["learning_rate"]) + 4) / 3 for point in points("qmc", 16)]
    assert sorted(int(16 * share) for share in shares) == list(range(16))


@pytest.mark.parametrize(
    ("parameter", "shares"),
    [
        (Parameter(choices=["a", "b"]), {0.0: "a", 0.49: "a", 0.5: "b", 1.0: "b"}),
        (Parameter(low=1, high=4), {0.0: 1, 0.24: 1, 0.26: 2, 0.99: 4, 1.0: 4}),
        (Parameter(low=1, high=100, log=True), {0.0: 1, 1.0: 100}),
        (Parameter(low=0.0, high=1.0, step=0.5), {0.0: 0.0, 0.5: 0.5, 1.0: 1.0}),
        (Parameter(low=1e-4, high=1e-2, log=True), {0.0: 1e-4, 0.5: pytest.approx(1e-3), 1.0: 1e-2}),
    ],
)
def test_a_share_of_a_range_is_a_value_of_it(parameter, shares):
    assert {share: parameter.at(share) for share in shares} == shares
    assert all(parameter.admits(parameter.at(share / 100)) for share in range(101))
    assert {type(parameter.at(share)) for share in shares} == {type(value) for value in parameter.samples()}
