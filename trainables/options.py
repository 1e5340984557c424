"""What pydantic finds wrong with a person's options, in one line."""

from collections.abc import Container
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from reeltune.trainables.near_matches import did_you_mean

TYPES = ("int", "float", "str", "bool")
KINDS: dict[type, str] = {float: "a number", int: "a whole number"}
NO_NUMBER = {  # of pydantic's errors, those of a value that is no number
    **dict.fromkeys(("int_parsing", "int_type", "int_from_float", "int_parsing_size"), int),
    **dict.fromkeys(("float_parsing", "float_type"), float),
}
OUTSIDE = ("greater_than", "greater_than_equal", "less_than", "less_than_equal")


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """The first error of a validation in one line: the field, what is allowed, and the value found."""
    fault = error.errors()[0]
    field = _field(fault)
    if fault["type"] == "extra_forbidden":
        there = model.model_fields
        return f"no option {field!r}; there are {', '.join(there)}{did_you_mean(field, there)}"
    if fault["type"] == "missing":
        return f"{field}: is missing"
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] in NO_NUMBER:
        found = model.model_fields.get(field)
        message = f"must be {KINDS[NO_NUMBER[fault['type']]] if found is None else _number(found)}"
    elif fault["type"] in ("bool_parsing", "bool_type"):
        message = "must be true or false"
    elif message.startswith("Input should be "):
        message = f"must be {message.removeprefix('Input should be ')}"
    return f"{field}: {message}; found {fault['input']!r}" if field else message


def explain_setting(error: ValidationError, model: type[BaseModel], settings: Container[str]) -> str | None:
    """As `explain`, of an option that was set by `--set`: `--set epochs=1.5: expected a whole number from 1 to 1,000`.

    None where the first error is of another option.
    """
    fault = error.errors()[0]
    name = _field(fault)
    if name not in settings:
        return None
    if name not in model.model_fields or fault["type"] not in (*NO_NUMBER, *OUTSIDE):
        return f"--set: {explain(error, model)}"
    return f"--set {name}={fault['input']}: expected {_number(model.model_fields[name])}"


def _field(fault: Any) -> str:
    place = list(fault["loc"])
    # For a field that takes several types, pydantic adds the type to the path: `low.int`.
    if len(place) > 1 and place[-1] in TYPES:
        place.pop()
    return ".".join(str(part) for part in place)


def _number(field: FieldInfo) -> str:
    """What a field of numbers takes: `a whole number from 1 to 1000`."""
    kinds = (field.annotation, *get_args(field.annotation))
    kind = next(word for kind, word in KINDS.items() if kind in kinds)
    return f"{kind}{_within(field)}"


def _within(field: FieldInfo) -> str:
    """Its bounds, as pydantic has them (`ge`: at least, `gt`: above, `le`: at most, `lt`: below)."""
    bounds = {
        name: f"{getattr(mark, name):,.12g}"
        for mark in field.metadata
        for name in ("ge", "gt", "le", "lt")
        if hasattr(mark, name)
    }
    if "ge" in bounds and len(bounds) == 1:
        return f", {bounds['ge']} or more"
    words = {"ge": " from {}", "gt": " above {}", "le": " to {}", "lt": " to below {}"}
    if "ge" not in bounds:
        words |= {"le": ", {} at most", "lt": " below {}"}
    return "".join(words[name].format(value) for name, value in bounds.items())
