"""Data, models, the worker's loop, metrics and the model bundle: all that knows nothing of Ray or Optuna."""

from trainables import classifier, embedding_nn, pmf
from trainables.bundle import load
from trainables.errors import FitFailed, InputError
from trainables.model import Architecture, Shape
from trainables.version import __version__

ARCHITECTURES: dict[str, Architecture] = {
    "pmf": pmf,
    "embedding_nn": embedding_nn,
    "classifier": classifier,
}

__all__ = ["ARCHITECTURES", "Architecture", "FitFailed", "InputError", "Shape", "__version__", "load"]
