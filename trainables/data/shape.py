"""What a model must know of the data."""

import math
from dataclasses import dataclass

from reeltune.trainables.data.features import Features
from reeltune.trainables.data.scale import Scale


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a model must know of the data: the rows of its tables ('unknown' included), the scale, side tables."""

    users: int
    items: int
    scale: Scale
    ratings: int | None = None  # rows to train on, where known: what a batch is sized by
    rated_users: int | None = None  # users with a row to train on; None where all have one, or nobody counted
    rated_items: int | None = None
    rare_items: int = 0  # up to this index items have ratings in the data, and so few that a fit may have none of them
    user_features: Features | None = None
    item_features: Features | None = None

    @property
    def ratings_per_id(self) -> float | None:
        """Training ratings per rated user and per rated item: their geometric mean. None without a count of ratings."""
        return None if self.ratings is None else self.ratings / math.sqrt(math.prod(self.rated))

    @property
    def rated(self) -> tuple[int, int]:
        """The numbers of rated users and of rated items, each at least 1."""
        users = self.users - 1 if self.rated_users is None else self.rated_users
        items = self.items - 1 if self.rated_items is None else self.rated_items
        return max(1, users), max(1, items)
