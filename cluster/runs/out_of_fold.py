"""The ratings that confirmations gave the rows they held out, kept in a run's store for the ensemble's weights."""

import io

import numpy as np

from reeltune.cluster.runs.storage import Store


def write(store: Store, trial: str, ratings: np.ndarray) -> None:
    """Write a trial's ratings, shape (decoders, rows). Raises StorageFailed."""
    file = io.BytesIO()
    np.save(file, ratings)
    store.write(_name(trial), file.getvalue())


def read(store: Store, trial: str) -> np.ndarray | None:
    """A trial's ratings, shape (decoders, rows); None if it wrote none. Raises StorageFailed."""
    content = store.read(_name(trial))
    return None if content is None else np.load(io.BytesIO(content))


def _name(trial: str) -> str:
    return f"held_out/{trial}.npy"
