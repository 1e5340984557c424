"""The model bundle: a folder from which a fitted model rates pairs by their own ids.

It holds safetensors, JSON and Parquet and no pickle, so that loading a bundle runs no code of its author's. Of an
architecture that is none of reeltune's it has a copy of the source, for reading: who loads the bundle names the file
to run, which must have the same hash.
"""

import hashlib
import json
import os
import re
import shutil
import tempfile
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from reeltune.trainables.architectures import ENSEMBLE, ensemble
from reeltune.trainables.architectures.kept_source import ChangedSource, OwnSource, check_sources, copy_of
from reeltune.trainables.architectures.registry import Registry, resolve
from reeltune.trainables.architectures.source import Source
from reeltune.trainables.card import card
from reeltune.trainables.config import Configuration, FitConfig
from reeltune.trainables.data.ids import Ids
from reeltune.trainables.data.ratings import RatingCounts, Rows
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.description import Description, describe
from reeltune.trainables.errors import InputError
from reeltune.trainables.model import RatingModel
from reeltune.trainables.options import explain
from reeltune.trainables.predictor import PRIORS, Predictor

__all__ = [
    "DESCRIPTION",
    "ITEMS",
    "PRIORS",
    "USERS",
    "WEIGHTS",
    "Description",
    "Predictor",
    "config_of",
    "describe",
    "hash_of",
    "load",
    "load_own",
    "needed_of",
    "read_description",
    "restore",
    "restored",
    "save",
    "served_weights",
]

WEIGHTS, DESCRIPTION, USERS, ITEMS = "model.safetensors", "config.json", "users.parquet", "items.parquet"
CARD = "README.md"  # for people; nothing reads it
HASHED = (WEIGHTS, PRIORS, USERS, ITEMS)


class Kept(Protocol):
    """What a bundle can hold the model of: an architecture, or the ensemble."""

    @property
    def Config(self) -> type[FitConfig]: ...

    @property
    def Model(self) -> type[Any]: ...


def served_weights(model: RatingModel) -> dict[str, torch.Tensor]:
    """The weights that a bundle keeps of a fitted model: those of its `served` one, on the CPU.

    Tensors that share memory, as tied weights do, are there under each name: safetensors refuses them as they are.
    """
    weights: dict[str, torch.Tensor] = {}
    places = set[int]()
    for name, tensor in model.served().state_dict().items():
        here = tensor.contiguous().cpu()
        place = here.untyped_storage().data_ptr()
        weights[name] = here.clone() if place in places else here
        places.add(place)
    return weights


def save(
    path: Path,
    description: Description,
    weights: dict[str, torch.Tensor],
    users: Ids,
    items: Ids,
    *,
    fitted: Rows | RatingCounts,
    sources: Mapping[str, Source] | None = None,
    priors: Mapping[str, torch.Tensor] | None = None,
) -> None:
    """Write the bundle of a model that was fitted on these rows, or so many, in place of any bundle at `path`.

    Of a symbolic link that is the folder it leads to.
    `sources` are those that `describe` was given, and `priors` those of `folding.prior.learnt`, by which new users and
    items get rows. If writing fails, what was at `path` stays as it was.
    """
    path = path.resolve() if path.is_symlink() else path
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}-"))
    try:
        _write(weights, unfinished / WEIGHTS)
        if priors:
            _write(priors, unfinished / PRIORS)
        for file in unfinished.iterdir():
            file.chmod(0o644)  # safetensors lets only the owner read its files
        for source in (sources or {}).values():
            copy_of(unfinished, source.name).write_text(source.text, encoding="utf-8")
        counts = fitted.counts(users.rows, items.rows) if isinstance(fitted, Rows) else fitted
        for name, ids, rated in ((USERS, users, counts.users), (ITEMS, items, counts.items)):
            pd.DataFrame({"id": ids.text, "ratings": rated[1:]}).to_parquet(unfinished / name, index=False)
        hashes = {name: _hash(unfinished / name) for name in HASHED if (unfinished / name).exists()}
        content = description.model_copy(update={"files": hashes}).model_dump_json(indent=2)
        (unfinished / DESCRIPTION).write_text(content + "\n", encoding="utf-8")
        (unfinished / CARD).write_text(card(description), encoding="utf-8")
        unfinished.chmod(0o755)
        _put(unfinished, path)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _write(tensors: Mapping[str, torch.Tensor], file: Path) -> None:
    """Raises OSError where the file cannot be written: safetensors tells a full disk by a class of its own."""
    try:
        save_file({name: tensor.contiguous().cpu() for name, tensor in tensors.items()}, file)
    except SafetensorError as error:
        number = re.search(r"os error (\d+)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(file)) from None


def _put(folder: Path, path: Path) -> None:
    """Move a folder to a path. A folder that is there already is kept beside it until that has worked."""
    if not path.is_dir():
        os.replace(folder, path)
        return
    before = folder.with_name(f"{folder.name}-before")
    os.replace(path, before)
    try:
        os.replace(folder, path)
    finally:
        if not path.exists():
            os.replace(before, path)
    shutil.rmtree(before, ignore_errors=True)


def load(
    path: str | Path,
    *,
    architecture: str | Path | Sequence[str | Path] = (),
    changed_source: ChangedSource = "error",
) -> Predictor:
    """Load a bundle from its folder.

    `architecture` is the file (or the module's dotted name) of an architecture that is none of reeltune's: the bundle
    has a copy, which is never run. It must be the very source that was fitted, unless `changed_source` is "allow".
    Raises InputError, naming the file, if one is missing, broken or another.
    """
    words = [architecture] if isinstance(architecture, str | Path) else architecture
    return load_own(Path(path), OwnSource(files=tuple(map(str, words)), changed=changed_source))


def load_own(path: Path, own: OwnSource) -> Predictor:
    """As `load`."""
    _, registry = resolve(own.files)
    check_sources(path, read_description(path).sources, registry, own.changed)
    return restore(path, registry)


def needed_of(path: Path, files: Iterable[str]) -> tuple[str, ...]:
    """Those of the files whose architecture the bundle needs. None is run."""
    needed = read_description(path).sources
    return tuple(file for file in files if set(resolve([file])[0]) <= needed.keys())


def restore(path: Path, registry: Registry) -> Predictor:
    """Load a bundle by the architectures of a registry. Raises InputError, as `load`."""
    description = read_description(path)
    architecture = _kept(description.architecture, registry)
    if architecture is None:
        raise InputError(f"{path}: no architecture {description.architecture!r} here; there are {', '.join(registry)}")
    try:
        config = architecture.Config.model_validate(description.config, context={"registry": registry})
    except ValidationError as error:
        raise InputError(f"{path / DESCRIPTION}: config: {explain(error, architecture.Config)}") from None
    _check_files(path, description.files)
    (users, user_ratings), (items, item_ratings) = (_ids(path / name) for name in (USERS, ITEMS))
    shape = Shape(users=users.rows, items=items.rows, scale=description.scale())
    return Predictor(
        description,
        _model(architecture, config, shape, path / WEIGHTS),
        users=users,
        items=items,
        user_ratings=user_ratings,
        item_ratings=item_ratings,
        priors=_priors(path / PRIORS),
    )


def _check_files(path: Path, hashes: Mapping[str, str]) -> None:
    """Raise InputError where a file is not the one that was saved. Bundles of formats 1 and 2 have no hashes."""
    for name in HASHED:
        if name not in hashes:
            continue
        file = path / name
        try:
            found = _hash(file)
        except OSError as error:
            raise InputError(f"{file}: {error.strerror}: copy the whole bundle again") from None
        if found != hashes[name]:
            raise InputError(
                f"{file}: not the file that was saved in this bundle: its SHA-256 is {found[:16]}…, and {DESCRIPTION} "
                f"says {hashes[name][:16]}…: copy the bundle again, or fit again"
            )


def hash_of(path: Path) -> str:
    """The SHA-256 of a bundle's `config.json`, which has those of its other files."""
    return _hash(path / DESCRIPTION)


def _hash(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _priors(file: Path) -> dict[str, torch.Tensor]:
    """The priors of the rows of users and items; none of a bundle that has none."""
    try:
        return load_file(file) if file.exists() else {}
    except (SafetensorError, OSError) as error:
        raise InputError(f"{file}: not this bundle's priors: {str(error).splitlines()[0]}") from None


def _kept(name: str, registry: Registry) -> Kept | None:
    return ensemble if name == ENSEMBLE else registry.get(name)


def read_description(path: Path) -> Description:
    file = path / DESCRIPTION
    if not file.is_file():
        raise no_bundle(path)
    try:
        return Description.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise InputError(f"{file}: {explain(error, Description)}") from None


def no_bundle(path: Path) -> InputError:
    """The error where no bundle is, with those that may be meant: of the run at this path or name, or beside it."""
    for near in (path / "models", Path("runs", path, "models"), path.parent):
        names = sorted(file.parent.name for file in near.glob(f"*/{WEIGHTS}") if (file.parent / DESCRIPTION).exists())
        if names:
            return InputError(f"{path}: no model bundle; in {near} there are {', '.join(names)}")
    why = f"it has no {DESCRIPTION}" if path.exists() else "nothing is there"
    return InputError(f"{path}: no model bundle ({why})")


def restored(architecture: Kept, config: FitConfig, shape: Shape, weights: dict[str, torch.Tensor]) -> RatingModel:
    """The model with these weights, in evaluation. The caller's random numbers are not drawn from.

    It is made of what a bundle has of the shape: without side tables, whose part a served model has in its weights.
    """
    model = _serving(architecture, config, shape, weights)
    model.load_state_dict(weights)
    return model.eval()


def _serving(architecture: Kept, config: FitConfig, shape: Shape, weights: dict[str, torch.Tensor]) -> RatingModel:
    """A model that can load these weights."""
    known = Shape(users=shape.users, items=shape.items, scale=shape.scale)
    with torch.random.fork_rng(devices=[]):
        model: RatingModel = architecture.Model.serving(config, known, weights)
    return model


def _model(architecture: Kept, config: FitConfig, shape: Shape, file: Path) -> RatingModel:
    """As `restored`, with the weights of a file. Raises InputError where they are not the model's.

    An error of an own architecture's code is raised as it is.
    """
    try:
        weights = load_file(file)
    except (SafetensorError, RuntimeError, OSError) as error:
        raise _other_weights(file, error) from None
    model = _serving(architecture, config, shape, weights)
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise _other_weights(file, error) from None
    return model.eval()


def _other_weights(file: Path, error: Exception) -> InputError:
    return InputError(f"{file}: not this bundle's weights: {str(error).splitlines()[0]}")


def _ids(file: Path) -> tuple[Ids, np.ndarray]:
    """The ids, and by index how many ratings were fitted, shape (1 + ids,); index 0, 'unknown', has none.

    The first bundles of format 1 do not say how many: then it is one of each id, all of which they took as known.
    """
    try:
        frame = pd.read_parquet(file)
        counts = frame["ratings"] if "ratings" in frame else pd.Series(1, frame.index)
        return Ids(frame["id"].to_numpy()), np.concatenate([[0], counts.to_numpy()])
    except KeyError:
        raise InputError(f"{file}: expected a column 'id'; found none") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: {str(error).splitlines()[0]}") from None


def config_of(path: Path) -> Configuration:
    """The configuration in a bundle's folder, a JSON file or a TOML file, not validated. Raises InputError."""
    file = path / DESCRIPTION if path.is_dir() else path
    if not file.is_file():
        raise InputError(f"{path}: no such file")
    try:
        text = file.read_text(encoding="utf-8")
        content = tomllib.loads(text) if file.suffix == ".toml" else json.loads(text)
    except (tomllib.TOMLDecodeError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: no TOML or JSON: {error}") from None
    if not isinstance(content, dict):
        raise InputError(f"{file}: expected a table of settings; found {type(content).__name__}")
    if content.get("architecture") == ENSEMBLE:
        raise InputError(f"{path}: an ensemble is not trained by itself; expected the bundle of one architecture")
    return content["config"] if isinstance(content.get("config"), dict) else content
