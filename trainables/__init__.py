"""Data, models, fits and metrics: all that knows nothing of Ray or Optuna.

`from reeltune.trainables import RatingModel, TrainingConfig, Shape, ...`: the names of `__all__` are public, for
architectures of one's own (docs/own-architectures.md).

From the top down; each folder imports only those below it.

- `contract/`: the contract of every architecture, as checks
- `best_items.py`: the items that a model rates best for each user
- `neighbours.py`: items that are alike
- `bundle.py`: the model bundle: a folder that rates pairs by their own ids
- `exported.py`: a fitted model as a program without reeltune
- `predictor.py`: a loaded bundle, which rates pairs by their own ids
- `card.py`: the page for people in a bundle: the model card
- `description.py`: what a bundle says of its model
- `folding/`: new users and items without a fit
- `fitting/`: one fit, its loop and its schedule
- `architectures/`: the models: a file for each
- `scoring/`: metrics, decoders, the verdict
- `model.py`: the contract of every model
- `adamw.py`: the optimiser of every fit
- `config.py`: the fields that every model's configuration has
- `data/`: reads and splits ratings
- `near_matches.py`: what somebody may have meant by an unknown word
- `writable.py`: whether a file can be made at a path
- `options.py`: errors about options in one line
- `errors.py`: the kinds of expected failure
- `version.py`: the version
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reeltune.trainables.architectures.parts.batch_norm import BatchNorm
    from reeltune.trainables.architectures.parts.losses import (
        LOSSES,
        ClassHeadConfig,
        class_loss,
        class_row_losses,
    )
    from reeltune.trainables.config import FitConfig, Recipe, TrainingConfig
    from reeltune.trainables.data.features import Features
    from reeltune.trainables.data.scale import Scale
    from reeltune.trainables.data.shape import Shape
    from reeltune.trainables.data.tensors import Tensors
    from reeltune.trainables.errors import InputError
    from reeltune.trainables.model import (
        ParameterGroup,
        RatingModel,
        batch_for,
        decay_groups,
        embedding,
        embedding_width,
        into_range,
    )
    from reeltune.trainables.scoring.decoder_table import DECODERS
    from reeltune.trainables.scoring.decoders import decode

# What architectures of one's own are written with. These names, what they take and what they do stay as they are until
# version 1.0 at least, and then for as long as the major version does; what is not here may change with each release.
__all__ = [
    "DECODERS",
    "LOSSES",
    "BatchNorm",
    "ClassHeadConfig",
    "Features",
    "FitConfig",
    "InputError",
    "ParameterGroup",
    "RatingModel",
    "Recipe",
    "Scale",
    "Shape",
    "Tensors",
    "TrainingConfig",
    "batch_for",
    "class_loss",
    "class_row_losses",
    "decay_groups",
    "decode",
    "embedding",
    "embedding_width",
    "into_range",
]

_HOMES = {
    "architectures.parts.batch_norm": ("BatchNorm",),
    "architectures.parts.losses": ("LOSSES", "ClassHeadConfig", "class_loss", "class_row_losses"),
    "config": ("FitConfig", "Recipe", "TrainingConfig"),
    "data.features": ("Features",),
    "data.scale": ("Scale",),
    "data.shape": ("Shape",),
    "data.tensors": ("Tensors",),
    "errors": ("InputError",),
    "model": (
        "ParameterGroup",
        "RatingModel",
        "batch_for",
        "decay_groups",
        "embedding",
        "embedding_width",
        "into_range",
    ),
    "scoring.decoder_table": ("DECODERS",),
    "scoring.decoders": ("decode",),
}


def __getattr__(name: str) -> Any:
    """A public name, loaded when it is first used: torch takes seconds."""
    home = next((home for home, names in _HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module 'reeltune.trainables' has no attribute {name!r}")
    return getattr(import_module(f"reeltune.trainables.{home}"), name)


def __dir__() -> list[str]:
    return __all__
