"""The options that verbs share, as typer wants them, and their checks."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeGuard

import typer

from trainables.errors import InputError

if TYPE_CHECKING:
    from cluster.prepared import DataOptions
    from cluster.train_job import TrainOptions

DECODERS = ("argmax", "mean", "median", "rounded", "grid")
SPLITS = ("random", "user", "time")
DUPLICATES = ("keep", "last", "error")

Data = Annotated[str, typer.Option(help="Name (ml-100k, ml-1m, ..., synthetic), file, folder or URI of the ratings.")]
Test = Annotated[str | None, typer.Option(help="Your own test file; no test part is split off the data then.")]
Split = Annotated[str, typer.Option("--split", help="How rows are split: random, user or time.")]
SplitSeed = Annotated[int | None, typer.Option(min=0, help="Seed of the split. [default: --seed]")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of everything random.")]
Duplicates = Annotated[
    str | None, typer.Option(help="Pairs rated twice: keep, last or error. [default: last; keep for ml-100k]")
]
Users = Annotated[
    str | None, typer.Option(help="Side table of users: more columns by user id. 'none' leaves MovieLens' own out.")
]
Items = Annotated[str | None, typer.Option(help="Side table of items.")]
UserColumn = Annotated[str | None, typer.Option(help="The user column, if its name is not a usual one.")]
ItemColumn = Annotated[str | None, typer.Option(help="The item column.")]
RatingColumn = Annotated[str | None, typer.Option(help="The rating column.")]
TimeColumn = Annotated[str | None, typer.Option(help="The timestamp column.")]
Decoder = Annotated[str, typer.Option("--decoder", help="What is judged: argmax, mean, median, rounded or grid.")]
Workers = Annotated[int, typer.Option(min=1, help="Data-parallel workers of a fit; a GPU each where there are any.")]
Address = Annotated[
    str | None, typer.Option(envvar="RAY_ADDRESS", help="A running Ray cluster. [default: one of our own, here]")
]
Name = Annotated[str | None, typer.Option(help="The run's name below runs/. [default: a timestamp]")]
Storage = Annotated[
    str | None,
    typer.Option(help="Where the run is kept: a folder, s3://BUCKET/... or gs://BUCKET/... [default: runs/, here]"),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the run of this name.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else, on standard output.")]
Config = Annotated[Path | None, typer.Option(help="Hyperparameters: a TOML or JSON file, or a model bundle's folder.")]
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
) -> "DataOptions":
    from cluster.prepared import DataOptions
    from cluster.storage import refuse_credentials
    from trainables.data import Columns

    for option, value in {"--data": data, "--test": test, "--users": users, "--items": items}.items():
        refuse_credentials(value or "", option)
    return DataOptions(
        data=data,
        test=test,
        split=one_of("--split", split, SPLITS),
        split_seed=split_seed,
        columns=Columns(user=user, item=item, rating=rating, timestamp=timestamp),
        duplicates=None if duplicates is None else one_of("--duplicates", duplicates, DUPLICATES),
        users=users,
        items=items,
    )


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
    from cluster.claim import new_name
    from cluster.train_job import TrainOptions
    from trainables.architectures import ARCHITECTURES

    return TrainOptions(
        architecture=one_of("architecture", architecture, tuple(ARCHITECTURES)),
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


def one_of(option: str, value: str, allowed: tuple[str, ...]) -> Any:
    """The value, if it is one of those allowed; else InputError that lists them."""
    if value not in allowed:
        raise InputError(f"{option} {value!r}: expected {', '.join(allowed[:-1])} or {allowed[-1]}")
    return value


def seconds(option: str, text: str) -> float:
    """Seconds from `90`, `90s`, `15m` or `2h`."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if match is None or float(match[1]) == 0:
        raise InputError(f"{option} {text!r}: expected a number of seconds, or 90s, 15m, 2h")
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


def through_client(address: str | None) -> TypeGuard[str]:
    """Whether an address is that of Ray's client, through which the whole command goes to the cluster."""
    return address is not None and address.startswith("ray://")
