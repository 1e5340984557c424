"""Ensemble: rating = Σ w_a f_a with w ≥ 0 and Σ w = 1: stacked regressions (Breiman 1996).

f_a is the rating by architecture a (a class head's mean or argmax), averaged over the fits of its seeds. The weights w
are fitted on rows that no f_a was trained on.
"""

from collections.abc import Callable
from typing import Self, cast

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, ValidationInfo, model_validator
from torch import Tensor, nn

from reeltune.trainables.architectures.registry import SHIPPED, Registry
from reeltune.trainables.config import Configuration, FitConfig
from reeltune.trainables.data.scale import Scale
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.model import RatingModel
from reeltune.trainables.options import explain
from reeltune.trainables.scoring.decoders import KnownDecoder, decode

FOLDS = 5
RIDGE = 1e-4  # relative to the errors' norm: equal predictors get equal weights, and without rows all do


def weights(predictions: np.ndarray, ratings: np.ndarray, often: np.ndarray | None = None) -> np.ndarray:
    """The weights, shape (models,), of least squared error for predictions of shape (models, rows).

    Rows may have weights of their own, `often`, shape (rows,): their squared errors count so often.

    With errors E, w minimises |Ew|² on the simplex. It is v / Σv for the v ≥ 0 that minimises |Ev|² + (1 - Σv)²: both
    have the same conditions of optimality, and the second has an exact solver (NNLS: Lawson & Hanson 1974).
    """
    from scipy.optimize import nnls  # half a second to load

    errors = (np.asarray(predictions, dtype=np.float64) - ratings).T
    if often is not None:
        errors = errors * np.sqrt(often)[:, None]
    models = errors.shape[1]
    triangle = np.linalg.qr(errors / (np.linalg.norm(errors) or 1.0), mode="r")
    system = np.vstack([triangle, RIDGE * np.eye(models), np.ones(models)])
    solved, _ = nnls(system, np.append(np.zeros(len(system) - 1), 1.0))
    return solved / solved.sum()


def cross_fitted(
    predictions: np.ndarray, ratings: np.ndarray, numbers: np.ndarray, *, seed: int, often: np.ndarray | None = None
) -> np.ndarray:
    """The ensemble's ratings of these rows, shape (rows,), each by weights that were fitted on the other folds.

    `predictions` has shape (models, rows). Rows of equal `numbers` are one row of the data that several fits predicted:
    they share a fold, or a row's own rating would have a part in its weights. `often` is as `weights` has it.
    """
    _, places = np.unique(numbers, return_inverse=True)
    fold = (np.random.default_rng(seed).permutation(places.max() + 1) % FOLDS)[places]
    combined = np.empty(len(ratings))
    for number in range(FOLDS):
        within = fold == number
        others = None if often is None else often[~within]
        combined[within] = weights(predictions[:, ~within], ratings[~within], others) @ predictions[:, within]
    return combined


class Member(BaseModel):
    """An architecture in the ensemble, with its weight."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    weight: float = Field(ge=0, le=1)
    config: Configuration
    fits: int = Field(1, ge=1, le=1000)  # with other seeds, averaged
    decoder: KnownDecoder = "mean"  # of its class head, if it has one
    temperature: float = Field(gt=0)  # of its class head, if it has one


class Config(FitConfig):
    """The configuration in the ensemble's bundle: its members, by architecture.

    Where one of them is none of the table's, it is validated with `context={"registry": ...}`, which has it.
    """

    members: dict[str, Member] = Field(min_length=1, description="architectures, with weight and configuration")
    _registry: Registry = PrivateAttr(SHIPPED)

    @property
    def registry(self) -> Registry:
        return self._registry

    @property
    def timed(self) -> bool:
        """Whether a member is."""
        members = self.members.items()
        return any(self.registry[name].Config.model_validate(member.config).timed for name, member in members)

    @model_validator(mode="after")
    def _of_known_members(self, info: ValidationInfo) -> Self:
        self._registry = registry = (info.context or {}).get("registry", SHIPPED)
        for name, member in self.members.items():
            if name not in registry:
                raise ValueError(f"no architecture {name!r} here; there are {', '.join(registry)}")
            try:
                registry[name].Config.model_validate(member.config)
            except ValidationError as error:
                raise ValueError(f"{name}: {explain(error, registry[name].Config)}") from None
        total = sum(member.weight for member in self.members.values())
        if abs(total - 1) > 1e-6:
            raise ValueError(f"the weights must sum to 1, not to {total:g}")
        return self


class Model(RatingModel):
    """A scalar head on fitted models. It has no parameters of its own and is not trained."""

    def __init__(self, config: Config, members: dict[str, list[RatingModel]], scale: Scale) -> None:
        super().__init__()
        self.config, self.scale = config, scale
        self.members = nn.ModuleDict({name: nn.ModuleList(fits) for name, fits in members.items()})

    @classmethod
    def serving(cls, config: Config, shape: Shape, weights: dict[str, Tensor]) -> Self:
        members: dict[str, list[RatingModel]] = {}
        for name, member in config.members.items():
            architecture = config.registry[name]
            settings = architecture.Config.model_validate(member.config)
            of_fits = [below(_prefix(name, place), weights) for place in range(member.fits)]
            members[name] = [architecture.Model.serving(settings, shape, own) for own in of_fits]
        return cls(config, members, shape.scale)

    @property
    def timed(self) -> bool:
        """Whether a member is."""
        return any(model.timed for name in self.config.members for model in self._fits(name))

    def forward(self, users: Tensor, items: Tensor, times: Tensor | None = None) -> Tensor:
        """Map indices of shape (batch,) to ratings of shape (batch,)."""
        return self._averaged(lambda model: model(*model.inputs(users, items, times)))

    @property
    def factored(self) -> bool:
        """Not with a class head, whose rating may jump where sums are rounded otherwise."""
        return all(model.factored and model.grid is None for model in self.fits())

    def crossed(self, users: Tensor, items: Tensor, times: Tensor | None) -> Tensor:
        """As the base's; of class heads pair by pair, as an argmax may jump where sums are rounded otherwise."""

        def flat(model: RatingModel) -> Tensor:
            asked = users, items, times if model.timed else None
            return (model.crossed(*asked) if model.grid is None else RatingModel.crossed(model, *asked)).flatten(0, 1)

        return self._averaged(flat).unflatten(0, (len(users), len(items)))

    def _averaged(self, output: Callable[[RatingModel], Tensor]) -> Tensor:
        """The weighted mean of the members' ratings, shape (batch,), each the mean over its fits."""
        total = torch.zeros((), dtype=torch.float64)
        for name, member in self.config.members.items():
            ratings = [self._decoded(output(model), model.grid, member) for model in self._fits(name)]
            total = total + member.weight * torch.stack(ratings).mean(0)
        return total.float()

    def _decoded(self, output: Tensor, grid: Tensor | None, member: Member) -> Tensor:
        return decode(output, grid, self.scale, decoder=member.decoder, temperature=member.temperature).double()

    def fits(self) -> list[RatingModel]:
        """All of them."""
        return [fit for name in self.config.members for fit in self._fits(name)]

    def changed(self, change: Callable[[str, RatingModel], RatingModel]) -> "Model":
        """This ensemble with another model in place of each fit; `change` also takes the prefix of its tensors."""
        members = {
            name: [change(_prefix(name, place), fit) for place, fit in enumerate(self._fits(name))]
            for name in self.config.members
        }
        return Model(self.config, members, self.scale)

    def _fits(self, name: str) -> list[RatingModel]:
        return [cast(RatingModel, model) for model in cast(nn.ModuleList, self.members[name])]


def packed(members: dict[str, list[dict[str, Tensor]]]) -> dict[str, Tensor]:
    """The state of the ensemble's model, put together from its members' served ones, a list of fits each; or priors."""
    return {
        f"{_prefix(name, place)}{key}": tensor
        for name, fits in members.items()
        for place, own in enumerate(fits)
        for key, tensor in own.items()
    }


def _prefix(name: str, place: int) -> str:
    return f"members.{name}.{place}."


def below(prefix: str, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of one fit, of those that `packed` has put together: with this prefix, which is left out."""
    return {key.removeprefix(prefix): tensor for key, tensor in weights.items() if key.startswith(prefix)}
