import pytest

from reeltune.cluster.search.on_sample import adapter
from reeltune.search_spaces import Study, declared, holds
from reeltune.trainables.architectures.registry import SHIPPED
from reeltune.trainables.data.shape import Shape
from tests.models import SEARCHED
from tests.worlds import STARS

WHOLE = Shape(users=20_001, items=5001, scale=STARS, ratings=4_000_000)
SAMPLE = Shape(users=1001, items=5001, scale=STARS, ratings=200_000, rated_items=4000)
EVERY = pytest.mark.parametrize("name", SEARCHED)


def reference(name, shape):
    return SHIPPED[name].reference(shape).model_dump()


def adapt(name, config):
    return adapter(declared(SHIPPED, [name]), SHIPPED, whole=WHOLE, sample=SAMPLE)(name, config)


@EVERY
def test_the_reference_becomes_that_of_the_sample(name):
    assert adapt(name, reference(name, WHOLE)) == reference(name, SAMPLE)


@EVERY
def test_what_a_search_of_all_rows_draws_is_in_the_space_of_the_sample(name):
    space = declared(SHIPPED, [name])[name]
    study = Study(name, SHIPPED[name], space.on(WHOLE, SHIPPED[name]), WHOLE, seed=1)
    for number in range(1, 30):
        found = adapt(name, study.ask(str(number), number))
        assert holds(space.on(SAMPLE, SHIPPED[name]), found, reference(name, SAMPLE))


def test_an_epoch_keeps_about_its_steps():
    space = declared(SHIPPED, ["pmf"])["pmf"].on(WHOLE, SHIPPED["pmf"])
    for size in space.parameters["batch_size"].choices:
        found = adapt("pmf", {**reference("pmf", WHOLE), "batch_size": size, "epochs": 7})
        steps, steps_here = WHOLE.ratings / size, SAMPLE.ratings / found["batch_size"]
        assert 0.5 <= steps_here / steps <= 2, "sizes are powers of two"
        assert found["epochs"] == 7


def test_a_configuration_outside_of_the_space_keeps_what_is_its_own():
    config = {**reference("pmf", WHOLE), "learning_rate": 10.0}
    assert adapt("pmf", config) == {**reference("pmf", SAMPLE), "learning_rate": 10.0}
