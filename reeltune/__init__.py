"""Finds the best rating predictor for your data, and says whether it truly beats a simple baseline.

`python -m reeltune` is the command line. Public names are loaded when they are first used: torch takes seconds.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from reeltune.trainables.version import __version__

if TYPE_CHECKING:
    from reeltune.trainables.bundle import Predictor, load
    from reeltune.trainables.errors import FitFailed, InputError, StorageFailed

__all__ = ["FitFailed", "InputError", "Predictor", "StorageFailed", "__version__", "load"]

_HOMES = {
    "FitFailed": "trainables.errors",
    "InputError": "trainables.errors",
    "Predictor": "trainables.bundle",
    "StorageFailed": "trainables.errors",
    "load": "trainables.bundle",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'reeltune' has no attribute {name!r}")
    return getattr(import_module(f"reeltune.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
