"""A vector for each user on each day of theirs: people and what they use an account for differ from day to day
(timeSVD++, Koren 2009)."""

import torch
from torch import Tensor, nn

DAY = 86_400  # seconds
MOST_DAYS = 1 << 24  # days that keys can tell apart


class Days(nn.Module):
    """Row 0 of the table, for days on which a user rated nothing that was fitted, is zero and is not trained."""

    keys: Tensor

    def __init__(self, days: int, width: int) -> None:
        super().__init__()
        self.register_buffer("keys", torch.zeros(days, dtype=torch.int64))
        self.table = nn.Parameter(torch.zeros(days + 1, width))

    @classmethod
    def of(cls, users: Tensor, times: Tensor, width: int) -> "Days":
        """A row for each user and day of rated pairs, whose times are in seconds."""
        keys = _keys(users, times).unique()
        days = cls(len(keys), width).to(users.device)
        days.keys.copy_(keys)
        return days

    def forward(self, users: Tensor, times: Tensor) -> Tensor:
        """Map pairs of shape (batch,) to vectors of shape (batch, width)."""
        keys = _keys(users, times)
        place = torch.searchsorted(self.keys, keys).clamp(max=len(self.keys) - 1)
        known = self.keys[place] == keys
        return self.table.index_select(0, torch.where(known, place + 1, 0)) * known[:, None]


def _keys(users: Tensor, times: Tensor) -> Tensor:
    return users * MOST_DAYS + (times.div(DAY, rounding_mode="floor") + MOST_DAYS // 2)
