"""Which bounds of a space a choice lies on, and the space with more room beyond them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from reeltune.search_spaces.space import Parameter, Space, Value
from reeltune.trainables.model import Architecture

NEAR = 0.05  # of a range: a value that is no further from a bound counts as on it
BEYOND = 0.5  # of a range: so much further the search goes where a choice lay on a bound

INSIDE = 0.01  # so far from a value that must not be reached, such as a dropout of 1, the search may go

Side = Literal["low", "high"]


def on_bounds(space: Space, config: Mapping[str, Value], architecture: Architecture) -> dict[str, Side]:
    """The hyperparameters of a configuration that lie on a bound of their range, or beyond it, with the bound's side.

    Distances are those of the range itself: of magnitudes if it is drawn by `log`. A bound beyond which the
    architecture takes no value, such as a dropout of 0, is none.
    """
    limits = _limits(architecture)
    found = {}
    for name, parameter in space.active(dict(config)).items():
        side = _side(parameter, config[name])
        if side is not None and _moved(parameter, side, limits[name]) is not None:
            found[name] = side
    return found


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """What an earlier search chose for an architecture, and the space that it chose from."""

    config: Mapping[str, Value]
    space: Space  # as it was for the data of that search
    span: float  # of its rating scale


def widened(space: Space, chosen: Chosen, architecture: Architecture) -> Space:
    """The space with room for what an earlier search chose, and beyond each bound that it lay on.

    `space` is as declared: in shares of the scale, and for the default where it is sized.
    """
    limits, wider = _limits(architecture), dict(space.parameters)
    for name, then in chosen.space.active(dict(chosen.config)).items():
        now = space.parameters.get(name)
        if now is not None and now.choices is None and then.choices is None:
            unit = then.factor if now.sized else chosen.span if now.spans else 1.0
            reached = [float(chosen.config[name])]
            side = _side(then, chosen.config[name])
            reached += [_moved(then, side, limits[name]) or reached[0]] if side else []
            wider[name] = _reaching(now, [value / unit for value in reached])
    return space.model_copy(update={"parameters": wider})


def _side(parameter: Parameter, value: Value) -> Side | None:
    if parameter.choices is not None or isinstance(value, str):
        return None
    low, high = _ends(parameter)
    share = (_scaled(parameter, value) - low) / (high - low) if low < high else 0.5
    return "low" if share <= NEAR else "high" if share >= 1 - NEAR else None


def _moved(parameter: Parameter, side: Side, limits: tuple[float, float]) -> float | None:
    """A bound, moved outwards within the limits; None if it is at its limit."""
    low, high = _ends(parameter)
    end = low - BEYOND * (high - low) if side == "low" else high + BEYOND * (high - low)
    moved = min(max(math.exp(end) if parameter.log else end, limits[0]), limits[1])
    bounds = _bounds(parameter)
    return moved if moved < bounds[0] or moved > bounds[1] else None


def _reaching(parameter: Parameter, values: list[float]) -> Parameter:
    """The parameter with a range that takes these values in; bounds that move are rounded outwards."""
    low, high = _bounds(parameter)
    whole = isinstance(low, int) and isinstance(high, int)
    unit = parameter.step or (1 if whole else None)
    least, most = min(values), max(values)
    if least < low:
        low = -_rounded_up(-least, unit) if unit is None else low - _rounded_up(low - least, unit)
    if most > high:
        high = _rounded_up(most, unit) if unit is None else high + _rounded_up(most - high, unit)
    return parameter.model_copy(update={"low": low, "high": high})


def _rounded_up(value: float, unit: float | None) -> float:
    """To whole units; without a unit to two digits."""
    size = unit or 10.0 ** (math.floor(math.log10(abs(value))) - 1)
    return float(f"{math.ceil(value / size) * size:.6g}") if unit is None else math.ceil(value / unit) * unit


def _limits(architecture: Architecture) -> dict[str, tuple[float, float]]:
    """The least and the largest value of each field of an architecture's Config."""
    found = {}
    for name, field in architecture.Config.model_fields.items():
        rules = field.metadata
        least = [rule.ge for rule in rules if hasattr(rule, "ge")]
        least += [rule.gt + INSIDE for rule in rules if hasattr(rule, "gt")]
        most = [rule.le for rule in rules if hasattr(rule, "le")]
        most += [rule.lt - INSIDE for rule in rules if hasattr(rule, "lt")]
        found[name] = max(least, default=-math.inf), min(most, default=math.inf)
    return found


def _bounds(parameter: Parameter) -> tuple[int | float, int | float]:
    assert parameter.low is not None
    assert parameter.high is not None
    return parameter.low, parameter.high


def _ends(parameter: Parameter) -> tuple[float, float]:
    """The bounds on the scale on which values are drawn."""
    low, high = _bounds(parameter)
    return _scaled(parameter, low), _scaled(parameter, high)


def _scaled(parameter: Parameter, value: float) -> float:
    if not parameter.log:
        return value
    return math.log(value) if value > 0 else -math.inf
