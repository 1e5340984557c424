"""SVD++ both ways with side information: rating = mean + unit · (p·q + b_p + b_q)  (Koren 2008; Rendle 2010).

p and q are the vectors of `trainables/trunk.py`: of the ids, of what else the user rated and who else rated the item,
and of side tables where there are any. There is no sigmoid: predictions are clipped to the scale.
"""

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from trainables.model import Shape
from trainables.trunk import TrunkConfig, TrunkModel, batch_for


class Config(TrunkConfig):
    """Chosen on validation parts: see docs/defaults.md."""

    learning_rate: float = Field(8.5e-3, gt=0, le=10, description="highest rate of the one-cycle schedule")
    weight_decay: float = Field(4.7, ge=0, le=100, description="decoupled, of the vectors of ids")
    batch_size: int = Field(4096, ge=2, le=1_048_576, description="rows per step, over all workers")
    epochs: int = Field(19, ge=1, le=1000, description="passes over the training rows")


class Model(TrunkModel):
    def forward(self, users: Tensor, items: Tensor) -> Tensor:
        """Map indices of shape (batch,) to ratings of shape (batch,)."""
        user, item = self.vectors(users, items)
        match = (user[:, :-1] * item[:, :-1]).sum(1) + user[:, -1] + item[:, -1]
        return self.mean + self.unit * match

    def loss(self, output: Tensor, ratings: Tensor) -> Tensor:
        """Mean squared error."""
        return F.mse_loss(output, ratings)


def reference(shape: Shape) -> Config:
    """The defaults, with batches of about an eighteenth of the ratings."""
    return Config(batch_size=batch_for(shape))
