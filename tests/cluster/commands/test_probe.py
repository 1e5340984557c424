from types import SimpleNamespace
from typing import Self

import pytest
from pydantic import model_validator

from reeltune.cluster.commands.probe import costs, spread
from reeltune.search_spaces import shipped
from reeltune.trainables.architectures import pmf
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data.prepared import DataOptions, prepare


@pytest.fixture(scope="module")
def prepared():
    return prepare(DataOptions(data="synthetic:ratings=6000"))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_configurations_that_stand_for_a_search_are_in_its_space_and_apart(prepared, name):
    architecture = ARCHITECTURES[name]
    space, reference = (
        shipped(name, architecture).on(prepared.shape, architecture),
        architecture.reference(prepared.shape),
    )
    drawn = spread(space)
    for point in drawn:
        config = architecture.Config.model_validate({**reference.model_dump(), **point})
        assert space.point(config.model_dump()) is not None
    for key, parameter in space.parameters.items():
        if parameter.choices is None and all(key in point for point in drawn):
            assert len({point[key] for point in drawn}) > 1
    assert drawn == spread(space)


@pytest.mark.parametrize("most", [50, 0], ids=["some", "all"])
def test_configurations_that_an_architecture_refuses_for_two_fields_together_are_passed_over(prepared, most):
    class Picky(pmf.Config):
        @model_validator(mode="after")
        def together(self) -> Self:
            if self.dropout > 0 and self.factors > most:
                raise ValueError("many factors take no dropout")
            return self

    space = shipped("pmf", pmf).on(prepared.shape, pmf)
    picky = SimpleNamespace(Config=Picky, Model=pmf.Model, reference=pmf.reference)
    cost = costs(prepared.seen, {"picky": space}, {"picky": picky})
    assert cost["picky"].drawn > 0
