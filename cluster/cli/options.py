"""The options that several verbs take, declared for typer."""

from pathlib import Path
from typing import Annotated

import typer

from reeltune.cluster.api.checks import DECODERS, METRICS, SHARE, Expected, SeenData, SentFile, SentSource, either, here
from reeltune.cluster.api.folds import folds_of, for_one_fit
from reeltune.cluster.api.options import (
    data_options,
    known_ids_of,
    own_source,
    reading,
    refuse_rating_column,
    train_options,
    tune_options,
    update_options,
)

__all__ = [
    "data_options",
    "folds_of",
    "for_one_fit",
    "here",
    "known_ids_of",
    "own_source",
    "reading",
    "refuse_rating_column",
    "train_options",
    "tune_options",
    "update_options",
]

# Lists, so that a second one is seen: of an option that takes one, typer drops the first.
Data = Annotated[
    list[str] | None,
    typer.Option(
        metavar="<str>",
        help="Name (ml-100k, ml-1m, ..., synthetic), file, folder or URI of the ratings. [default: ml-100k]",
    ),
    SeenData(),
]
Test = Annotated[
    list[str] | None,
    typer.Option(metavar="<str>", help="Your own test file; then no test part is split off the data."),
    SeenData(),
]
DataOfFolds = Annotated[
    list[str] | None,
    typer.Option(
        help="Name (ml-100k, ml-1m, ..., synthetic), file, folder or URI of the ratings. Repeated, with as many "
        "--test: official folds. [default: ml-100k]",
    ),
    SeenData(),
]
TestOfFolds = Annotated[
    list[str] | None,
    typer.Option(help="Your own test file; then no test part is split off the data. Repeated: one for each --data."),
    SeenData(),
]
Folds = Annotated[
    int | None,
    typer.Option(
        min=2,
        metavar="K",
        help="Search and judge K times, each row once a test row, and give one verdict over all rows.",
    ),
]
Split = Annotated[
    str,
    typer.Option(
        "--split",
        help="How rows are split: random, user (random within each user), time, or folds:COLUMN, a column that names "
        "each row's fold.",
    ),
]
SplitOfOne = Annotated[
    str, typer.Option("--split", help="How rows are split: random, user (random within each user) or time.")
]
SplitSeed = Annotated[int | None, typer.Option(min=0, help="Seed of the split. [default: --seed]")]
Validation = Annotated[
    float | None,
    typer.Option(help="Share of the rows beside the test's that fits are compared on. [default: 0.1]"),
    Expected(SHARE),
]
TestShare = Annotated[
    float | None,
    typer.Option(help="Share of all rows that is sealed for the test; not with --test. [default: 0.2]"),
    Expected(SHARE),
]
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
WeightColumn = Annotated[
    str | None, typer.Option(help="A column that says how often each row counts, in the loss and in metrics.")
]
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
NewRatings = Annotated[
    str | None,
    typer.Option(
        "--ratings", help="Ratings by new users, or of new items, which the model then knows; no fit is done."
    ),
    SeenData(),
]
KnownIds = Annotated[
    str | None,
    typer.Option(
        help="A pair of --ratings whose user and item are known: error, drop (leave it out) or again (find the user "
        "anew, from these ratings alone). [default: error]"
    ),
]
Decoder = Annotated[str, typer.Option("--decoder", help=f"What turns a prediction into a rating: {either(DECODERS)}.")]
Metric = Annotated[
    str,
    typer.Option("--metric", help=f"What is minimised and judged: {either(METRICS)}; the last two of probabilities."),
]
Workers = Annotated[int, typer.Option(min=1, help="Data-parallel workers per fit, each with a GPU if there are any.")]
Address = Annotated[
    str | None,
    typer.Option(
        envvar="RAY_ADDRESS", help="A running Ray cluster. [default: none; Ray is started here where it is needed]"
    ),
]
Dashboard = Annotated[
    str | None,
    typer.Option(
        "--address",
        help="The cluster's dashboard. [default: RAY_API_SERVER_ADDRESS, RAY_ADDRESS, else http://127.0.0.1:8265]",
    ),
]
Name = Annotated[str | None, typer.Option(help="The run's name below runs/. [default: a timestamp]")]
Storage = Annotated[
    str | None,
    typer.Option(help="Where the run is kept: a folder, s3://BUCKET/... or gs://BUCKET/... [default: runs/]"),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with the run of this --name; where there is none yet, begin it.")
]
Tracker = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KIND[=WHERE]",
        help="Show the run there too, as it goes: mlflow[=URI] or wandb[=PROJECT].",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else, on standard output.")]
Config = Annotated[
    Path | None, typer.Option(help="Hyperparameters: a TOML or JSON file, or a model bundle's folder."), SentFile()
]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A hyperparameter; can be repeated.")
]
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
