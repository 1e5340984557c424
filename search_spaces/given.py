"""A sampler that a Python program gives as Optuna's own object: its text for the record, and a copy for each study."""

import copy
import inspect
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import optuna
from optuna.samplers import BaseSampler

from reeltune.search_spaces.samplers import SAMPLERS, Draw, MakeSampler
from reeltune.search_spaces.space import Space
from reeltune.search_spaces.study import Outcome, Study
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.errors import InputError, one_line
from reeltune.trainables.model import Architecture
from reeltune.trainables.near_matches import did_you_mean

Sampling = str | BaseSampler  # a key of SAMPLERS, or Optuna's object

REFUSED = {
    "NSGAIISampler": "it is for several objectives, and a search has one: the validation error",
    "NSGAIIISampler": "it is for several objectives, and a search has one: the validation error",
    "GridSampler": 'it stops a study that Optuna runs, and here --trials ends it; give sampler="grid"',
    "BruteForceSampler": 'it stops a study that Optuna runs, and here --trials ends it; give sampler="grid"',
}
PLAIN = (bool, int, float, str, tuple, list, dict, type(None))
TRIED = 3  # configurations that a check draws


def sampling_of(sampler: Sampling) -> Sampling:
    """The sampler, if a search can ask it for one configuration at a time. Raises InputError at another."""
    if isinstance(sampler, str):
        if sampler in SAMPLERS:
            return sampler
        names = ", ".join(list(SAMPLERS)[:-1]) + f" or {list(SAMPLERS)[-1]}"
        more = "; an Optuna sampler is given from Python: rt.tune(..., sampler=...)" if "(" in sampler else ""
        raise InputError(f"--sampler {sampler!r}: expected {names}{more or did_you_mean(sampler, SAMPLERS)}")
    if not isinstance(sampler, BaseSampler):
        raise InputError(f"--sampler {sampler!r}: expected a name or an object of optuna.samplers")
    for kind in type(sampler).__mro__:
        if kind.__name__ in REFUSED:
            raise InputError(f"--sampler {text_of(sampler)}: {REFUSED[kind.__name__]}")
    return sampler


def text_of(sampler: Sampling) -> str:
    """The text that a run keeps: a name, or the object's class with its seed and what differs from the defaults."""
    if isinstance(sampler, str):
        return sampler
    given = {**_seed(sampler), **_plain(sampler)}
    with warnings.catch_warnings(action="ignore", category=optuna.exceptions.ExperimentalWarning):
        usual = {} if _needed(type(sampler)) else _plain(type(sampler)())
    differ = [f"{name}={value!r}" for name, value in given.items() if name == "seed" or value != usual.get(name, ...)]
    return f"{type(sampler).__name__}({', '.join(differ)})"


def seeded(sampler: BaseSampler) -> bool:
    """Whether the sampler was given a seed of its own, without which no search can be repeated."""
    return "seed" in _seed(sampler)


def maker(sampler: Sampling, *, resumed: bool = False) -> MakeSampler:
    """What makes the samplers of one study: a copy of the object that draws all its trials, or what its name says.

    An object keeps its place in memory alone. In a resumed study it goes on with other random numbers, since from its
    beginning it would draw again what has been tried.
    """
    if isinstance(sampler, str):
        return SAMPLERS[sampler]
    own = copy.deepcopy(sampler)
    if resumed:
        own.reseed_rng()

    def same(draw: Draw) -> BaseSampler:
        return own

    return same


def check_sampler(
    sampler: Sampling, spaces: Mapping[str, Space], registry: Mapping[str, Architecture], shape: Shape
) -> None:
    """Draw a few configurations of each space. Raises InputError if an object cannot draw from one."""
    if isinstance(sampler, str):
        return
    for name, space in spaces.items():
        study = Study(name, registry[name], space, shape, seed=0, sampler=maker(sampler))
        try:
            for number in range(1 + TRIED):
                study.ask(str(number), number)
                study.tell(str(number), Outcome(state="done", value=1.0 / (1 + number)), {})
        except Exception as error:  # anybody's code may stand behind the object
            reason = one_line(str(error)) or type(error).__name__
            raise InputError(f"--sampler {text_of(sampler)}: cannot draw from the space of {name}: {reason}") from error


def _needed(kind: type) -> bool:
    """Whether its constructor needs arguments."""
    parameters = list(inspect.signature(kind).parameters.values())
    named = [each for each in parameters if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)]
    return any(each.default is each.empty for each in named)


def _plain(sampler: BaseSampler) -> dict[str, Any]:
    """Its attributes that can be read: Optuna's samplers keep their arguments so."""
    found = {name.lstrip("_"): value for name, value in vars(sampler).items() if isinstance(value, PLAIN)}
    return {name: value for name, value in found.items() if name != "seed"}


def _seed(sampler: BaseSampler) -> dict[str, int]:
    """The seed, where it can be told: the first word of the state of a Mersenne twister that has drawn nothing yet."""
    own = vars(sampler).get("_seed")
    if isinstance(own, int):
        return {"seed": own}
    state = getattr(vars(sampler).get("_rng"), "_rng", None)  # of Optuna's; somebody's own may have anything there
    if not isinstance(state, np.random.RandomState):
        return {}
    return {"seed": int(state.get_state(legacy=False)["state"]["key"][0])}
