"""A value that an option's type does not allow, in the words of the other errors: `--trials 0: expected …`."""

import inspect
from collections.abc import Callable
from typing import Any, get_args

import typer
from typer.models import ParameterInfo

from reeltune.cluster.api.checks import Expected

KINDS = {int: "a whole number", float: "a number"}


def message(error: typer.TyperException) -> str:
    """What to say of an error of typer's: of a wrong value the option, the value and what is allowed."""
    from pydantic import ValidationError

    wrong: Any = error  # the class that has what is read here is private
    cause = error.__cause__
    if not isinstance(cause, ValidationError):
        return wrong.format_message()
    value, expected = cause.errors()[0]["input"], _expected(wrong.ctx.command.callback, wrong.param.name)
    if expected is None:
        return wrong.format_message()
    return f"{wrong.param.opts[0]} {value if _is_number(value) else repr(value)}: expected {expected}"


def _expected(verb: Callable[..., object], name: str) -> str | None:
    """What this parameter of a verb takes; None if that is no number."""
    kinds, *marks = get_args(inspect.get_annotations(inspect.unwrap(verb))[name])
    said = [mark.words for mark in marks if isinstance(mark, Expected)]
    if said:
        return said[0]
    found = [word for kind, word in KINDS.items() if kind in (kinds, *get_args(kinds))]
    bounds = [mark for mark in marks if isinstance(mark, ParameterInfo)]
    return f"{found[0]}{_within(bounds[0].min, bounds[0].max)}" if found and bounds else None


def _within(least: float | None, most: float | None) -> str:
    if least is None:
        return "" if most is None else f", {most:g} at most"
    return f", {least:g} or more" if most is None else f" from {least:g} to {most:g}"


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True
