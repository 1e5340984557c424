"""The options that several verbs take, declared for typer, and their checks."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reeltune.cluster.cli.checks import (
    CHANGED_SOURCE,
    DECODERS,
    DUPLICATES,
    MISSING_IDS,
    SPLITS,
    UNKNOWN_IDS,
    SeenData,
    SentFile,
    SentSource,
    either,
    one_of,
)

if TYPE_CHECKING:
    from reeltune.cluster.commands.train_options import TrainOptions
    from reeltune.trainables.architectures.kept_source import OwnSource
    from reeltune.trainables.data import Reading
    from reeltune.trainables.data.prepared import DataOptions

Data = Annotated[
    str, typer.Option(help="Name (ml-100k, ml-1m, ..., synthetic), file, folder or URI of the ratings."), SeenData()
]
Test = Annotated[
    str | None, typer.Option(help="Your own test file; then no test part is split off the data."), SeenData()
]
Split = Annotated[
    str, typer.Option("--split", help="How rows are split: random, user (random within each user) or time.")
]
SplitSeed = Annotated[int | None, typer.Option(min=0, help="Seed of the split. [default: --seed]")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of everything random.")]
Duplicates = Annotated[
    str | None, typer.Option(help="A pair that is rated twice: keep, last or error. [default: last; keep for ml-100k]")
]
Users = Annotated[
    str | None,
    typer.Option(help="Side table of users: more columns by user id. 'none' leaves MovieLens' own out."),
    SeenData(),
]
Items = Annotated[str | None, typer.Option(help="Side table of items."), SeenData()]
Matrix = Annotated[
    bool, typer.Option("--matrix", help="The file is a matrix: a row for each user, a column for each item.")
]
UserColumn = Annotated[str | None, typer.Option(help="The user column, if its name is not a usual one.")]
ItemColumn = Annotated[str | None, typer.Option(help="The item column.")]
RatingColumn = Annotated[str | None, typer.Option(help="The rating column.")]
TimeColumn = Annotated[str | None, typer.Option(help="The timestamp column.")]
NotRated = Annotated[
    list[str] | None,
    typer.Option(metavar="VALUE", help="A rating that means 'not rated': its rows are left out; can be repeated."),
]
MissingIds = Annotated[
    str | None,
    typer.Option(help="A row without a user or an item: error or drop, which leaves it out. [default: error]"),
]
UnknownIds = Annotated[
    str | None,
    typer.Option(
        help="A file none of whose users, or items, is known: error, or allow, if all are new. [default: error]"
    ),
]
Decoder = Annotated[str, typer.Option("--decoder", help=f"What turns a prediction into a rating: {either(DECODERS)}.")]
Workers = Annotated[int, typer.Option(min=1, help="Data-parallel workers per fit, each with a GPU if there are any.")]
Address = Annotated[
    str | None, typer.Option(envvar="RAY_ADDRESS", help="A running Ray cluster. [default: start Ray here]")
]
Name = Annotated[str | None, typer.Option(help="The run's name below runs/. [default: a timestamp]")]
Storage = Annotated[
    str | None,
    typer.Option(help="Where the run is kept: a folder, s3://BUCKET/... or gs://BUCKET/... [default: runs/]"),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the run of this --name.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else, on standard output.")]
Config = Annotated[
    Path | None, typer.Option(help="Hyperparameters: a TOML or JSON file, or a model bundle's folder."), SentFile()
]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A hyperparameter; can be repeated.")
]


def data_options(
    data: str,
    *,
    test: str | None = None,
    split: str = "random",
    split_seed: int = 0,
    duplicates: str | None = None,
    user: str | None = None,
    item: str | None = None,
    rating: str | None = None,
    timestamp: str | None = None,
    users: str | None = None,
    items: str | None = None,
    matrix: bool = False,
    not_rated: list[str] | None = None,
    missing_ids: str | None = None,
    unknown_ids: str | None = None,
) -> "DataOptions":
    from reeltune.cluster.runs.storage import refuse_credentials
    from reeltune.trainables.data import Columns
    from reeltune.trainables.data.prepared import DataOptions
    from reeltune.trainables.errors import InputError

    for option, value in {"--data": data, "--test": test, "--users": users, "--items": items}.items():
        refuse_credentials(value or "", option)
    if unknown_ids is not None and test is None:
        raise InputError(f"--unknown-ids {unknown_ids}: is about the ids of a test file; add --test, or leave it out")
    return DataOptions(
        data=data,
        test=test,
        split=one_of("--split", split, SPLITS),
        split_seed=split_seed,
        columns=Columns(user=user, item=item, rating=rating, timestamp=timestamp),
        duplicates=None if duplicates is None else one_of("--duplicates", duplicates, DUPLICATES),
        users=users,
        items=items,
        matrix=matrix,
        not_rated=tuple(not_rated or ()),
        missing_ids=None if missing_ids is None else one_of("--missing-ids", missing_ids, MISSING_IDS),
        unknown_ids=None if unknown_ids is None else one_of("--unknown-ids", unknown_ids, UNKNOWN_IDS),
    )


def reading(
    *,
    user: str | None = None,
    item: str | None = None,
    timestamp: str | None = None,
    missing_ids: str | None = None,
    unknown_ids: str | None = None,
) -> "Reading":
    """How a table without ratings is read."""
    from reeltune.trainables.data import Columns, Reading

    return Reading(
        columns=Columns(user=user, item=item, timestamp=timestamp),
        missing_ids=one_of("--missing-ids", missing_ids or "error", MISSING_IDS),
        unknown_ids=one_of("--unknown-ids", unknown_ids or "error", UNKNOWN_IDS),
    )


def own_source(files: list[str] | None, changed: str | None) -> "OwnSource":
    """The sources that are given for a model of one's own architecture."""
    from reeltune.trainables.architectures.kept_source import OwnSource

    return OwnSource(files=tuple(files or ()), changed=one_of("--changed-source", changed or "error", CHANGED_SOURCE))


def train_options(
    architecture: str,
    data: "DataOptions",
    *,
    config: Path | None,
    settings: list[str] | None,
    seed: int,
    decoder: str = "argmax",
    workers: int = 1,
    score_test: bool = False,
    checkpoint_every: float = 10.0,
    bfloat16: bool = False,
    address: str | None = None,
    name: str | None = None,
    storage: str | None = None,
    resume: bool = False,
) -> "TrainOptions":
    from reeltune.cluster.commands.train_options import TrainOptions
    from reeltune.cluster.runs.find import new_name
    from reeltune.trainables.architectures.registry import resolve

    resolve([architecture])  # an unknown one is refused before anything else
    return TrainOptions(
        architecture=architecture,
        data=data,
        config=config,
        settings=tuple(settings or ()),
        decoder=one_of("--decoder", decoder, DECODERS),
        workers=workers,
        seed=seed,
        score_test=score_test,
        checkpoint_every=checkpoint_every,
        bfloat16=bfloat16,
        address=address,
        name=name or new_name(),
        storage=storage,
        resume=resume,
    )


Run = Annotated[str, typer.Argument(help="A run: its name below runs/, its path or its URI.")]
Architecture = Annotated[
    str,
    typer.Argument(help="An architecture's name, from `reeltune architectures`, or the file or module of your own."),
    SentSource(),
]
Source = Annotated[
    list[str] | None,
    typer.Option("--architecture", metavar="FILE", help="The file of an architecture of your own; can be repeated."),
    SentSource(),
]
ChangedSource = Annotated[
    str | None,
    typer.Option(help="A file that is not the one that was fitted: error or allow. [default: error]"),
]
