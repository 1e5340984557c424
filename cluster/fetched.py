"""Runs and bundles in an object store, read by URI: copies in the cache, brought up to date at each use."""

import hashlib
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from cluster.mirror import fetch
from cluster.run_folder import RunFolder
from cluster.storage import Store
from trainables.bundle import DESCRIPTION
from trainables.data.movielens import cache_folder
from trainables.errors import InputError

EVENTS = "tensorboard"


def fetched_run(uri: str, *, events: bool) -> RunFolder:
    """A run by its URI, with TensorBoard's files or without. Raises InputError where there is none."""
    home = Store.at(uri, "RUN").hasty
    folder = RunFolder(_copy(home), home)
    if home.read(folder.record.name) is None:
        raise InputError(f"{uri}: no run there (it has no {folder.record.name})")
    fetch(home, folder.path, skip=() if events else (EVENTS,))
    return folder


def model_folder(model: str) -> Path:
    """The folder of a bundle that is named by its path or its URI. Raises InputError where the URI has none."""
    if "://" not in model:
        return Path(model)
    store = Store.at(model, "MODEL").hasty
    if store.read(DESCRIPTION) is None:
        raise InputError(f"{model}: no model bundle (it has no {DESCRIPTION})")
    fetch(store, _copy(store))
    return _copy(store)


def _copy(store: Store) -> Path:
    name = PurePosixPath(urlsplit(store.where).path).name or "run"
    return cache_folder() / "fetched" / hashlib.sha256(store.where.encode()).hexdigest()[:16] / name
