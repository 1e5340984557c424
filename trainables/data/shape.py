"""What a model must know of the data."""

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
    rare_items: int = 0  # up to this index items have ratings in the data, and so few that a fit may have none of them
    user_features: Features | None = None
    item_features: Features | None = None
