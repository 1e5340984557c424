"""Takes over a configuration from another search, adapted to the size of this one's data."""

import math
from dataclasses import dataclass

from reeltune.search_spaces.space import SAMPLE_RATINGS, Parameter, Space, Value
from reeltune.trainables.config import batch_of
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.model import Architecture


@dataclass(frozen=True, kw_only=True)
class Size:
    """What spaces are relative to: the number of training ratings, and the span of their scale."""

    ratings: int
    span: float

    @classmethod
    def of(cls, shape: Shape) -> "Size":
        return cls(ratings=shape.ratings or SAMPLE_RATINGS, span=shape.scale.high - shape.scale.low)


def holds(space: Space, config: dict[str, Value], reference: dict[str, Value]) -> bool:
    """Whether a search of this space, with this reference, could draw exactly this configuration."""
    if config.keys() != reference.keys():  # written by another version, with other parameters
        return False
    point = space.point(config)
    return point is not None and {**reference, **space.fixed, **point} == config


def carried(
    config: dict[str, Value], *, searched: Space, space: Space, was: Size, shape: Shape, architecture: Architecture
) -> dict[str, Value] | None:
    """Adapt a configuration of the space `searched` to `space` on data of this shape; None if it is not in `space`.

    Steps per epoch, shares of the scale and what sized parameters are of the reference stay what they were on data of
    the size `was`. Parameters that were neither drawn nor fixed there get this data's reference.
    """
    settled, now = [*searched.fixed, *searched.active(config)], Size.of(shape)
    here, reference = space.on(shape, architecture), architecture.reference(shape).as_json()
    turned = {name: _turned(config[name], space.parameters.get(name), was=was, now=now) for name in settled}
    sized = [name for name in settled if name in space.parameters and space.parameters[name].sized]
    turned |= {name: _resized(config[name], searched.parameters.get(name), here.parameters[name]) for name in sized}
    found = {**reference, **turned}
    return found if holds(here, found, reference) else None


def _turned(value: Value, parameter: Parameter | None, *, was: Size, now: Size) -> Value:
    if parameter is None or isinstance(value, str):
        return value
    if parameter.per_epoch:
        return _batch(value, parameter, was=was, now=now)
    return _share(value, parameter.times(now.span), was=was, now=now) if parameter.spans else value


def _resized(value: Value, there: Parameter | None, here: Parameter) -> Value:
    """The same share of the reference. A value that was not sized there counts as one for the default."""
    factor = here.factor / (1.0 if there is None else there.factor)
    if factor == 1.0 or isinstance(value, str):
        return value
    return round(value * factor) if isinstance(value, int) else _bounded(value * factor, here)


def _batch(size: float, parameter: Parameter, *, was: Size, now: Size) -> int:
    """The batch size with as many steps per epoch; -1, which is in no space, if no choice of steps gives `size`.

    Batch sizes are rounded and bounded, so several choices may give it: take the nearest.
    """
    choices = [int(steps) for steps in parameter.choices or ()]
    made = [steps for steps in choices if batch_of(was.ratings, steps=steps) == size]
    nearest = min(made, key=lambda steps: abs(math.log(was.ratings / size / steps)), default=None)
    return -1 if nearest is None else batch_of(now.ratings, steps=nearest)


def _share(value: float, turned: Parameter, *, was: Size, now: Size) -> float:
    """The same share of the scale's span. A value at a bound stays exactly at the bound, despite rounding."""
    return _bounded(value / was.span * now.span, turned)


def _bounded(value: float, parameter: Parameter) -> float:
    assert parameter.low is not None
    assert parameter.high is not None
    bounded = min(max(value, parameter.low), parameter.high)
    return bounded if math.isclose(value, bounded) else value
