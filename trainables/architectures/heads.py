"""Which models have a class head."""

import torch

from reeltune.trainables.architectures.parts.losses import ClassHeadConfig
from reeltune.trainables.architectures.source import file_of
from reeltune.trainables.config import Configuration
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.model import Architecture


def has_classes(architecture: Architecture, config: Configuration, shape: Shape) -> bool:
    """Whether the model has a class head, and not a scalar one."""
    if issubclass(architecture.Config, ClassHeadConfig):
        return True
    if file_of(architecture) is None:
        return False
    with torch.random.fork_rng(devices=[]):  # an own model says so when it is made
        return architecture.Model(architecture.Config.model_validate(config), shape).grid is not None
