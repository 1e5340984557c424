"""Options that people type, checked by pydantic, and errors about them in one line."""

from pydantic import BaseModel, ValidationError


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """The first fault of a validation in one line: the field, the value found, and what is allowed."""
    fault = error.errors()[0]
    field = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return f"no option {field!r}; there are {', '.join(model.model_fields)}"
    found = "" if fault["type"] == "missing" else f"; found {fault['input']!r}"
    message = fault["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    return f"{field}: must be {message}{found}" if field else message
