"""`run.json`: what was asked for, and the versions, the commit and the machine that ran it."""

import shlex
from dataclasses import asdict
from typing import Annotated, Any, Literal, cast

from pydantic import Field, JsonValue, model_validator

from reeltune.cluster.runs.stored import Stored
from reeltune.trainables.config import Shard
from reeltune.trainables.data import Columns, Duplicates, Fold, MissingIds, Shares, SplitKind, UnknownIds
from reeltune.trainables.data.prepared import DataOptions, Prepared
from reeltune.trainables.data.split import DEFAULT_SHARES
from reeltune.trainables.data.streamed import Streamed

SCHEMA = 2  # files without `schema` are version 1


class AskedOfData(Stored):
    """The data of a run, by name and by content hash; a resume must have the same."""

    data: str
    columns: dict[str, str] | None = None
    duplicates: str | None = None
    users: str | None = None
    items: str | None = None
    matrix: bool = False
    not_rated: list[str] = Field(default_factory=list)
    missing_ids: str | None = None
    unknown_ids: str | None = None
    data_hash: str = ""
    test: str | None = None
    test_hash: str = ""
    split: SplitKind = "random"
    split_seed: int = 0
    validation: float = DEFAULT_SHARES.validation
    test_share: float = DEFAULT_SHARES.test  # of no use with test rows of one's own
    fold: tuple[int, int] | None = None  # its number, and of how many
    fold_value: str | None = None  # what its rows have in the column of folds, which `columns` has too

    def options(self) -> DataOptions:
        """The options that ask for the same data again."""
        return DataOptions(
            data=self.data,
            columns=Columns(**(self.columns or {})),
            duplicates=cast(Duplicates | None, self.duplicates),
            users=self.users,
            items=self.items,
            matrix=self.matrix,
            not_rated=tuple(self.not_rated),
            missing_ids=cast(MissingIds | None, self.missing_ids),
            unknown_ids=cast(UnknownIds | None, self.unknown_ids),
            test=self.test,
            split=self.split,
            split_seed=self.split_seed,
            shares=Shares(validation=self.validation, test=self.test_share),
            fold=None if self.fold is None else Fold(number=self.fold[0], of=self.fold[1], value=self.fold_value),
        )


def data_asked(options: DataOptions, prepared: Prepared | Streamed) -> dict[str, object]:
    """The fields of `AskedOfData`, as arguments for its subclasses."""
    columns = asdict(options.columns or Columns())
    return {
        "data": options.data,
        "columns": {kind: name for kind, name in columns.items() if name is not None} or None,
        "duplicates": options.duplicates,
        "users": options.users,
        "items": options.items,
        "matrix": options.matrix,
        "not_rated": list(options.not_rated),
        "missing_ids": options.missing_ids,
        "unknown_ids": options.unknown_ids,
        "data_hash": prepared.ratings.fingerprint(),
        "test": options.test,
        "test_hash": prepared.split.test.fingerprint,
        "split": options.split,
        "split_seed": options.split_seed,
        "validation": options.shares.validation,
        "test_share": options.shares.test,
        "fold": options.fold and (options.fold.number, options.fold.of),
        "fold_value": options.fold and options.fold.value,
    }


class AskedToTrain(AskedOfData):
    """What `reeltune train` was asked for."""

    verb: Literal["train"] = "train"
    architecture: str
    sources: dict[str, str] = Field(default_factory=dict)  # SHA-256, by name, of architectures that are not reeltune's
    config: dict[str, JsonValue]
    seed: int = 0
    decoder: str = "argmax"
    metric: str = "mse"
    refit: bool = False
    bf16: bool | None = None  # its steps compute in bfloat16 where torch's autocast does; None: not said
    shard: Shard | None = None


class AskedToTune(AskedOfData):
    """What `reeltune tune` was asked for."""

    verb: Literal["tune"] = "tune"
    architectures: list[str]
    sources: dict[str, str] = Field(default_factory=dict)  # as of `train`
    seed: int = 0
    decoder: str = "argmax"
    metric: str = "mse"
    baseline: str = "pmf"
    ensemble: bool = True
    trials: int
    folds: int | None = None  # the searches are in folders below this run's; None: it is a search itself
    within: str | None = None  # the name of the run whose fold this is
    sampler: str = "tpe"
    scheduler: str = "asha"
    workers_per_trial: int = 1
    bf16: bool = False  # trials and refits compute in bfloat16 where torch's autocast does
    shard: Shard | None = None  # of trials and refits; fits are the same on any number of workers
    sample: int | None = None  # search trials fit on users with about so many rows; None: on all
    source: str | None = Field(None, alias="from")  # the run of `--from`
    space: dict[str, dict[str, JsonValue]] = Field(default_factory=dict)


Asked = Annotated[AskedToTune | AskedToTrain, Field(discriminator="verb")]


class SizeRecord(Stored):
    """The size of the data, for searches that start from this run."""

    ratings: int  # training rows
    span: float  # of the rating scale


class RunRecord(Stored):
    """The content of `run.json`."""

    schema_number: int = Field(1, alias="schema")
    command: str = "reeltune"
    versions: dict[str, str] = Field(default_factory=dict)
    commit: str | None = None
    machine: dict[str, str | int | float | None] = Field(default_factory=dict)
    asked: Asked
    size: SizeRecord | None = None
    storage: str | None = None
    started: str | None = None
    finished: str | None = None  # None: a command is working on it, or was cut off

    @model_validator(mode="before")
    @classmethod
    def _scheduler_of_schema_1(cls, content: Any) -> Any:
        """Before it had a name, only the command said that there was no scheduler."""
        asked = content.get("asked") if isinstance(content, dict) else None
        if not isinstance(asked, dict) or "scheduler" in asked or asked.get("verb") != "tune":
            return content
        halving = "--no-asha" not in shlex.split(content.get("command", ""))
        return {**content, "asked": {**asked, "scheduler": "asha" if halving else "none"}}
