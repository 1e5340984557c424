import pytest

from reeltune.cluster.commands.probe import spread
from reeltune.search_spaces import shipped
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data.prepared import DataOptions, prepare


@pytest.fixture(scope="module")
def prepared():
    return prepare(DataOptions(data="synthetic:ratings=6000"))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_configurations_that_stand_for_a_search_are_in_its_space_and_apart(prepared, name):
    architecture = ARCHITECTURES[name]
    space, reference = shipped(name, architecture).on(prepared.shape), architecture.reference(prepared.shape)
    drawn = spread(space)
    for point in drawn:
        config = architecture.Config.model_validate({**reference.model_dump(), **point})
        assert space.point(config.model_dump()) is not None
    for key, parameter in space.parameters.items():
        if parameter.choices is None and all(key in point for point in drawn):
            assert len({point[key] for point in drawn}) > 1
    assert drawn == spread(space)
