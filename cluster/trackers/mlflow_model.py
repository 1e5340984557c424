"""A bundle as a model of MLflow: `mlflow.pyfunc.load_model(uri).predict(frame)` gives its ratings.

It is a pyfunc model without a pickle: MLflow imports this file and gives it the bundle's folder. Of an own
architecture the bundle has a copy of its source that is never run, so its file is named where the model is loaded:
`load_model(uri, model_config={"architecture": "two_tower.py"})`.
"""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow import pyfunc
from mlflow.models import ModelSignature
from mlflow.types.schema import AnyType, ColSpec, DataType, Schema

from reeltune.trainables.bundle import Predictor, load
from reeltune.trainables.errors import InputError
from reeltune.trainables.version import __version__

USER, ITEM, TIME = "user", "item", "timestamp"
ARCHITECTURE = "architecture"  # in the model's configuration: the file of an own architecture


class Rater:
    """What MLflow calls."""

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor

    def predict(self, pairs: pd.DataFrame, params: Mapping[str, Any] | None = None) -> np.ndarray:
        """Rate n pairs: a frame with columns `user` and `item` (and `timestamp`, in seconds, of a model with time).

        Ids are text or whole numbers. Returns n ratings, of shape (n,). Raises InputError at a missing column.
        """
        columns = [USER, ITEM, *([TIME] if self.predictor.timed else [])]
        for column in columns:
            if column not in pairs:
                raise InputError(
                    f"no column {column!r}: expected {', '.join(columns)}; found {', '.join(map(str, pairs))}"
                )
        users, items, *times = (pairs[column].to_numpy() for column in columns)
        return self.predictor.predict(users, items, *times).astype(float)


def _load_pyfunc(path: str, model_config: Mapping[str, Any] | None = None) -> Rater:
    """Called by MLflow with the bundle's folder."""
    file = (model_config or {}).get(ARCHITECTURE) or ()
    return Rater(load(path, architecture=file))


def write_model(bundle: Path, path: Path) -> None:
    """Write a bundle as a pyfunc model at a path where nothing is."""
    columns = [ColSpec(AnyType(), USER), ColSpec(AnyType(), ITEM), ColSpec(DataType.long, TIME, required=False)]
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # it would like an example of pairs
        pyfunc.save_model(
            path,
            loader_module=__name__,
            data_path=str(bundle),
            model_config={ARCHITECTURE: ""},
            pip_requirements=[f"reeltune=={__version__}"],
            signature=ModelSignature(inputs=Schema(columns), outputs=Schema([ColSpec(DataType.double)])),
        )
