"""`lr_find`, the learning-rate range test, from a program or a notebook."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reeltune.cluster.api.checks import here
from reeltune.cluster.api.keywords import check_hyperparameters
from reeltune.cluster.api.options import train_options
from reeltune.cluster.api.ratings import Data, asked_of, in_python
from reeltune.cluster.commands.lr_find import lr_find as job
from reeltune.cluster.commands.train_options import resolved
from reeltune.trainables.fitting.range_test import RangeTest
from reeltune.trainables.fitting.seeds import random_numbers_as_before


def lr_find(
    data: Data,
    architecture: str | os.PathLike[str],
    *,
    config: str | Path | Mapping[str, Any] | None = None,
    seed: int = 42,
    output: str | Path | None = None,
    **hyperparameters: Any,
) -> RangeTest:
    """Run the learning-rate range test; `valley` of what it returns is the suggestion. The plot is in `output`.

    Any other keyword is a hyperparameter. Raises InputError at wrong options or data.
    """
    check_hyperparameters(lr_find, hyperparameters, architecture)
    options = train_options(
        os.fspath(architecture),
        asked_of(data, split_seed=seed),
        config=Path(config) if isinstance(config, str) else config,
        settings=hyperparameters,
        seed=seed,
    )
    name = resolved(options)[0].architecture
    with random_numbers_as_before():
        picture = here("output", output or f"runs/lr-find-{name}.png")
        return job(options, picture, lambda line: print(in_python(line), file=sys.stderr))
