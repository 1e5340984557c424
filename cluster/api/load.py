"""A fitted model on disk or in an object store. What only runs need, such as Ray and Optuna, is not loaded here."""

import os
from collections.abc import Sequence
from pathlib import Path

from reeltune.cluster.api.model import Model
from reeltune.cluster.api.options import own_source

Files = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


def named(files: Files | None) -> tuple[str, ...]:
    """One file or several, as text."""
    if files is None or isinstance(files, (str, os.PathLike)):
        return () if files is None else (os.fspath(files),)
    return tuple(os.fspath(file) for file in files)


def load(model: str | Path, *, architecture: Files | None = None, changed_source: str | None = None) -> Model:
    """A fitted model, by the path or URI of its bundle. Raises InputError, naming the file, if it is missing or broken.

    No code of a bundle is run. A model of your own architecture needs its file, `architecture`, unchanged unless
    `changed_source` is "allow".
    """
    return Model.at(model, own=own_source(named(architecture), changed_source))
