"""What pydantic finds wrong with a person's options, in one line."""

from pydantic import BaseModel, ValidationError

TYPES = ("int", "float", "str", "bool")


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """The first error of a validation in one line: the field, what is allowed, and the value found."""
    fault = error.errors()[0]
    place = list(fault["loc"])
    # For a field that takes several types, pydantic adds the type to the path: `low.int`.
    if len(place) > 1 and place[-1] in TYPES:
        place.pop()
    field = ".".join(str(part) for part in place)
    if fault["type"] == "extra_forbidden":
        return f"no option {field!r}; there are {', '.join(model.model_fields)}"
    if fault["type"] == "missing":
        return f"{field}: is missing"
    message = fault["msg"].removeprefix("Value error, ")
    if message.startswith("Input should be "):
        message = f"must be {message.removeprefix('Input should be ')}"
    return f"{field}: {message}; found {fault['input']!r}" if field else message
