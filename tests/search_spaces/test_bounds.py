import pytest

from reeltune.search_spaces import Chosen, on_bounds, read_spaces, shipped, widened
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data.shape import Shape
from tests.models import SEARCHED
from tests.worlds import STARS

SVDPP, PMF = ARCHITECTURES["svdpp"], ARCHITECTURES["pmf"]
DENSE = Shape(users=6041, items=3707, ratings=900_000, scale=STARS)


def config_of(architecture, **changes):
    return {**architecture.Config().model_dump(), **changes}


def own(tmp_path, text):
    (tmp_path / "space.toml").write_text(text)
    return read_spaces(tmp_path / "space.toml", {"pmf": PMF})["pmf"]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"factors": 78}, {"factors": "high"}),  # a twentieth of 40 to 80
        ({"factors": 77}, {}),
        ({"factors": 42, "weight_decay": 5.9}, {"factors": "low", "weight_decay": "high"}),
        ({"weight_decay": 5.6}, {}),  # of magnitudes, 5.68 and more are within a twentieth of 6
        ({"factors": 500}, {"factors": "high"}),  # the reference may lie outside
        ({"dropout": 0.0}, {}),  # nothing lies below
        ({"dropout": 0.1}, {"dropout": "high"}),
        ({"batch_size": 4096}, {}),  # a choice has no bounds
    ],
)
def test_a_value_within_a_twentieth_of_a_range_lies_on_its_bound(changes, found):
    middle = {"epochs": 9, "dropout": 0.05, "exponent": 0.6}
    space = shipped("svdpp", SVDPP).on(Shape(users=944, items=1665, ratings=72_000, scale=STARS), SVDPP)
    assert on_bounds(space, config_of(SVDPP, **{**middle, **changes}), SVDPP) == found


def test_a_range_reaches_half_of_itself_beyond_the_bound_that_was_chosen():
    space = shipped("pmf", PMF)
    chosen = Chosen(config=config_of(PMF, factors=99, weight_decay=0.051, epochs=9), space=space, span=4.0)
    wide = widened(space, chosen, PMF).parameters
    assert (wide["factors"].low, wide["factors"].high) == (16, 142)
    # Half of the magnitude from 0.05 to 0.5 below 0.05.
    assert (wide["weight_decay"].low, wide["weight_decay"].high) == (0.015, 0.5)
    assert wide["epochs"] == space.parameters["epochs"]
    assert isinstance(wide["factors"].high, int)


def test_no_range_reaches_beyond_what_the_architecture_takes(tmp_path):
    space = own(tmp_path, "[pmf.dropout]\nlow = 0.1\nhigh = 0.9")
    chosen = Chosen(config=config_of(PMF, dropout=0.9), space=space, span=4.0)
    wide = widened(space, chosen, PMF).parameters["dropout"]
    assert 0.9 < wide.high < 1
    PMF.Config(dropout=wide.high)
    again = space.model_copy(update={"parameters": {"dropout": wide}})
    assert on_bounds(again, config_of(PMF, dropout=wide.high), PMF) == {}


def test_a_step_still_leads_from_one_bound_to_the_other(tmp_path):
    space = own(tmp_path, "[pmf.factors]\nlow = 20\nhigh = 50\nstep = 10")
    chosen = Chosen(config=config_of(PMF, factors=50), space=space, span=4.0)
    wide = widened(space, chosen, PMF).parameters["factors"]
    assert (wide.low, wide.high, wide.step) == (20, 70, 10)


def test_a_search_of_what_was_widened_goes_on_from_there():
    """The next one takes in what was chosen, even where that was no longer on a bound."""
    space = shipped("pmf", PMF)
    wide = widened(space, Chosen(config=config_of(PMF, factors=99), space=space, span=4.0), PMF)
    again = widened(space, Chosen(config=config_of(PMF, factors=120), space=wide, span=4.0), PMF)
    assert again.parameters["factors"].high == 120
    further = widened(space, Chosen(config=config_of(PMF, factors=141), space=wide, span=4.0), PMF)
    assert further.parameters["factors"].high == 205


def test_a_bound_that_grows_with_the_data_is_moved_as_declared():
    declared = shipped("svdpp", SVDPP)
    space = declared.on(DENSE, SVDPP)
    low = space.parameters["weight_decay"].low
    assert low < declared.parameters["weight_decay"].low
    chosen = Chosen(config={**SVDPP.reference(DENSE).model_dump(), "weight_decay": low}, space=space, span=4.0)
    wide = widened(declared, chosen, SVDPP)
    assert wide.parameters["weight_decay"].low == pytest.approx(2 / 3**0.5, rel=0.1)
    assert wide.on(DENSE, SVDPP).parameters["weight_decay"].low < 0.65 * low


@pytest.mark.parametrize("name", SEARCHED)
def test_every_value_that_a_widened_space_can_propose_makes_a_valid_config(name):
    architecture, declared = ARCHITECTURES[name], shipped(name, ARCHITECTURES[name])
    space = declared.on(DENSE, architecture)
    for end in ("low", "high"):
        ends = {key: getattr(p, end) for key, p in space.parameters.items() if p.choices is None}
        chosen = Chosen(config={**architecture.reference(DENSE).model_dump(), **ends}, space=space, span=4.0)
        wide = widened(declared, chosen, architecture).on(DENSE, architecture)
        assert all(wide.parameters[key].admits(value) for key, value in ends.items())
        for key in wide.parameters:
            for value in wide.values(key):
                architecture.Config.model_validate({key: value})


def test_a_low_rate_lies_on_a_bound_as_a_high_one_does():
    space = shipped("pmf", PMF)
    middle = {"factors": 50, "weight_decay": 0.2, "epochs": 9, "dropout": 0.1}
    for rate, side in ((1e-3, "low"), (1e-2, "high")):
        config = config_of(PMF, learning_rate=rate, **middle)
        assert on_bounds(space, config, PMF) == {"learning_rate": side}
        wide = widened(space, Chosen(config=config, space=space, span=4.0), PMF).parameters["learning_rate"]
        assert (wide.low < 1e-3, wide.high > 1e-2) == (side == "low", side == "high")


def test_a_bound_may_move_to_0_but_not_of_a_range_of_magnitudes(tmp_path):
    space = own(tmp_path, "[pmf.dropout]\nlow = 0.1\nhigh = 0.3")
    chosen = Chosen(config=config_of(PMF, dropout=0.1), space=space, span=4.0)
    assert widened(space, chosen, PMF).parameters["dropout"].low == 0
    without = Chosen(config=config_of(PMF, weight_decay=0.0, dropout=0.0), space=space, span=4.0)
    wide = widened(space, without, PMF).parameters
    assert wide["dropout"].low == 0
    assert 0 < wide["weight_decay"].low < space.parameters["weight_decay"].low


def test_a_step_leads_to_no_value_that_the_architecture_refuses(tmp_path):
    space = own(tmp_path, "[pmf.factors]\nlow = 8\nhigh = 40\nstep = 8")
    chosen = Chosen(config=config_of(PMF, factors=8), space=space, span=4.0)
    assert widened(space, chosen, PMF).parameters["factors"].low == 8
