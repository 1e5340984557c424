import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reeltune.trainables.options import explain, explain_setting


class Inner(BaseModel):
    depth: int = Field(1, ge=1)


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid")

    rate: float = Field(0.1, gt=0)
    name: str
    inner: Inner = Inner()
    depth: int | None = Field(1, ge=1)
    share: float = Field(0.5, ge=0, lt=1)
    whole: bool = False


THERE = "rate, name, inner, depth, share, whole"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"name": "n", "rate": -1}, "rate: must be greater than 0; found -1"),
        (
            {"name": "n", "rate": "fast"},
            "rate: must be a number above 0; found 'fast'",
        ),
        ({"name": "n", "depth": 1.5}, "depth: must be a whole number, 1 or more; found 1.5"),
        ({"name": "n", "whole": "maybe"}, "whole: must be true or false; found 'maybe'"),
        ({"name": "n", "inner": {"depth": "x"}}, "inner.depth: must be a whole number; found 'x'"),
        ({"name": "n", "rat": 1}, f"no option 'rat'; there are {THERE}; did you mean rate?"),
        ({"name": "n", "fish": 1}, f"no option 'fish'; there are {THERE}"),
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


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"depth": "1.5"}, "--set depth=1.5: expected a whole number, 1 or more"),
        ({"rate": "0"}, "--set rate=0: expected a number above 0"),
        ({"share": "1"}, "--set share=1: expected a number from 0 to below 1"),
        ({"whole": "maybe"}, "--set: whole: must be true or false; found 'maybe'"),
        ({"sahre": "1"}, f"--set: no option 'sahre'; there are {THERE}; did you mean share?"),
        ({}, None),
    ],
)
def test_a_fault_of_what_was_set_is_told_as_it_was_typed(settings, said):
    with pytest.raises(ValidationError) as caught:
        Options.model_validate({"name": "n", **(settings or {"share": 2})})
    assert explain_setting(caught.value, Options, settings) == said
