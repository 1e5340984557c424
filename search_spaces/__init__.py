"""What may vary: search spaces as data, and one Optuna study for each architecture.

- `space.py`: reads them: a TOML file for each architecture
- `study.py`: an Optuna study for each architecture
- `carried.py`: a configuration that another search found, for data of another size
"""

from reeltune.search_spaces.carried import Size, carried, holds
from reeltune.search_spaces.space import Parameter, Space, has_space, read_spaces, shipped
from reeltune.search_spaces.study import Outcome, Study, journal, unfinished

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
