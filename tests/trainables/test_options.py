import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reeltune.trainables.options import explain


class Inner(BaseModel):
    depth: int = Field(1, ge=1)


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid")

    rate: float = Field(0.1, gt=0)
    name: str
    inner: Inner = Inner()


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"name": "n", "rate": -1}, "rate: must be greater than 0; found -1"),
        (
            {"name": "n", "rate": "fast"},
            "rate: must be a valid number, unable to parse string as a number; found 'fast'",
        ),
        ({"name": "n", "rat": 1}, "no option 'rat'; there are rate, name, inner"),
        ({"name": "n", "inner": {"depth": 0}}, "inner.depth: must be greater than or equal to 1; found 0"),
        ({}, "name: is missing"),
    ],
)
def test_a_fault_is_one_line_with_the_field_the_value_and_what_is_allowed(typed, said):
    with pytest.raises(ValidationError) as caught:
        Options.model_validate(typed)
    assert explain(caught.value, Options) == said


def test_the_first_of_several_faults_is_told():
    with pytest.raises(ValidationError) as caught:
        Options.model_validate({"rate": 0, "name": 3})
    assert explain(caught.value, Options).startswith("rate: ")
