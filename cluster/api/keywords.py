"""Keywords of `train` and `lr_find`: their own options, or else hyperparameters of the architecture."""

import inspect
import os
from collections.abc import Callable, Iterable

from reeltune.cluster.api.ratings import Ratings
from reeltune.trainables.architectures.registry import resolve
from reeltune.trainables.errors import InputError
from reeltune.trainables.near_matches import did_you_mean


def check_hyperparameters(
    function: Callable[..., object], keywords: Iterable[str], architecture: str | os.PathLike[str]
) -> None:
    """Raise InputError at a keyword that is no hyperparameter of this architecture, or at an unknown architecture."""
    [name], registry = resolve([os.fspath(architecture)])
    there = list(registry[name].Config.model_fields)
    for keyword in keywords:
        if keyword in there:
            continue
        said = f"{keyword}=...: is no option of {function.__name__} and no hyperparameter of {name}"
        if keyword in inspect.signature(Ratings).parameters:
            raise InputError(f"{said}; rt.Ratings(data, {keyword}=...) takes it")
        options = [
            each.name for each in inspect.signature(function).parameters.values() if each.kind != each.VAR_KEYWORD
        ]
        near = did_you_mean(keyword, [*there, *options])
        raise InputError(f"{said}, which has {', '.join(there)}{near}")
