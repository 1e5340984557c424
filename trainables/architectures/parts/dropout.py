"""Dropout (Srivastava et al. 2014), whose masks cost a processor little."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEVELS = 1 << 16  # a mask's numbers are whole ones of 16 bits


class Dropout(nn.Module):
    """`dropout` as a layer, as torch's own `Dropout` is."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, values: Tensor) -> Tensor:
        return dropout(values, self.share, self.training)


def dropout(values: Tensor, share: float, training: bool) -> Tensor:
    """In training, values of any shape with a share of them 0 and the others divided by 1 - share; else as they are.

    On a processor torch draws a Bernoulli number for each value, which took half of `autorec`'s fit. Here four values
    share a random number of 64 bits, and each is dropped if its 16 bits are below the share: as often to 2⁻¹⁷.
    """
    if not training or share == 0:
        return values
    if values.device.type != "cpu":
        return F.dropout(values, share)
    return values * _kept(values.numel(), share).view(values.shape).to(values.dtype).mul_(1 / (1 - share))


def masks(rows: int, width: int, share: float) -> Tensor:
    """What dropout multiplies vectors by whose last column is a bias, which is kept: shape (rows, width)."""
    mask = dropout(torch.ones(rows, width), share, training=True)
    mask[:, -1] = 1
    return mask


def _kept(count: int, share: float) -> Tensor:
    """Which of so many values are kept, shape (count,)."""
    drawn = torch.empty((count + 3) // 4, dtype=torch.int64).random_(-(1 << 63), None)
    least = min(round(share * LEVELS), LEVELS - 1) - LEVELS // 2
    return drawn.view(torch.int16)[:count] >= least
