"""What fits of a search cost on this machine: a few steps of each architecture's reference and of some others."""

import random
import time
from contextlib import suppress
from dataclasses import dataclass

from pydantic import ValidationError

from reeltune.search_spaces import Space, Value
from reeltune.trainables.architectures.registry import Registry
from reeltune.trainables.config import FitConfig
from reeltune.trainables.data.prepared import FitData
from reeltune.trainables.fitting.fit import Fit, on_device
from reeltune.trainables.fitting.loop import evaluate
from reeltune.trainables.fitting.threads import one_thread
from reeltune.trainables.model import Architecture

DRAWN = 3  # configurations that stand for all that a search draws
SECONDS = 0.01  # of steps that are timed of each; with 0.04 the estimate is the same within 2%, and takes twice as long
STEPS = 40  # at most


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Seconds of one core for a whole fit on the training rows, with its validations."""

    reference: float
    drawn: float  # mean over configurations that are spread over the space; the reference's if all of them are refused


def costs(seen: FitData, spaces: dict[str, Space], registry: Registry) -> dict[str, Cost]:
    """What fits of each architecture cost, in one thread, as trials have them. Spaces are those of this shape."""
    with one_thread():
        return {name: _cost(registry[name], space, seen) for name, space in spaces.items()}


def _cost(architecture: Architecture, space: Space, seen: FitData) -> Cost:
    reference = architecture.reference(seen.shape)
    drawn = _valid(architecture, reference, spread(space))
    first, *others = [_timed(architecture, config, seen) for config in (reference, *drawn)]
    validation = _validation_seconds(first[0], seen)
    seconds = [spent + validation * (fit.epochs + 1) for fit, spent in (first, *others)]
    return Cost(reference=seconds[0], drawn=sum(seconds[1:]) / len(drawn) if drawn else seconds[0])


def _valid(architecture: Architecture, reference: FitConfig, points: list[dict[str, Value]]) -> list[FitConfig]:
    """The configurations of these points, without those that the architecture refuses for two fields together."""
    configs = []
    for point in points:
        with suppress(ValidationError):
            configs.append(architecture.Config.model_validate({**reference.model_dump(), **point}))
    return configs


def spread(space: Space, count: int = DRAWN) -> list[dict[str, Value]]:
    """Configurations that are spread over a space: a Latin hypercube, the same at each call."""
    draw, points = random.Random(0), [dict(space.fixed) for _ in range(count)]
    for name, parameter in space.parameters.items():
        places = draw.sample(range(count), count)
        for point, place in zip(points, places, strict=True):
            point[name] = parameter.at((place + 0.5) / count)
    return [{**space.fixed, **{name: point[name] for name in space.active(point)}} for point in points]


def _timed(architecture: Architecture, config: FitConfig, seen: FitData) -> tuple[Fit, float]:
    """A fit that has begun, and the seconds of all its steps.

    By the clock of this thread, which does not run while other programs have the CPU. They slow a step down even so,
    by the caches that they share: so the fastest step counts.
    """
    start = time.thread_time()
    fit = Fit(architecture, config, seen.shape, seen.train, seed=0)
    begun = time.thread_time() - start
    if fit.optimizer is None:  # it is solved by then
        return fit, begun
    fit.advance()  # not timed: in the first step torch loads modules
    each: list[float] = []
    while len(each) < min(STEPS, fit.steps - 2) and sum(each) < SECONDS:
        start = time.thread_time()
        fit.advance()
        each.append(time.thread_time() - start)
    return fit, begun + min(each, default=0.0) * fit.steps


def _validation_seconds(fit: Fit, seen: FitData) -> float:
    rows = on_device(seen.validation, fit.device)
    start = time.thread_time()
    evaluate(fit, rows, decoder="argmax")
    return time.thread_time() - start
