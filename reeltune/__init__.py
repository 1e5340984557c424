"""Finds the best rating predictor for your data, and says whether it truly beats a simple baseline.

`python -m reeltune` is the command line. Public names are loaded when they are first used: torch takes seconds.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from reeltune.trainables.version import __version__

if TYPE_CHECKING:
    from reeltune.cluster.api.load import load
    from reeltune.cluster.api.lr_find import lr_find
    from reeltune.cluster.api.model import Model
    from reeltune.cluster.api.open import compare, open
    from reeltune.cluster.api.ratings import Ratings
    from reeltune.cluster.api.run import Run
    from reeltune.cluster.api.train import train
    from reeltune.cluster.api.tune import tune
    from reeltune.cluster.api.update import update
    from reeltune.cluster.commands.architectures import describe_architectures as architectures
    from reeltune.cluster.session.session import shut_down as shutdown
    from reeltune.trainables.bundle import Predictor
    from reeltune.trainables.errors import FitFailed, InputError, StorageFailed

__all__ = [
    "FitFailed",
    "InputError",
    "Model",
    "Predictor",
    "Ratings",
    "Run",
    "StorageFailed",
    "__version__",
    "architectures",
    "compare",
    "load",
    "lr_find",
    "open",
    "shutdown",
    "train",
    "tune",
    "update",
]

_HOMES = {
    "FitFailed": "trainables.errors:FitFailed",
    "InputError": "trainables.errors:InputError",
    "Model": "cluster.api.model:Model",
    "Predictor": "trainables.bundle:Predictor",
    "Ratings": "cluster.api.ratings:Ratings",
    "Run": "cluster.api.run:Run",
    "StorageFailed": "trainables.errors:StorageFailed",
    "architectures": "cluster.commands.architectures:describe_architectures",
    "compare": "cluster.api.open:compare",
    "load": "cluster.api.load:load",
    "lr_find": "cluster.api.lr_find:lr_find",
    "open": "cluster.api.open:open",
    "shutdown": "cluster.session.session:shut_down",
    "train": "cluster.api.train:train",
    "tune": "cluster.api.tune:tune",
    "update": "cluster.api.update:update",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'reeltune' has no attribute {name!r}")
    module, _, attribute = _HOMES[name].partition(":")
    try:
        return getattr(import_module(f"reeltune.{module}"), attribute)
    except ModuleNotFoundError as error:
        from reeltune.trainables.errors import lacking

        if said := lacking(error):
            raise ModuleNotFoundError(f"reeltune.{name}: {said}", name=error.name) from None
        raise


def __dir__() -> list[str]:
    return __all__
