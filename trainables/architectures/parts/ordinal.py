"""The ordinal logit: P(rating > v_k) = σ((m - t_k) / s), v_k being the steps of the scale, lowest first.

The thresholds t_k between the steps and s are learnt (McKelvey & Zavoina 1975, with a logistic in place of a normal;
Koren & Sill 2011). They are in quarters of the scale's span from its middle, so that they are alike on any scale.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FAR = 1e4  # quarters of the scale from its middle: the ends of the outer steps


class OrdinalHead(nn.Module):
    values: Tensor  # v_k, shape (values,)

    def __init__(self, values: Tensor, *, noise: float) -> None:
        """Thresholds halfway between the `values`, shape (values,), ascending; s at `noise`."""
        super().__init__()
        self.register_buffer("values", values, persistent=False)
        self.middle = (values[0] + values[-1]).item() / 2
        self.unit = (values[-1] - values[0]).item() / 4
        thresholds = ((values[1:] + values[:-1]) / 2 - self.middle) / self.unit
        # The first one, and the logarithms of the distances from each to the next: they stay in order.
        self.first = nn.Parameter(thresholds[:1])
        self.distances = nn.Parameter(thresholds.diff().log())
        self.log_noise = nn.Parameter(torch.tensor(math.log(noise)))

    def thresholds(self) -> Tensor:
        """t_k, ascending, shape (values - 1,)."""
        return self.first + F.pad(self.distances.exp().cumsum(0), (1, 0))

    def forward(self, match: Tensor) -> Tensor:
        """The expected rating for each m in rating units, shape (batch,): v_1 + Σ_k (v_k+1 - v_k) P(rating > v_k)."""
        above = (self._quarters(match)[:, None] - self.thresholds()) / self.log_noise.exp()
        return self.values[0] + above.sigmoid() @ self.values.diff()

    def loss(self, match: Tensor, ratings: Tensor) -> Tensor:
        """The mean of `losses`."""
        return self.losses(match, ratings).mean()

    def losses(self, match: Tensor, ratings: Tensor) -> Tensor:
        """-log P(rating) = -log[σ(a) - σ(b)] of each row, a and b being the distances to the thresholds around it.

        Both arguments are in rating units, shape (batch,). A rating between two values counts as the nearer one.
        """
        m, k = self._quarters(match), (ratings[:, None] - self.values).abs().argmin(1)
        thresholds = F.pad(F.pad(self.thresholds(), (1, 0), value=-FAR), (0, 1), value=FAR)
        a, b = ((thresholds[at] - m) / self.log_noise.exp() for at in (k + 1, k))
        # σ(a) - σ(b) = σ(a) σ(-b) (1 - e^(b - a)), which does not underflow.
        return -(F.logsigmoid(a) + F.logsigmoid(-b) + (-torch.expm1(b - a)).log())

    def _quarters(self, ratings: Tensor) -> Tensor:
        return (ratings - self.middle) / self.unit
