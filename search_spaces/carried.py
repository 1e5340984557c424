"""A configuration that another search found, for this one: as it was, or turned to data of another size."""

import math
from dataclasses import dataclass

from reeltune.search_spaces.space import SAMPLE_RATINGS, Parameter, Space, Value
from reeltune.trainables.config import batch_of
from reeltune.trainables.data.shape import Shape


@dataclass(frozen=True, kw_only=True)
class Size:
    """What a space is measured by: how many ratings are trained on, and the span of their scale."""

    ratings: int
    span: float

    @classmethod
    def of(cls, shape: Shape) -> "Size":
        return cls(ratings=shape.ratings or SAMPLE_RATINGS, span=shape.scale.high - shape.scale.low)


def holds(space: Space, config: dict[str, Value], reference: dict[str, Value]) -> bool:
    """Whether a search of this space, on data of this reference, could draw this very configuration."""
    if config.keys() != reference.keys():  # another version's
        return False
    point = space.point(config)
    return point is not None and {**reference, **space.fixed, **point} == config


def carried(
    config: dict[str, Value], *, searched: Space, space: Space, was: Size, shape: Shape, reference: dict[str, Value]
) -> dict[str, Value] | None:
    """A configuration of the space `searched`, for `space` on data of this shape; None where that lacks it.

    Steps per epoch and shares of the scale stay what they were on data of the size `was`; what was neither drawn nor
    fixed there is this data's reference.
    """
    settled, now = [*searched.fixed, *searched.active(config)], Size.of(shape)
    turned = {name: _turned(config[name], space.parameters.get(name), was=was, now=now) for name in settled}
    found = {**reference, **turned}
    return found if holds(space.on(shape), found, reference) else None


def _turned(value: Value, parameter: Parameter | None, *, was: Size, now: Size) -> Value:
    if parameter is None or isinstance(value, str):
        return value
    if parameter.per_epoch:
        return _batch(value, parameter, was=was, now=now)
    return _share(value, parameter.times(now.span), was=was, now=now) if parameter.spans else value


def _batch(size: float, parameter: Parameter, *, was: Size, now: Size) -> int:
    """The batch of as many steps an epoch; -1, which no space holds, where no choice of steps made such a batch.

    Batches are rounded and bounded, so that several choices may have made it: the one that is nearest did.
    """
    choices = [int(steps) for steps in parameter.choices or ()]
    made = [steps for steps in choices if batch_of(was.ratings, steps=steps) == size]
    nearest = min(made, key=lambda steps: abs(math.log(was.ratings / size / steps)), default=None)
    return -1 if nearest is None else batch_of(now.ratings, steps=nearest)


def _share(value: float, turned: Parameter, *, was: Size, now: Size) -> float:
    """The same share of the scale's span; at a bound it is the bound, whatever rounding says."""
    assert turned.low is not None
    assert turned.high is not None
    share = value / was.span * now.span
    bounded = min(max(share, turned.low), turned.high)
    return bounded if math.isclose(share, bounded) else share
