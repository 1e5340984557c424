"""What a bundle says of its model: the content of its `config.json`."""

import inspect
import platform
from collections.abc import Mapping
from datetime import UTC, datetime

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from reeltune.trainables.architectures import ENSEMBLE, ensemble
from reeltune.trainables.architectures.registry import Registry
from reeltune.trainables.architectures.source import Source
from reeltune.trainables.config import Configuration, FitConfig
from reeltune.trainables.data.prepared import Prepared
from reeltune.trainables.data.scale import Scale
from reeltune.trainables.data.streamed import Streamed
from reeltune.trainables.errors import InputError
from reeltune.trainables.scoring.decoders import Decoder, KnownDecoder
from reeltune.trainables.scoring.metric_table import METRICS, Metric, Objective
from reeltune.trainables.scoring.spread import Spread
from reeltune.trainables.version import __version__

# Those that are read; the last is written. 1 and 2 know no more than the first twelve fields; 1 may lack the counts of
# ratings beside the ids.
FORMATS = (1, 2, 3)
KEPT_COLUMNS = ("user", "item", "rating", "timestamp")  # kinds of columns that tables beside a model have too
LOSSES_OF_LABELS = {"hard": "cross_entropy", "spread": "spread_cross_entropy"}


class Part(BaseModel):
    """A part of `config.json`. What a later version adds to it is ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True, protected_namespaces=())


class FittedOn(Part):
    """The data of a model, and how it was split."""

    hash: str  # of all ratings with their ids and side tables, as `data_hash` of a run
    ratings: int
    users: int
    items: int
    fitted: int  # rows that the weights were fitted on
    validation: int  # rows
    refitted: bool = False  # on validation rows too: validation figures are of fits before
    test: int
    split: str
    split_seed: int
    weight_column: str | None = None  # says how often each row counts, in fits and figures; None: once
    columns: dict[
        str, str
    ] = {}  # names by kind, of KEPT_COLUMNS; {}: a matrix, a data set by name, or an earlier version
    test_rows: str | None = None  # where they come from, if the split did not take them: a file or a fold


class Judged(Part):
    """How a model stood against the baseline on the test rows. Errors are means over the run's refits."""

    metric: str  # `argmax-MSE`
    error: float
    baseline: str  # `baseline (pmf, reference)`
    baseline_error: float
    gain: float | None = None  # None: it is the baseline
    ci95: tuple[float, float] | None = None  # of the gain
    verdict: str
    look: int  # which look at these test rows this was, counting from 1


class UpdatedFrom(Part):
    """The bundle whose configuration was fitted again on newer ratings, by `update`."""

    name: str  # of its folder
    hash: str  # the SHA-256 of its config.json, which has those of its other files
    date: str | None = None  # on which it was written
    added: int  # ratings that its data had not


class Description(Part):
    """The content of `config.json`."""

    format: int = FORMATS[-1]
    architecture: str
    config: Configuration
    values: list[float] = Field(min_length=2)  # the rating values of the training data, ascending
    step: float
    lattice: bool
    decoder: KnownDecoder
    temperature: float
    seed: int
    data: str
    metric: str | None = None  # what was minimised, a key of METRICS; None: an earlier version did not say
    metrics: dict[str, dict[str, float | None] | None] = {}
    sources: dict[str, str] = {}  # by name, the SHA-256 of the source of each architecture that is none of reeltune's
    reeltune: str = __version__
    python: str | None = None
    torch: str | None = None
    date: str | None = None  # on which it was written, in UTC
    about: str = ""  # what the architecture is: its formula and where that is from
    timed: bool | None = None  # predictions use when a pair was rated
    fitted_on: FittedOn | None = None
    judged: Judged | None = None  # None: no baseline was fitted beside it
    updated_from: UpdatedFrom | None = None  # None: no update made it
    spread: Spread | None = None  # how far ratings may lie from predictions; None of too few held-out rows
    files: dict[str, str] = {}  # the SHA-256 of the bundle's other files, by name

    @field_validator("format")
    @classmethod
    def _known_format(cls, number: int) -> int:
        if number > FORMATS[-1]:
            raise ValueError(f"a newer version wrote this bundle: upgrade reeltune, which is {__version__} here")
        if number not in FORMATS:
            raise ValueError(f"must be {FORMATS[0]} to {FORMATS[-1]}")
        return number

    @field_validator("config")
    @classmethod
    def _loss_of_labels(cls, config: Configuration, info: ValidationInfo) -> Configuration:
        """The first classifiers, of format 1, had `labels` in place of a loss."""
        if info.data.get("format") != 1 or config.get("labels") not in LOSSES_OF_LABELS:
            return config
        kept = {name: value for name, value in config.items() if name != "labels"}
        return kept | {"loss": LOSSES_OF_LABELS[config["labels"]]}

    def own_metric(self) -> Metric | None:
        """What it was searched or fitted for. Before there was `metric`, verdicts had the name; None: nothing says.

        Raises InputError at the metric of a later version.
        """
        if self.metric is not None and self.metric not in METRICS:
            raise InputError(
                f"the bundle was searched by {self.metric!r}, a metric of a newer version: upgrade reeltune, which is "
                f"{__version__} here"
            )
        judged_by = None if self.judged is None else self.judged.metric
        labels = {Objective(decoder=self.decoder, metric=name).label: name for name in METRICS}
        return self.metric or labels.get(judged_by or "")

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
    metric: Metric | None = None,
    metrics: dict[str, dict[str, float | None] | None],
    sources: Mapping[str, Source] | None = None,
    fitted_on: FittedOn | None = None,
    judged: Judged | None = None,
    spread: Spread | None = None,
) -> Description:
    """`sources`: those of the architectures, or of the ensemble's members, that are none of reeltune's."""
    return Description(
        architecture=architecture,
        config=config.as_json(),
        values=list(scale.values),
        step=scale.step,
        lattice=scale.lattice,
        decoder=decoder,
        temperature=temperature,
        seed=seed,
        data=name_of(data),
        metric=metric,
        metrics=metrics,
        sources={name: source.hash for name, source in (sources or {}).items()},
        python=platform.python_version(),
        torch=torch.__version__,
        date=datetime.now(UTC).date().isoformat(),
        about=_about(architecture, Registry(sources=sources or {})),
        timed=config.timed,
        fitted_on=fitted_on,
        judged=judged,
        spread=spread,
    )


def _about(architecture: str, registry: Registry) -> str:
    """The first paragraph of the architecture's docstring: the formula and its source."""
    module = ensemble if architecture == ENSEMBLE else registry.get(architecture)
    return "" if module is None else (inspect.getdoc(module) or "").partition("\n\n")[0]


def fitted_on(prepared: Prepared | Streamed, fitted: int) -> FittedOn:
    """The data of a model whose weights were fitted on so many rows of it."""
    asked, sizes, read = prepared.asked, prepared.sizes, prepared.ratings.columns
    return FittedOn(
        hash=prepared.ratings.fingerprint(),
        ratings=prepared.rows,
        users=prepared.shape.users - 1,
        items=prepared.shape.items - 1,
        fitted=fitted,
        validation=sizes.validation,
        refitted=fitted > sizes.train,
        test=sizes.test,
        split=asked.split_word,
        split_seed=asked.split_seed,
        weight_column=read.get("weight"),
        columns={} if asked.matrix else {kind: name for kind, name in read.items() if kind in KEPT_COLUMNS},
        test_rows=asked.fold.name if asked.fold is not None else asked.test and name_of(asked.test),
    )


def name_of(source: str) -> str:
    """The name of a data set, a file or a folder, to be handed on: no path of this machine's, no user and password."""
    scheme, is_uri, rest = source.partition("://")
    if is_uri:
        if "@" in rest.partition("?")[2]:  # a password may have a question mark, and an option an @
            return f"{scheme}://..."
        rest = rest.rpartition("@")[2].partition("?")[0]
        return rest.rstrip("/").rsplit("/", 1)[-1]
    return source.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1] or source
