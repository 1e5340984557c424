"""An architecture under check, and the models and fits that the clauses look at."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from pydantic import ValidationError
from pydantic.fields import FieldInfo
from torch import Tensor

from reeltune.trainables.architectures.registry import Registry
from reeltune.trainables.config import FitConfig, TrainingConfig
from reeltune.trainables.contract import worlds
from reeltune.trainables.contract.worlds import STARS
from reeltune.trainables.data import Rows
from reeltune.trainables.data.scale import Scale
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.data.tensors import Tensors, on_device
from reeltune.trainables.errors import InputError
from reeltune.trainables.fitting.fit import Fit
from reeltune.trainables.model import Architecture, RatingModel
from reeltune.trainables.options import explain
from reeltune.trainables.scoring.metrics import predict

CPU = torch.device("cpu")
NONE: Mapping[str, object] = {}


class Broken(Exception):
    """A clause of the contract does not hold. The message says what was found, and what is expected."""


def expect(holds: bool, found: str) -> None:
    """Raise Broken unless it holds."""
    if not holds:
        raise Broken(found)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """An architecture by its name in a registry. Clauses take its reference's settings, and fewer steps."""

    registry: Registry
    name: str

    @cached_property
    def architecture(self) -> Architecture:
        return self.registry[self.name]

    @cached_property
    def trained(self) -> bool:
        """Whether it is trained step by step, and not solved at once."""
        return issubclass(self.architecture.Config, TrainingConfig)

    def config(self, shape: Shape, settings: Mapping[str, object] = NONE) -> FitConfig:
        """The reference with those of these settings that the architecture has."""
        known = self.architecture.Config.model_fields
        reference = self.architecture.reference(shape).model_dump()
        kept = {key: value for key, value in settings.items() if key in known}
        try:
            return self.architecture.Config.model_validate({**reference, **kept})
        except ValidationError as error:
            raise InputError(f"Config: {explain(error, self.architecture.Config)}") from None

    @cached_property
    def shares(self) -> dict[str, float]:
        """The settings that may be shares of what is dropped in training (0 or more, and less than 1), all 0."""
        fields = self.architecture.Config.model_fields
        return {name: 0.0 for name, field in fields.items() if _bounds(field) == (0, 1)}

    def fit(self, rows: Rows, shape: Shape, settings: Mapping[str, object], *, seed: int = 1) -> Fit:
        return Fit(self.architecture, self.config(shape, settings), shape, rows, seed=seed)

    def fitted(self, rows: Rows, shape: Shape, settings: Mapping[str, object], *, seed: int = 1) -> Fit:
        """A fit at its end."""
        fit = self.fit(rows, shape, settings, seed=seed)
        while fit.step < fit.steps:
            fit.advance()
        return fit

    def fresh(self, scale: Scale = STARS, *, sides: bool = False) -> tuple[RatingModel, Tensors]:
        """A model that has seen a few rows and is not trained, and these rows."""
        rows, shape = worlds.noise(scale)
        seen = on_device(rows, CPU).wide()  # as a fit gives them to an architecture of one's own
        torch.manual_seed(0)
        shape = worlds.with_sides(shape) if sides else shape
        model: RatingModel = self.architecture.Model(self.config(shape), shape)
        model.see(seen)
        return model, seen


def output_of(model: RatingModel, rows: Tensors) -> Tensor:
    """What `forward` gives for these rows, in whatever mode the model is."""
    output: Tensor = model(*model.inputs(rows.users, rows.items, rows.times))
    return output


def rated(model: RatingModel, users: Tensor, items: Tensor) -> Tensor:
    """As a bundle rates pairs; all on one day."""
    return predict(model, users, items, torch.full_like(users, 10 * worlds.DAY))


def weights(fit: Fit) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in fit.model.state_dict().items()}


def differing(one: dict[str, Tensor], other: dict[str, Tensor]) -> list[str]:
    """The names of the tensors that differ, in any bit."""
    if one.keys() != other.keys():
        return sorted(one.keys() ^ other.keys())
    return [key for key, value in one.items() if not torch.equal(value, other[key])]


def _bounds(field: FieldInfo) -> tuple[float, float]:
    """The least value, and the one that all must be below, of a float with such bounds; else infinities."""
    rules: list[Any] = field.metadata
    least = next((rule.ge for rule in rules if hasattr(rule, "ge")), -math.inf)
    below = next((rule.lt for rule in rules if hasattr(rule, "lt")), math.inf)
    return least, below
