import math

from hypothesis import given
from hypothesis import strategies as st

from reeltune.cluster.report.charts import Axis, axis, chart

NUMBERS = st.floats(-1e6, 1e6).filter(lambda value: value == 0 or abs(value) > 1e-6)


@given(st.lists(NUMBERS, max_size=20))
def test_an_axis_holds_its_values_and_has_a_few_round_ticks(values):
    made = axis(values)
    assert all(-0.01 <= made.share(value) <= 100.01 for value in values)
    assert 4 <= len(made.ticks) <= 12
    assert all(made.low <= tick <= made.high for tick in made.ticks)


@given(st.lists(NUMBERS, min_size=2, max_size=20))
def test_the_labels_of_ticks_are_their_values_and_all_different(values):
    made = axis(values)
    labels = [made.label(tick) for tick in made.ticks]
    assert len(set(labels)) == len(labels)
    step = made.ticks[1] - made.ticks[0] if len(made.ticks) > 1 else math.inf
    assert all(abs(float(label) - tick) < step / 100 for label, tick in zip(labels, made.ticks, strict=True))


def test_a_quarter_is_labelled_with_all_its_digits():
    assert Axis(low=0, high=0.1, ticks=(0.0, 0.025, 0.05)).label(0.025) == "0.025"


def test_lines_are_told_apart_without_colour():
    made = chart("x", {name: [(0, 1), (1, 2)] for name in "abcde"}, across="", up="")
    assert len({(line.dash, line.marker) for line in made.lines}) == 5
    assert made.lines[0].dash == ""


def test_a_higher_value_stands_higher():
    low, high = chart("x", {"a": [(0, 1), (1, 2)]}, across="", up="").lines[0].places
    assert low[0] < high[0]
    assert low[1] > high[1]


def test_points_that_stand_apart_have_no_line_and_the_line_no_points():
    made = chart("x", {"best": [(1, 2), (2, 1)], "trial": [(1, 2), (2, 1)]}, across="", up="", apart=("trial",))
    assert [(line.joined, line.marked) for line in made.lines] == [(True, False), (False, True)]


def test_ticks_stand_as_far_apart_as_enough_of_them_allow():
    assert axis([0.66, 1.34], fewest=2).ticks == (0.75, 1.0, 1.25)
