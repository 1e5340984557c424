from types import SimpleNamespace

import numpy as np
import optuna
import pytest
from optuna.samplers import RandomSampler
from pydantic import ValidationError

from reeltune.search_spaces import Parameter, Space, has_space, read_spaces, shipped
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data.scale import Scale
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.errors import InputError
from tests.models import SEARCHED
from tests.worlds import STARS

PMF = ARCHITECTURES["pmf"]

WIDE = {"spread_cross_entropy", "reverse_kl"}  # the losses that have a label width
LOSSES = """
    [classifier.loss]
    choices = ["cost_regression", "spread_cross_entropy", "reverse_kl"]
    [classifier.label_width]
    low = 0.25
    high = 1.0
    spans = true
    when = { loss = ["spread_cross_entropy", "reverse_kl"] }
"""
EVERY = pytest.mark.parametrize("name", SEARCHED)
SHAPES = [Shape(users=users, items=items, scale=STARS) for users, items in [(41, 31), (944, 1665), (10**6, 10**5)]]


def draws(space, count=200, *, seed=0):
    """What a space proposes to a sampler that knows nothing."""
    study = optuna.create_study(sampler=RandomSampler(seed=seed))
    return [space.suggest(study.ask()) for _ in range(count)]


@pytest.fixture(autouse=True)
def quiet():
    optuna.logging.set_verbosity(optuna.logging.ERROR)


@pytest.fixture
def read(tmp_path):
    """Reads a space file's text for these architectures."""

    def read(text, *names):
        (tmp_path / "space.toml").write_text(text)
        return read_spaces(tmp_path / "space.toml", {name: ARCHITECTURES[name] for name in names or ARCHITECTURES})

    return read


@pytest.fixture
def refused(read):
    def refused(text, *names):
        with pytest.raises(InputError) as caught:
            read(text, *names)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    return refused


@EVERY
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape.users} users")
def test_every_value_a_shipped_space_can_propose_makes_a_valid_config(name, shape):
    architecture = ARCHITECTURES[name]
    reference = architecture.reference(shape).model_dump()
    space = shipped(name, architecture)
    seen = draws(space)
    for drawn in seen:
        config = architecture.Config.model_validate({**reference, **drawn}).model_dump()
        assert {key: config[key] for key in drawn} == drawn
        assert space.point(config) == drawn
    for key, parameter in space.parameters.items():
        assert (len({drawn[key] for drawn in seen if key in drawn}) > 1) == (len(parameter.samples()) > 1)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_ours_have_a_space(name):
    """Another need not: without one an architecture can be trained, not searched."""
    assert has_space(name)
    assert not has_space("svd")


def test_a_parameter_is_absent_where_its_condition_fails(read):
    seen = draws(read(LOSSES, "classifier")["classifier"])
    assert {drawn["loss"] for drawn in seen} == WIDE | {"cost_regression"}
    assert all(("label_width" in drawn) == (drawn["loss"] in WIDE) for drawn in seen)


def test_a_point_leaves_out_what_does_not_apply(read):
    space = read("[classifier]\nonly = true\n" + LOSSES, "classifier")["classifier"]
    config = ARCHITECTURES["classifier"].Config(loss="cost_regression", label_width=9).model_dump()
    assert space.point(config) == {"loss": "cost_regression"}
    assert space.point({**config, "loss": "reverse_kl"}) is None  # 9 is beyond the range
    inside = {"loss": "reverse_kl", "label_width": 1.0}
    assert space.point({**config, **inside}) == inside


def test_a_file_that_names_nothing_changes_nothing(read):
    assert read("") == {name: shipped(name, ARCHITECTURES[name]) for name in ARCHITECTURES}


def test_a_file_narrows_one_parameter_and_leaves_the_rest(read):
    spaces = read("[pmf.epochs]\nlow = 2\nhigh = 3\n")
    assert {drawn["epochs"] for drawn in draws(spaces["pmf"], 50)} == {2, 3}
    assert spaces["pmf"].parameters.keys() == shipped("pmf", ARCHITECTURES["pmf"]).parameters.keys()
    assert spaces["classifier"] == shipped("classifier", ARCHITECTURES["classifier"])


def test_a_file_replaces_a_range_by_choices_and_choices_by_a_range(read):
    space = read("[pmf.epochs]\nchoices = [2, 9]\n[pmf.batch_size]\nlow = 32\nhigh = 128\nstep = 32\n", "pmf")["pmf"]
    seen = draws(space)
    assert {drawn["epochs"] for drawn in seen} == {2, 9}
    assert {drawn["batch_size"] for drawn in seen} == {32, 64, 96, 128}


def test_a_plain_value_is_fixed(read):
    space = read("[classifier]\nloss = 'cross_entropy'\nepochs = 4\n", "classifier")["classifier"]
    seen = draws(space, 30)
    assert {(drawn["loss"], drawn["epochs"]) for drawn in seen} == {("cross_entropy", 4)}
    assert not {"loss", "epochs"} & space.parameters.keys()


def test_a_fixed_value_switches_on_what_hangs_on_it(read):
    text = "[classifier]\nloss = 'reverse_kl'\n" + LOSSES[LOSSES.index("[classifier.label_width]") :]
    assert all("label_width" in drawn for drawn in draws(read(text, "classifier")["classifier"], 30))


def test_a_configuration_with_another_fixed_value_is_outside(read):
    space = read("[pmf]\nepochs = 4\n", "pmf")["pmf"].on(Shape(users=3, items=3, scale=STARS, ratings=72_000), PMF)
    assert space.point(ARCHITECTURES["pmf"].Config(batch_size=512).model_dump()) is None
    assert space.point(ARCHITECTURES["pmf"].Config(batch_size=512, epochs=4).model_dump()) is not None


def test_only_leaves_nothing_else_to_vary(read):
    space = read("[pmf]\nonly = true\nepochs = 4\n[pmf.dropout]\nlow = 0.1\nhigh = 0.2\n", "pmf")["pmf"]
    assert all(drawn.keys() == {"epochs", "dropout"} for drawn in draws(space, 20))
    kept = read("[pmf]\nonly = false\nepochs = 4\n", "pmf")["pmf"]
    assert "dropout" in kept.parameters


def test_conditions_are_drawn_before_what_hangs_on_them_in_any_order_of_the_file(read):
    text = """
        [classifier]
        only = true
        [classifier.label_width]
        low = 0.3
        high = 0.9
        when = {loss = "reverse_kl"}
        [classifier.loss]
        choices = ["cross_entropy", "reverse_kl"]
    """
    seen = draws(read(text, "classifier")["classifier"], 50)
    assert {("label_width" in drawn, drawn["loss"]) for drawn in seen} == {
        (True, "reverse_kl"),
        (False, "cross_entropy"),
    }


def test_a_condition_holds_at_any_value_of_a_list(read):
    text = "[classifier.hidden]\nlow = 8\nhigh = 9\nwhen = { epochs = [9, 11], loss = 'reverse_kl' }\n"
    seen = draws(read(text + LOSSES, "classifier")["classifier"], 400)
    assert any("hidden" in drawn for drawn in seen)
    assert all(("hidden" in one) == (one["epochs"] in (9, 11) and one["loss"] == "reverse_kl") for one in seen)


@pytest.mark.parametrize(
    ("bounds", "kind"), [("low = 1\nhigh = 4", int), ("low = 1.0\nhigh = 4.0", float), ("low = 1\nhigh = 4.0", float)]
)
def test_whole_bounds_draw_whole_numbers(read, bounds, kind):
    space = read(f"[classifier.label_width]\n{bounds}\n[classifier]\nloss='reverse_kl'\n", "classifier")["classifier"]
    assert {type(drawn["label_width"]) for drawn in draws(space, 20)} == {kind}


@pytest.mark.parametrize(
    ("parameter", "inside", "outside"),
    [
        (Parameter(low=1, high=9), [1, 5, 9, 5.0], [0, 10, 2.5, "5", True]),
        (Parameter(low=1, high=9, step=4), [1, 5, 9], [2, 4, 8]),
        (Parameter(low=0.0, high=1.0), [0, 0.3, 1.0], [-0.1, 1.1, "0.3"]),
        (Parameter(low=0.0, high=1.0, step=0.1), [0.3, 0.7], [0.25]),
        (Parameter(choices=["hard", "soft"]), ["hard"], ["harder", 1]),
    ],
)
def test_a_parameter_admits_what_it_can_draw(parameter, inside, outside):
    assert all(parameter.admits(value) for value in inside)
    assert not any(parameter.admits(value) for value in outside)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({}, "needs low and high, or choices"),
        ({"low": 1}, "needs low and high, or choices"),
        ({"low": 3, "high": 1}, "has low 3 above high 1"),
        ({"low": 0, "high": 1, "log": True}, "log needs a low above 0"),
        ({"low": 1, "high": 9, "log": True, "step": 2}, "both log and step"),
        ({"choices": [1], "low": 1}, "choices, which take no low"),
        ({"low": 1, "high": 2, "step": 0}, "step"),
        ({"low": "1", "high": 2}, "low"),
        ({"low": 1, "high": 2, "middle": 1}, "middle"),
    ],
)
def test_a_parameter_that_says_nothing_clear_is_refused(content, said):
    with pytest.raises(ValidationError, match=said):
        Parameter.model_validate(content)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "[svd.factors]\nlow = 1\nhigh = 2",
            f"no architecture 'svd' in this search; there are {', '.join(ARCHITECTURES)}",
        ),
        ("[bias]\nepochs = 3", "bias has no parameter 'epochs'; there are user_damping, item_damping"),
        ("[pmf.factor]\nlow = 1\nhigh = 2", "pmf has no parameter 'factor'; there are learning_rate"),
        ("[pmf]\nfactor = 1", "pmf has no parameter 'factor'"),
        ("[pmf.factors]\nlow = 1\nhihg = 2", "pmf.factors: no option 'hihg'; there are low, high, step"),
        ("[pmf.factors]\nlow = 9\nhigh = 2", "pmf.factors: has low 9 above high 2"),
        ("[pmf.epochs]\nlow = 0\nhigh = 2", "pmf.epochs: must be greater than or equal to 1; found 0"),
        ("[pmf.epochs]\nlow = 1\nhigh = 2000", "pmf.epochs: must be less than or equal to 1000; found 2000"),
        ("[pmf.epochs]\nchoices = [3, 'many']", "pmf.epochs: must be a whole number from 1 to 1,000"),
        ("[pmf]\nepochs = 0", "pmf.epochs: must be greater than or equal to 1; found 0"),
        (
            "[classifier.loss]\nchoices = ['hinge']",
            "classifier.loss: must be 'cross_entropy', 'spread_cross_entropy', ",
        ),
        ("[pmf.epochs]\nlow = 1\nhigh = 2\nwhen = {mood = 1}", "pmf.epochs: when names 'mood'"),
        ("[pmf]\nonly = 1", "pmf.only: must be true or false; found 1"),
        ("pmf = 1", "pmf: expected a table"),
        ("[pmf", "no TOML"),
    ],
)
def test_an_error_names_the_file_and_the_table_at_fault(refused, text, said):
    message = refused(text)
    assert "space.toml: " in message
    assert said in message


def test_conditions_that_wait_for_each_other_are_an_error(refused):
    text = "[pmf]\nonly = true\n[pmf.epochs]\nchoices = [1]\nwhen = {factors = 2}\n"
    text += "[pmf.factors]\nchoices = [2]\nwhen = {epochs = 1}\n"
    assert "the conditions of epochs and factors wait for each other" in refused(text, "pmf")


def test_an_architecture_that_is_not_searched_is_an_error(refused):
    assert "no architecture 'classifier' in this search; there are pmf" in refused("[classifier]\nepochs = 3", "pmf")


def test_a_file_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"none\.toml: no such file"):
        read_spaces(tmp_path / "none.toml", ARCHITECTURES)


def test_a_file_of_bytes_is_an_error(tmp_path):
    (tmp_path / "space.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="no TOML"):
        read_spaces(tmp_path / "space.toml", ARCHITECTURES)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[classifier.subdivisions]\nlow = 1\nhigh = 8\n", "classifier.subdivisions: must be 1, 2, 4 or 8; found 3"),
        ("[classifier.epochs]\nlow = 3.0\nhigh = 10.0\n", "classifier.epochs: must be a whole number from 1 to 1,000"),
        ("[classifier.epochs]\nlow = 1\nhigh = 10\nstep = 0.5\n", "classifier.epochs: has step 0.5"),
        ("[classifier.epochs]\nlow = 1\nhigh = 10\nstep = 4\n", "does not lead from low 1 to high 10"),
        (
            "[classifier.hidden]\nlow = 8\nhigh = 9\nwhen = { epochs = [10, 99] }\n",
            "epochs = 99, which is never",
        ),
        (
            "[classifier]\nloss = 'reverse_kl'\n[classifier.hidden]\nlow = 8\nhigh = 9\nwhen = { loss = ['spred'] }\n",
            "loss = 'spred', which is never",
        ),
        (
            "[classifier.hidden]\nlow = 8\nhigh = 9\nwhen = { loss = [] }\n",
            "classifier.hidden: when.loss",
        ),
        (
            "[classifier]\nonly = true\n[classifier.hidden]\nlow = 8\nhigh = 9\nwhen = { loss = 'reverse_kl' }\n",
            "when names 'loss', which this space neither varies nor fixes",
        ),
    ],
)
def test_what_could_never_be_drawn_or_never_be_taken_is_refused_at_reading(refused, text, said):
    assert said in refused(text)


def test_a_given_condition_on_a_shipped_parameter_is_judged_after_it(read):
    text = "[classifier.user_width]\nlow = 16\nhigh = 128\nwhen = { epochs = 10 }\n"
    space = read(text, "classifier")["classifier"]
    drawn = draws(space, 40)
    assert all(("user_width" in one) == (one["epochs"] == 10) for one in drawn)
    assert len({one["epochs"] for one in drawn}) > 1


def test_sized_bounds_grow_and_fall_as_the_reference_does(read):
    space = read("[svdpp.weight_decay]\nlow = 2.0\nhigh = 6.0\nsized = true\n", "svdpp")["svdpp"]
    shapes = {n: Shape(users=101, items=101, scale=STARS, ratings=100 * n) for n in (1, 29, 58, 232)}
    on = {n: space.on(shape, ARCHITECTURES["svdpp"]).parameters for n, shape in shapes.items()}
    bounds = {n: (there["weight_decay"].low, there["weight_decay"].high) for n, there in on.items()}
    assert bounds[58] == (2.0, 6.0)
    assert bounds[232] == pytest.approx((1.0, 3.0))
    assert bounds[29] == pytest.approx((2 * 2**0.5, 6 * 2**0.5), rel=0.02)
    assert (on[58]["epochs"].low, on[58]["epochs"].high) == (6, 12)
    assert (on[232]["epochs"].low, on[232]["epochs"].high) == (9, 18)
    assert on[1]["implicit_decay"].high == 100  # as much as a Config takes


@pytest.mark.parametrize(
    "text", ["choices = [1.0]", "low = 1.0\nhigh = 2.0\nstep = 0.5", "low = 1.0\nhigh = 2.0\nspans = true"]
)
def test_what_cannot_be_sized_is_refused(refused, text):
    assert "is sized" in refused(f"[svdpp.weight_decay]\n{text}\nsized = true\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("choices = [1.0, 2.0]", "has spans, which needs low and high"),
        ("low = 0.5\nhigh = 1.0\nstep = 0.25", "has spans, which takes no step"),
    ],
)
def test_what_cannot_be_in_spans_of_the_scale_is_refused(refused, text, said):
    assert f"classifier.label_width: {said}" in refused(f"[classifier.label_width]\n{text}\nspans = true\n")


@pytest.mark.parametrize("name", ["dropout", "bias_pull"])
def test_a_parameter_whose_default_is_0_cannot_be_sized(refused, name):
    said = refused(f"[svdpp.{name}]\nlow = 0.1\nhigh = 0.5\nsized = true\n")
    assert f"svdpp.{name}: is sized, and a default of 0.0 cannot grow" in said


def test_what_a_space_works_out_from_the_data_cannot_be_set(refused):
    assert "weight_decay.factor: is worked out" in refused("[svdpp.weight_decay]\nlow = 2.0\nhigh = 6.0\nfactor = 2\n")


def test_sized_whole_bounds_stay_such_as_a_config_takes(read):
    space = read("[svdpp.batch_size]\nlow = 16\nhigh = 2048\nsized = true\n", "svdpp")["svdpp"]
    shape = Shape(users=101, items=101, scale=STARS, ratings=900)
    batches = space.on(shape, ARCHITECTURES["svdpp"]).parameters["batch_size"]
    assert batches.low == 2
    assert batches.high < 2048


def test_a_range_in_spans_of_the_scale_fits_any_scale(read):
    space = read(LOSSES, "classifier")["classifier"]
    shapes = [Shape(users=3, items=3, scale=Scale.of(np.array(values))) for values in ([1, 5], [0, 100])]
    stars, percent = (space.on(shape, ARCHITECTURES["classifier"]).parameters["label_width"] for shape in shapes)
    assert (stars.low, stars.high) == (1, 4)
    assert (percent.low, percent.high) == (25, 100)


@pytest.mark.parametrize(
    "text",
    [
        "[pmf.factors]\nlow = 1\nhigh = 100000000000000000000\n",
        "[pmf.dropout]\nlow = 0.0\nhigh = inf\nstep = 0.1\n",
        "[pmf.factors]\nlow = 1\nhigh = 9\nwhen = { epochs = nan }\n",
    ],
)
def test_numbers_beyond_all_bounds_are_refused(refused, text):
    assert refused(text)


def test_steps_per_epoch_become_batches_of_the_datas_own_size(read):
    space = read("[pmf.batch_size]\nchoices = [70, 140]\nper_epoch = true\n", "pmf")["pmf"]

    def batches(ratings):
        return space.on(Shape(users=3, items=3, scale=STARS, ratings=ratings), PMF).parameters["batch_size"].choices

    assert batches(72_000) == [1024, 512]
    assert batches(10_000_000) == [131_072, 65_536]
    assert batches(1440) == [64]  # no batch is smaller, and none is there twice


@pytest.mark.parametrize("text", ["choices = [0]", "choices = [2.5]", 'choices = ["x"]', "low = 1\nhigh = 9"])
def test_steps_per_epoch_are_whole_numbers_to_choose_from(refused, text):
    assert "per_epoch" in refused(f"[pmf.batch_size]\n{text}\nper_epoch = true\n")


def test_a_list_cannot_be_fixed_and_the_way_out_is_named(tmp_path):
    class Config(PMF.Config):
        layers: tuple[int, ...] = (8,)

    none = Space(architecture="own", parameters={})
    (tmp_path / "space.toml").write_text("[own]\nlayers = [64, 32]\n")
    expected = r"own\.layers: a search fixes text, .*; found \[64, 32\]: make it the default in own's Config"
    with pytest.raises(InputError, match=expected):
        read_spaces(tmp_path / "space.toml", {"own": SimpleNamespace(Config=Config)}, {"own": none})
