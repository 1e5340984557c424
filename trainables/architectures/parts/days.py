"""A vector for each user and day: moods, and who uses an account, change from day to day (timeSVD++, Koren 2009)."""

import torch
from torch import Tensor, nn

DAY = 86_400  # seconds
MOST_DAYS = 1 << 24  # days that a key can tell apart


class Days(nn.Module):
    """`keys`, ascending, are the users' days; row 1 + n of the table is the vector of key n.

    Row 0 stays zero: it is for days on which the user has no fitted rating.
    """

    keys: Tensor

    def __init__(self, days: int, width: int) -> None:
        super().__init__()
        self.register_buffer("keys", torch.zeros(days, dtype=torch.int64))
        self.table = nn.Parameter(torch.zeros(days + 1, width))

    @classmethod
    def of(cls, users: Tensor, times: Tensor, width: int) -> "Days":
        """A table with a row for each user and day of these pairs, shape (pairs,); times are in seconds since 1970."""
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
    """One number for a user and a day. The middle of a user's range is 1970, so that earlier days fit too."""
    # `div` with `rounding_mode="floor"` is a division in 32 bits in ONNX, which takes a late hour for the next day.
    return users.long() * MOST_DAYS + (times // DAY + MOST_DAYS // 2)
