import numpy as np
import pytest

from reeltune.search_spaces import Size, Space, Study, carried, holds, shipped
from reeltune.search_spaces.space import Parameter
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data.scale import Scale
from reeltune.trainables.data.shape import Shape
from tests.models import SEARCHED
from tests.worlds import STARS

SMALL = Shape(users=41, items=31, scale=STARS, ratings=72_000)
LARGE = Shape(users=944, items=1665, scale=Scale.of(np.arange(1.0, 11.0)), ratings=7_200_000)
EVERY = pytest.mark.parametrize("name", SEARCHED)


def reference(name, shape):
    return ARCHITECTURES[name].reference(shape).model_dump()


def turned(config, *, searched, space=None, name="pmf", was=SMALL, shape=LARGE):
    """A configuration of `searched` for `space`, both as they are declared."""
    return carried(
        config,
        searched=searched.on(was, ARCHITECTURES[name]),
        space=space or searched,
        was=Size.of(was),
        shape=shape,
        architecture=ARCHITECTURES[name],
    )


def space_of(name="pmf", fixed=None, **parameters):
    return Space(architecture=name, parameters=parameters, fixed=fixed or {})


@EVERY
def test_whatever_a_shipped_space_draws_it_holds_on_other_data_with_the_same_steps_per_epoch(name):
    space = shipped(name, ARCHITECTURES[name])
    study = Study(name, ARCHITECTURES[name], space.on(SMALL, ARCHITECTURES[name]), SMALL, seed=1)
    for number in range(1, 40):
        config = study.ask(str(number), number)
        found = turned(config, searched=space, name=name)
        assert found is not None
        assert holds(space.on(LARGE, ARCHITECTURES[name]), found, reference(name, LARGE))
        for field in space.active(config):
            if field == "batch_size":
                assert LARGE.ratings / found[field] == pytest.approx(SMALL.ratings / config[field], rel=0.5)
            elif space.parameters[field].sized:
                there, here = (reference(name, shape)[field] for shape in (SMALL, LARGE))
                assert found[field] == pytest.approx(config[field] * here / there)
            else:
                assert found[field] == config[field]
        for field in config.keys() - space.parameters.keys():
            assert found[field] == reference(name, LARGE)[field]


def test_on_sparser_data_decays_stay_the_same_share_of_the_reference():
    dense, sparse = (Shape(users=101, items=101, scale=STARS, ratings=ratings) for ratings in (5_800, 1_450))
    space = space_of("svdpp", weight_decay=Parameter(low=2.0, high=6.0, sized=True))
    for decay in (2.0, 5.1, 6.0):
        config = {**reference("svdpp", dense), "weight_decay": decay}
        found = turned(config, searched=space, name="svdpp", was=dense, shape=sparse)
        assert found == {**reference("svdpp", sparse), "weight_decay": 2 * decay}


def test_a_decay_stays_what_it_was_where_the_new_space_is_not_sized():
    dense, sparse = (Shape(users=101, items=101, scale=STARS, ratings=ratings) for ratings in (5_800, 1_450))
    searched = space_of("svdpp", weight_decay=Parameter(low=2.0, high=6.0, sized=True))
    config = {**reference("svdpp", dense), "weight_decay": 5.0}
    for given in (Parameter(low=2.0, high=9.0), Parameter(choices=[5.0, 7.0])):
        space = space_of("svdpp", weight_decay=given)
        found = turned(config, searched=searched, space=space, name="svdpp", was=dense, shape=sparse)
        assert found == {**reference("svdpp", sparse), "weight_decay": 5.0}


def test_on_the_same_data_a_configuration_stays_as_it_was():
    space = shipped("pmf", ARCHITECTURES["pmf"])
    config = Study("pmf", ARCHITECTURES["pmf"], space.on(SMALL, ARCHITECTURES["pmf"]), SMALL, seed=1).ask("pmf-001", 1)
    assert turned(config, searched=space, shape=SMALL) == config


def test_of_choices_that_made_the_same_batch_the_nearest_number_of_steps_is_kept():
    """2,000 ratings make batches of 64 of 28 steps an epoch or of more: 64 is the smallest."""
    space = space_of(batch_size=Parameter(choices=[10, 30, 100], per_epoch=True))
    little = Shape(users=41, items=31, scale=STARS, ratings=2_000)
    config = {**reference("pmf", little), "batch_size": 64}
    assert turned(config, searched=space, was=little)["batch_size"] == 2**18  # 7,200,000 in 30 steps


def test_a_batch_of_other_steps_than_this_space_has_is_outside_of_it():
    searched = space_of(batch_size=Parameter(choices=[18], per_epoch=True))
    config = {**reference("pmf", SMALL), "batch_size": 4096}
    other = space_of(batch_size=Parameter(choices=[140], per_epoch=True))
    assert turned(config, searched=searched) is not None
    assert turned(config, searched=searched, space=other) is None


@pytest.mark.parametrize("share", [0.1, 0.3, 0.7])
def test_a_share_of_the_scale_stays_that_share_also_at_the_bounds(share):
    space = space_of("classifier", label_width=Parameter(low=0.1, high=0.7, spans=True))
    config = {**reference("classifier", SMALL), "label_width": share * 4}
    found = turned(config, searched=space, name="classifier")
    assert found["label_width"] == pytest.approx(share * 9)


def test_a_value_beyond_a_narrowed_range_or_a_fixed_one_is_outside():
    searched = space_of(factors=Parameter(low=10, high=80))
    config = {**reference("pmf", SMALL), "factors": 60}
    assert turned(config, searched=searched, space=space_of(factors=Parameter(low=10, high=40))) is None
    assert turned(config, searched=searched, space=space_of(fixed={"factors": 10})) is None
    assert turned(config, searched=searched, space=space_of(fixed={"factors": 60}))["factors"] == 60


def test_what_the_other_search_settled_and_this_one_keeps_at_its_reference_is_outside():
    searched = space_of(factors=Parameter(low=10, high=80), epochs=Parameter(low=1, high=9))
    config = {**reference("pmf", SMALL), "factors": 60, "epochs": 3}
    assert turned(config, searched=searched, space=space_of(epochs=Parameter(low=1, high=9))) is None


def test_a_parameter_that_conditions_have_turned_on_or_off_is_outside():
    loss = Parameter(choices=["cost_regression", "reverse_kl"])
    width = Parameter(low=0.5, high=2.0)
    always = space_of("classifier", loss=loss, label_width=width)
    of_kl = space_of("classifier", loss=loss, label_width=width.model_copy(update={"when": {"loss": ["reverse_kl"]}}))
    config = {**reference("classifier", SMALL), "loss": "cost_regression", "label_width": 1.25}
    assert turned(config, searched=always, name="classifier")["label_width"] == 1.25
    assert turned(config, searched=always, space=of_kl, name="classifier") is None
    assert turned({**config, "loss": "reverse_kl"}, searched=always, space=of_kl, name="classifier") is not None


def test_a_parameter_that_did_not_apply_is_this_datas_reference():
    """Its value in the record is the reference of data that it was not even drawn for."""
    loss = Parameter(choices=["cost_regression", "reverse_kl"])
    width = Parameter(low=8, high=100, when={"loss": ["reverse_kl"]})
    space = space_of("classifier", loss=loss, user_width=width)
    config = {**reference("classifier", SMALL), "loss": "cost_regression"}
    found = turned(config, searched=space, name="classifier")
    assert config["user_width"] != found["user_width"] == reference("classifier", LARGE)["user_width"]


def test_a_configuration_of_another_version_is_outside():
    space = space_of(factors=Parameter(low=10, high=80))
    config = {**reference("pmf", SMALL), "factors": 60}
    assert holds(space, config, reference("pmf", SMALL))
    assert not holds(space, {**config, "magic": 1}, reference("pmf", SMALL))
    del config["dropout"]
    assert not holds(space, config, reference("pmf", SMALL))
