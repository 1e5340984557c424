"""The fields that every architecture's configuration has, and what else a fit is told."""

import math
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

# An architecture's hyperparameters by name, as its `Config` has them. An ensemble's has its members' in it.
Configuration = dict[str, Any]


class FitConfig(BaseModel):
    """The configuration of one fit. Each architecture adds its own fields; an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    @property
    def timed(self) -> bool:
        """Whether a prediction with this configuration may look at when its pair was rated.

        Such a fit needs timestamps, and every line about it says WITH TIME: a rating's time is known only after it.
        """
        return False

    @property
    def takes_weights(self) -> bool:
        """Whether a fit with this configuration can count rows by their weights."""
        return True

    def as_json(self) -> Configuration:
        """All hyperparameters as a run writes and reads them: a tuple is a list. What is searched has this form."""
        return self.model_dump(mode="json")


class TrainingConfig(FitConfig):
    """Fields that every architecture has that is trained step by step."""

    learning_rate: float = Field(5e-3, gt=0, le=10, description="highest rate of the one-cycle schedule")
    weight_decay: float = Field(0.1, ge=0, le=100, description="decoupled (AdamW); none on biases and norms")
    batch_size: int = Field(64, ge=2, le=1_048_576, description="rows per step, over all workers")
    epochs: int = Field(5, ge=1, le=1000, description="passes over the training rows")


Shard = Literal["users"]  # what of a fit is dealt to its workers, a part for each: rows and vectors of users


def batch_of(ratings: int, *, steps: int) -> int:
    """The batch size, a power of two from 64 to 2^20, with which an epoch of `ratings` has about `steps` steps."""
    return int(2 ** min(20, max(6, round(math.log2(ratings / steps)))))


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """AdamW's constants, which are not searched: fastai's unless an architecture sets its own."""

    momenta: tuple[float, float] = (0.95, 0.85)  # β₁ at the start and end of the cycle, and at its highest rate
    second: float = 0.99  # β₂
    epsilon: float = 1e-5
