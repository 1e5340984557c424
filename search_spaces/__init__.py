"""What may vary: search spaces as data, and one Optuna study for each architecture."""

from search_spaces.space import Parameter, Space, has_space, read_spaces, shipped
from search_spaces.study import Outcome, Study, journal, unfinished

__all__ = [
    "Outcome",
    "Parameter",
    "Space",
    "Study",
    "has_space",
    "journal",
    "read_spaces",
    "shipped",
    "unfinished",
]
