"""Options that people type, checked by pydantic, and errors about them in one line."""

from pydantic import BaseModel, ValidationError

TYPES = ("int", "float", "str", "bool")


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """The first fault of a validation in one line: the field, the value found, and what is allowed."""
    fault = error.errors()[0]
    place = list(fault["loc"])
    # Of a field that takes several types, pydantic names the type as well: `low.int`.
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
