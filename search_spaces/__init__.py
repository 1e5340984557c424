"""What may vary: search spaces as data, and one Optuna study for each architecture."""

from search_spaces.carried import Size, carried, holds
from search_spaces.space import Parameter, Space, has_space, read_spaces, shipped
from search_spaces.study import Outcome, Study, journal, unfinished

__all__ = [
    "Outcome",
    "Parameter",
    "Size",
    "Space",
    "Study",
    "carried",
    "has_space",
    "holds",
    "journal",
    "read_spaces",
    "shipped",
    "unfinished",
]
