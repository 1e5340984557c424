"""Finds a run or a bundle by name, path or URI. One in an object store is copied to the cache folder at each use."""

import hashlib
import itertools
import time
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from reeltune.cluster.runs.folder import FOLD, RUNS, RunFolder
from reeltune.cluster.runs.mirror import fetch
from reeltune.cluster.runs.storage import Store
from reeltune.trainables.data.movielens import cache_folder
from reeltune.trainables.errors import InputError

EVENTS = "tensorboard"


def new_name() -> str:
    """A name that no run below `runs/` has: the time, with a number where a run of this second is there."""
    now = time.strftime("%Y%m%d-%H%M%S")
    names = itertools.chain([now], (f"{now}-{number}" for number in itertools.count(2)))
    return next(name for name in names if not (RUNS / name).exists())


def name_of_run(name: str | None, *, resume: bool) -> str:
    """The name of a run, or a new one. Raises InputError at no plain name, or if one is to go on and none is given."""
    if name is None and resume:
        raise InputError("--resume: which run is to go on? Add --name and its name")
    if name is None:
        return new_name()
    _check_name(name)
    return name


def folder_of(name: str, storage: str | None = None) -> RunFolder:
    """The folder of a run of this name, below `runs/` or `storage`. Raises InputError if the name is not a plain one.

    If the storage is an object store, the folder is below `runs/` and is mirrored to the store.
    """
    _check_name(name)
    if storage is None:
        return RunFolder(RUNS / name)
    home = Store.at(storage).below(name)
    return RunFolder(RUNS / name, home) if home.remote else RunFolder(Path(home.where))


def _check_name(name: str) -> None:
    if not name or name in (".", "..") or Path(name).name != name:
        raise InputError(f"--name {name!r}: expected a plain name without slashes")


def find_run(run: str, *, events: bool = False) -> RunFolder:
    """A run that exists, by its name below `runs/`, its path or its URI. Raises InputError if there is none.

    From a URI, TensorBoard's event files are fetched only with `events`.
    """
    if "://" in run:
        return _fetched_run(run, events=events)
    for path in (RUNS / run, Path(run)):
        if (path / "run.json").is_file():
            return RunFolder(path, whole=_whole(path.absolute()))
    known = sorted(p.parent.name for p in RUNS.glob("*/run.json"))
    listed = f"; there are {', '.join(known[-5:])}" if known else ""
    raise InputError(f"{run}: no run of this name or path{listed}")


def _whole(path: Path) -> str | None:
    """The name of the run of which a run's folder is a fold's."""
    return path.parent.name if path.name.startswith(FOLD) and (path.parent / "run.json").is_file() else None


def find_runs(named: Iterable[str], *, events: bool = False) -> list[RunFolder]:
    """Runs as `find_run` finds each; a folder that is no run is all runs in it, by name. Raises InputError likewise.

    In place of a run over folds there are the runs of its folds.
    """
    found: dict[str, RunFolder] = {}
    for name in named:
        inside = sorted(Path(name).glob("*/run.json")) if "://" not in name and not _is_run(name) else []
        runs = [RunFolder(file.parent) for file in inside] or [find_run(name, events=events)]
        found |= {search.place: search for run in runs for search in searches(run)}
    return list(found.values())


def searches(run: RunFolder) -> list[RunFolder]:
    """The runs of a run's folds on this machine's disk; the run itself if it has none."""
    folds = sorted(run.path.glob(f"{FOLD}*/{run.record.name}"), key=lambda file: (len(file.parent.name), file))
    return [run.fold(int(file.parent.name.removeprefix(FOLD))) for file in folds] or [run]


def _is_run(name: str) -> bool:
    return any((path / "run.json").is_file() for path in (RUNS / name, Path(name)))


def _fetched_run(uri: str, *, events: bool) -> RunFolder:
    """The copy of the run at a URI and of its folds' runs, with or without event files. Raises InputError without."""
    home = Store.at(uri, "RUN").hasty
    folder = RunFolder(_copy(home), home)
    if home.read(folder.record.name) is None:
        raise InputError(f"{uri}: no run there (it has no {folder.record.name})")
    for each in (folder, *_folds_there(home, folder)):
        fetch(each.store, each.path, skip=() if events else (EVENTS,))
    return folder


def _folds_there(home: Store, folder: RunFolder) -> list[RunFolder]:
    """The runs of a run's folds in the object store that is its home."""
    begun = [name.removesuffix(f"/{folder.record.name}") for name in home.names()]
    numbers = [name.removeprefix(FOLD) for name in begun if name.startswith(FOLD)]
    return [folder.fold(int(number)) for number in numbers if number.isdecimal()]


def model_folder(model: str) -> Path:
    """The folder of a bundle, by path or URI. Raises InputError if there is no bundle at the URI."""
    if "://" not in model:
        return Path(model)
    from reeltune.trainables.bundle import DESCRIPTION  # torch takes seconds to load

    store = Store.at(model, "MODEL").hasty
    if store.read(DESCRIPTION) is None:
        raise InputError(f"{model}: no model bundle (it has no {DESCRIPTION})")
    fetch(store, _copy(store))
    return _copy(store)


def _copy(store: Store) -> Path:
    name = PurePosixPath(urlsplit(store.where).path).name or "run"
    return cache_folder() / "fetched" / hashlib.sha256(store.where.encode()).hexdigest()[:16] / name
