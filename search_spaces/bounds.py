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
    found = {}
    for name, parameter in space.active(dict(config)).items():
        side = _side(parameter, config[name])
        if side is not None and _moved(parameter, side, _limits(architecture, name, parameter)) is not None:
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
    wider = dict(space.parameters)
    for name, then in chosen.space.active(dict(chosen.config)).items():
        now = space.parameters.get(name)
        if now is not None and now.choices is None and then.choices is None:
            limits = _limits(architecture, name, then)
            unit = then.factor if now.sized else chosen.span if now.spans else 1.0
            reached = [float(chosen.config[name]), _beyond(then, chosen.config[name], limits)]
            within = limits[0] / unit, limits[1] / unit
            wider[name] = _reaching(now, [value / unit for value in reached if value is not None], within)
    return space.model_copy(update={"parameters": wider})


def _beyond(parameter: Parameter, value: Value, limits: tuple[float, float]) -> float | None:
    """Where to go on to from a value on a bound; None if it is on none, or nothing lies beyond."""
    side = _side(parameter, value)
    return None if side is None else _moved(parameter, side, limits)


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
    end = round(end, 9)  # 0.1 less half of 0.2 is to be 0
    moved = min(max(math.exp(end) if parameter.log else end, limits[0]), limits[1])
    bounds = _bounds(parameter)
    return moved if moved < bounds[0] or moved > bounds[1] else None


def _reaching(parameter: Parameter, values: list[float], limits: tuple[float, float]) -> Parameter:
    """The parameter with a range that takes these values in; bounds that move are rounded outwards, within the limits.

    By `log` no range has 0 in it.
    """
    low, high = _bounds(parameter)
    possible = [value for value in values if value > 0 or not parameter.log]
    least, most = min(possible, default=low), max(possible, default=high)
    unit = parameter.step or (1 if isinstance(low, int) and isinstance(high, int) else None)
    if least < low:
        low = max(limits[0], -_rounded_up(-least)) if unit is None else low - unit * _steps(low, least, limits[0], unit)
    if most > high:
        high = min(limits[1], _rounded_up(most)) if unit is None else high + unit * _steps(high, most, limits[1], unit)
    return parameter.model_copy(update={"low": low, "high": high})


def _steps(start: float, end: float, limit: float, unit: float) -> int:
    """How many steps lead from a bound to a value, or beyond it, but not beyond the limit."""
    wanted, most = math.ceil(abs(end - start) / unit - 1e-9), abs(limit - start) / unit + 1e-9
    return wanted if math.isinf(most) else min(wanted, math.floor(most))


def _rounded_up(value: float) -> float:
    """To two digits."""
    if value == 0:
        return 0.0
    size = 10.0 ** (math.floor(math.log10(abs(value))) - 1)
    return float(f"{math.ceil(value / size - 1e-9) * size:.6g}")


def _limits(architecture: Architecture, name: str, parameter: Parameter) -> tuple[float, float]:
    """The least and the largest value that a field of an architecture's Config takes."""
    rules = architecture.Config.model_fields[name].metadata
    inside = 0.0 if parameter.log else INSIDE  # a range of magnitudes comes near no 0 by itself
    least = [rule.ge for rule in rules if hasattr(rule, "ge")]
    least += [rule.gt + inside for rule in rules if hasattr(rule, "gt")]
    most = [rule.le for rule in rules if hasattr(rule, "le")]
    most += [rule.lt - INSIDE for rule in rules if hasattr(rule, "lt")]
    return max(least, default=-math.inf), min(most, default=math.inf)


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
