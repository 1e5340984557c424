"""Data, models, the worker's loop, metrics and the model bundle: all that knows nothing of Ray or Optuna."""

from pathlib import Path
from typing import TYPE_CHECKING

from trainables.errors import FitFailed, InputError
from trainables.version import __version__

if TYPE_CHECKING:
    from trainables.bundle import Predictor

__all__ = ["FitFailed", "InputError", "__version__", "load"]


def load(path: str | Path) -> "Predictor":
    """Load a model bundle from its folder, to rate pairs by their own ids: `load(path).predict(users, items)`.

    Raises InputError where the folder holds none.
    """
    from trainables.bundle import load as load_bundle  # torch takes seconds to load, and `--help` imports this

    return load_bundle(path)
