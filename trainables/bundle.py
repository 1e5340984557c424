"""The model bundle: a folder from which a fitted model rates pairs by their own ids.

It holds safetensors, JSON and Parquet and no pickle, so that loading a bundle runs no code of its author's. Of an
architecture that is none of reeltune's it has a copy of the source, for reading: who loads the bundle names the file
to run, which must have the same hash.
"""

import copy
import json
import os
import shutil
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, Self

import numpy as np
import pandas as pd
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from reeltune.trainables.architectures import ENSEMBLE, ensemble
from reeltune.trainables.architectures.kept_source import ChangedSource, OwnSource, check_sources, copy_of
from reeltune.trainables.architectures.registry import Registry, resolve
from reeltune.trainables.architectures.source import Source
from reeltune.trainables.config import FitConfig
from reeltune.trainables.data.ids import Ids
from reeltune.trainables.data.ratings import Rows
from reeltune.trainables.data.scale import Scale
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.errors import InputError
from reeltune.trainables.folding.folded import folded
from reeltune.trainables.folding.newcomers import Known, KnownIds, NewRatings, new_ratings
from reeltune.trainables.folding.prior import WIDEST
from reeltune.trainables.model import RatingModel
from reeltune.trainables.options import explain
from reeltune.trainables.scoring.decoders import Decoder, KnownDecoder, decode
from reeltune.trainables.scoring.metrics import predict_as
from reeltune.trainables.version import __version__

WEIGHTS, DESCRIPTION, USERS, ITEMS = "model.safetensors", "config.json", "users.parquet", "items.parquet"
PRIORS = (
    "priors.safetensors"  # for new users and items; not in bundles of versions before 0.2, nor of all architectures
)


class Kept(Protocol):
    """What a bundle can hold the model of: an architecture, or the ensemble."""

    @property
    def Config(self) -> type[FitConfig]: ...

    @property
    def Model(self) -> type[Any]: ...


class Description(BaseModel):
    """The content of `config.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    format: Literal[2] = 2
    architecture: str
    config: dict[str, Any]
    values: list[float] = Field(min_length=2)  # the rating values of the training data, ascending
    step: float
    lattice: bool
    decoder: KnownDecoder
    temperature: float
    seed: int
    data: str
    metrics: dict[str, dict[str, float | None] | None] = {}
    sources: dict[str, str] = {}  # by name, the SHA-256 of the source of each architecture that is none of reeltune's
    reeltune: str = __version__

    def scale(self) -> Scale:
        return Scale(
            values=tuple(self.values),
            low=self.values[0],
            high=self.values[-1],
            step=self.step,
            lattice=self.lattice,
        )


def describe(
    architecture: str,
    config: FitConfig,
    scale: Scale,
    *,
    decoder: Decoder,
    temperature: float,
    seed: int,
    data: str,
    metrics: dict[str, dict[str, float | None] | None],
    sources: Mapping[str, Source] | None = None,
) -> Description:
    """`sources`: those of the architectures, or of the ensemble's members, that are none of reeltune's."""
    return Description(
        architecture=architecture,
        config=config.model_dump(),
        values=list(scale.values),
        step=scale.step,
        lattice=scale.lattice,
        decoder=decoder,
        temperature=temperature,
        seed=seed,
        data=data,
        metrics=metrics,
        sources={name: source.hash for name, source in (sources or {}).items()},
    )


def save(
    path: Path,
    description: Description,
    weights: dict[str, torch.Tensor],
    users: Ids,
    items: Ids,
    *,
    fitted: Rows,
    sources: Mapping[str, Source] | None = None,
    priors: Mapping[str, torch.Tensor] | None = None,
) -> None:
    """Write the bundle of a model that was fitted on the rows `fitted`, in place of any bundle at `path`.

    `sources` are those that `describe` was given, and `priors` those of `folding.prior.learnt`, by which new users and
    items get rows. If writing fails, what was at `path` stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}-"))
    try:
        save_file({name: tensor.contiguous().cpu() for name, tensor in weights.items()}, unfinished / WEIGHTS)
        if priors:
            save_file({name: tensor.contiguous().cpu() for name, tensor in priors.items()}, unfinished / PRIORS)
        for file in unfinished.iterdir():
            file.chmod(0o644)  # safetensors lets only the owner read its files
        # Earlier versions read the bundles of reeltune's own architectures, and know no sources.
        content = description.model_dump_json(indent=2, exclude=None if description.sources else {"sources"})
        (unfinished / DESCRIPTION).write_text(content + "\n", encoding="utf-8")
        for source in (sources or {}).values():
            copy_of(unfinished, source.name).write_text(source.text, encoding="utf-8")
        for name, ids, rated in ((USERS, users, fitted.users), (ITEMS, items, fitted.items)):
            counts = np.bincount(rated, minlength=ids.rows)[1:]
            pd.DataFrame({"id": ids.text, "ratings": counts}).to_parquet(unfinished / name, index=False)
        unfinished.chmod(0o755)
        if path.exists():
            shutil.rmtree(path)
        os.replace(unfinished, path)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


class Predictor:
    """A loaded bundle.

    `user_ratings` and `item_ratings` hold, by index, how many ratings of each user and item were fitted. `newcomers`
    are the ratings of new users and items that `folded` has added.
    """

    newcomers: NewRatings | None = None

    def __init__(
        self,
        description: Description,
        model: RatingModel,
        *,
        users: Ids,
        items: Ids,
        user_ratings: np.ndarray,
        item_ratings: np.ndarray,
        priors: dict[str, torch.Tensor] | None = None,
    ) -> None:
        self.description = description
        self.model = model
        self.users, self.user_ratings = users, user_ratings
        self.items, self.item_ratings = items, item_ratings
        self.scale = description.scale()
        self.priors = priors or {}

    def folded(self, ratings: pd.DataFrame, *, source: str, known_ids: KnownIds = "error") -> Self:
        """This predictor with the new users and items of these ratings, without a fit; itself it stays as it is.

        `ratings` has text ids `user` and `item` and a float `rating`, and `source` is what errors call it. Each new
        user gets a row from the ratings of known items, and then each new item from those of known and new users.
        Raises InputError where the model cannot do that, or as `new_ratings`.
        """
        self._check_priors()
        known = Known(
            users=self.users, items=self.items, user_ratings=self.user_ratings, item_ratings=self.item_ratings
        )
        found = new_ratings(ratings, known, self.scale, source, known_ids)
        with_users = folded(self.model, self.priors, found.for_users())
        grown = copy.copy(self)
        grown.model = folded(with_users, self.priors, found.for_items())
        grown.users, grown.items, grown.newcomers = found.users, found.items, found
        grown.user_ratings, grown.item_ratings = found.counts()
        return grown

    def _check_priors(self) -> None:
        """Raise InputError where new ids cannot get rows."""
        fits = [self.model] if not isinstance(self.model, ensemble.Model) else self.model.fits()
        lacking = sum(fit.id_rows() is None for fit in fits)
        if lacking:
            raise InputError(
                f"{self.description.architecture}: takes no new users or items without a fit, since "
                f"{'it' if len(fits) == 1 else f'{lacking} of its {len(fits)} fits'} has no rows of ids (`id_rows` and "
                "`rate_rows`, docs/own-architectures.md): fit again with their ratings"
            )
        if not self.priors:
            raise InputError(
                f"{self.description.architecture}: takes no new users or items without a fit, since its bundle has no "
                f"{PRIORS}, as those of reeltune 0.2.0 and before and of rows wider than {WIDEST:,}: fit again"
            )

    @property
    def timed(self) -> bool:
        """Whether `predict` needs the pairs' times."""
        return self.model.timed

    def predict(
        self, users: Any, items: Any, times: np.ndarray | None = None, *, decoder: Decoder | None = None
    ) -> np.ndarray:
        """Rate n pairs, given as n users and n items by their own ids (text or whole numbers): shape (n,).

        An id that the training data lacks is rated as 'unknown'; `unknown` counts them. `times` are in seconds since
        1970; a `timed` model raises InputError without them. `decoder` replaces the bundle's own.
        """
        return self.predict_indices(self.users.encode(users), self.items.encode(items), times, decoder=decoder)

    def predict_indices(
        self,
        users: np.ndarray,
        items: np.ndarray,
        times: np.ndarray | None = None,
        *,
        decoder: Decoder | None = None,
    ) -> np.ndarray:
        """As `predict`, by index: 0 is unknown."""
        by = decoder or self.description.decoder
        return self._read(users, items, times, lambda output, _: self._decoded(output, by)).numpy()

    def rank_indices(
        self, users: np.ndarray, items: np.ndarray, times: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Ratings by index, and a second value that ranks pairs of equal rating, both of shape (n,).

        The second is a class head's mean, or a scalar head's value before it is clipped to the scale.
        """
        both = self._read(users, items, times, lambda output, _: torch.stack(self.ranked(output), 1))
        return both[:, 0].numpy(), both[:, 1].numpy()

    def ranked(self, output: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """As `rank_indices`, of what the model gave for n pairs."""
        finer = output if self.model.grid is None else self._decoded(output, "mean")
        return self._decoded(output, self.description.decoder), finer

    def _read(
        self,
        users: np.ndarray,
        items: np.ndarray,
        times: np.ndarray | None,
        read: Callable[[torch.Tensor, slice], torch.Tensor],
    ) -> torch.Tensor:
        if len(users) != len(items):
            raise ValueError(f"{len(users)} users and {len(items)} items do not make pairs")
        seconds = None if times is None else torch.tensor(times).long()
        return predict_as(self.model, torch.tensor(users).long(), torch.tensor(items).long(), seconds, read)

    def _decoded(self, output: torch.Tensor, decoder: Decoder) -> torch.Tensor:
        return decode(output, self.model.grid, self.scale, decoder=decoder, temperature=self.description.temperature)

    def unknown(self, users: Any, items: Any) -> tuple[int, int]:
        """How many of these users, and of these items, have no fitted rating."""
        return self.unknown_indices(self.users.encode(users), self.items.encode(items))

    def unknown_indices(self, users: np.ndarray, items: np.ndarray) -> tuple[int, int]:
        """As `unknown`, by index."""
        without_users, without_items = self.unknown_rows(users, items)
        return int(without_users.sum()), int(without_items.sum())

    def unknown_rows(self, users: np.ndarray, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which of these users, and which of these items, by index, have no fitted rating; each of shape (n,)."""
        return self.user_ratings[users] == 0, self.item_ratings[items] == 0


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
    (users, user_ratings), (items, item_ratings) = (_ids(path / name) for name in (USERS, ITEMS))
    shape = Shape(users=users.rows, items=items.rows, scale=description.scale())
    weights = path / WEIGHTS
    try:
        model = restored(architecture, config, shape, load_file(weights))
    except (SafetensorError, RuntimeError, OSError) as error:
        raise InputError(f"{weights}: not this bundle's weights: {str(error).splitlines()[0]}") from None
    return Predictor(
        description,
        model,
        users=users,
        items=items,
        user_ratings=user_ratings,
        item_ratings=item_ratings,
        priors=_priors(path / PRIORS),
    )


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
        raise InputError(f"{path}: no model bundle (it has no {DESCRIPTION})")
    try:
        return Description.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise InputError(f"{file}: {explain(error, Description)}") from None


def restored(architecture: Kept, config: FitConfig, shape: Shape, weights: dict[str, torch.Tensor]) -> RatingModel:
    """The model with these weights, in evaluation. The caller's random numbers are not drawn from.

    It is made of what a bundle has of the shape: without side tables, whose part a served model has in its weights.
    """
    known = Shape(users=shape.users, items=shape.items, scale=shape.scale)
    with torch.random.fork_rng(devices=[]):
        model = architecture.Model.serving(config, known, weights)
    model.load_state_dict(weights)
    return model.eval()


def _ids(file: Path) -> tuple[Ids, np.ndarray]:
    """The ids, and by index how many ratings were fitted, shape (1 + ids,); index 0, 'unknown', has none."""
    try:
        frame = pd.read_parquet(file, columns=["id", "ratings"])
        return Ids(frame["id"].to_numpy()), np.concatenate([[0], frame["ratings"].to_numpy()])
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: {str(error).splitlines()[0]}") from None


def config_of(path: Path) -> dict[str, Any]:
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
