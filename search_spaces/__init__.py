"""What may vary: search spaces as data, samplers, and one Optuna study for each architecture.

- `space.py`: reads search spaces: a TOML file for each architecture
- `samplers.py`: the table of samplers: TPE, random, grid and others
- `study.py`: an Optuna study for each architecture
- `given.py`: a sampler that a Python program gives as Optuna's own object
- `carried.py`: adapts a configuration from another search to this one's data
- `bounds.py`: which bounds a choice lies on, and the space with more room beyond them
"""

from reeltune.search_spaces.bounds import Chosen, Side, on_bounds, widened
from reeltune.search_spaces.carried import Size, carried, holds
from reeltune.search_spaces.given import Sampling, check_sampler, maker, sampling_of, seeded, text_of
from reeltune.search_spaces.samplers import SAMPLERS
from reeltune.search_spaces.space import Parameter, Space, Value, declared, has_space, read_spaces, shipped
from reeltune.search_spaces.study import Outcome, Study, journal, unfinished

__all__ = [
    "SAMPLERS",
    "Chosen",
    "Outcome",
    "Parameter",
    "Sampling",
    "Side",
    "Size",
    "Space",
    "Study",
    "Value",
    "carried",
    "check_sampler",
    "declared",
    "has_space",
    "holds",
    "journal",
    "maker",
    "on_bounds",
    "read_spaces",
    "sampling_of",
    "seeded",
    "shipped",
    "text_of",
    "unfinished",
    "widened",
]
