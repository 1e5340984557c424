"""The command line: `reeltune VERB`. Each verb gathers its options, calls its job, and prints the result.

Results go to standard output, progress and errors to standard error. Jobs are imported by their verb alone:
torch and Ray take seconds to load, and `--help` should not.
"""

import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import click
import typer

from trainables.errors import FitFailed, InputError
from trainables.version import __version__

if TYPE_CHECKING:
    from cluster.prepared import DataOptions

app = typer.Typer(
    name="reeltune",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Finds the best rating predictor for your data, and says whether it truly beats a simple baseline.",
)
SMOKE_DATA = "synthetic:ratings=2000"

Data = Annotated[str, typer.Option(help="Name (ml-100k, ml-1m, ..., synthetic), file, folder or URI of the ratings.")]
Test = Annotated[str | None, typer.Option(help="Your own test file; none is split off the data then.")]
SplitOption = Annotated[str, typer.Option("--split", help="How rows are split: random, user or time.")]
SplitSeed = Annotated[int | None, typer.Option(min=0, help="Seed of the split; --seed if not given.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of everything random.")]
Duplicates = Annotated[
    str | None, typer.Option(help="Pairs rated twice: keep, last or error. [default: last; keep for ml-100k]")
]
UserColumn = Annotated[str | None, typer.Option(help="Name of the user column, if it is not found.")]
ItemColumn = Annotated[str | None, typer.Option(help="Name of the item column.")]
RatingColumn = Annotated[str | None, typer.Option(help="Name of the rating column.")]
TimeColumn = Annotated[str | None, typer.Option(help="Name of the timestamp column.")]
DecoderOption = Annotated[str, typer.Option("--decoder", help="What is judged: argmax, mean, median or rounded.")]
Workers = Annotated[int, typer.Option(min=1, help="Data-parallel workers of a fit; a GPU each where there are any.")]
Address = Annotated[
    str | None, typer.Option(envvar="RAY_ADDRESS", help="A running Ray cluster. [default: one of our own, here]")
]
Name = Annotated[str | None, typer.Option(help="The run's name below runs/. [default: a timestamp]")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the run of this name.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else, on standard output.")]
ConfigFile = Annotated[Path | None, typer.Option(help="Hyperparameters: TOML, JSON, or a model bundle's folder.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A hyperparameter; can be repeated.")
]


def main() -> None:
    """Run the command line, and turn what is expected to go wrong into one line and an exit code."""
    try:
        code = app(standalone_mode=False)
    except (InputError, click.UsageError) as error:
        message = error.format_message() if isinstance(error, click.UsageError) else str(error)
        print(f"error: {message}", file=sys.stderr)
        code = 2
    except FitFailed as error:
        print(f"error: the fit failed: {error}", file=sys.stderr)
        code = 1
    except click.exceptions.Abort:
        code = 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # `reeltune ... | head` is no error
        code = 0
    sys.exit(code if isinstance(code, int) else 0)


@app.callback(invoke_without_command=True)
def about(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        print(f"reeltune {__version__}")
        raise typer.Exit


@app.command()
def tune(
    architectures: Annotated[list[str] | None, typer.Argument(help="Which; all if none is named.")] = None,
    data: Data = "ml-100k",
    test: Test = None,
    split: SplitOption = "random",
    split_seed: SplitSeed = None,
    trials: Annotated[int, typer.Option(min=1, help="Trials for each architecture.")] = 20,
    time: Annotated[str | None, typer.Option(help="Limit of the search alone: 90, 90s, 15m, 2h.")] = None,
    workers_per_trial: Annotated[int, typer.Option(min=1, help="Data-parallel workers of one trial.")] = 1,
    workers: Workers = 1,
    concurrent: Annotated[int | None, typer.Option(min=1, help="Trials at once. [default: one per CPU]")] = None,
    decoder: DecoderOption = "argmax",
    asha: Annotated[bool, typer.Option("--asha/--no-asha", help="Stop trials that do badly on the way.")] = True,
    space: Annotated[Path | None, typer.Option(help="TOML that replaces or narrows search spaces.")] = None,
    seed: Seed = 42,
    address: Address = None,
    name: Name = None,
    resume: Resume = False,
    smoke_test: Annotated[bool, typer.Option("--smoke-test", help="A tiny search on made-up ratings.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would run.")] = False,
    duplicates: Duplicates = None,
    user_column: UserColumn = None,
    item_column: ItemColumn = None,
    rating_column: RatingColumn = None,
    time_column: TimeColumn = None,
    as_json: Json = False,
) -> int:
    """Search, refit, judge: which architecture predicts these ratings best, and does it beat the baseline?"""
    if workers_per_trial > 1:
        raise InputError(
            f"--workers-per-trial {workers_per_trial}: trials of several workers are not built yet; "
            "use 1 (refits take several: --workers)"
        )
    from cluster.claim import new_name
    from cluster.tune_job import TuneOptions

    if smoke_test:
        data, trials = SMOKE_DATA, 2
    options = TuneOptions(
        architectures=tuple(architectures or ()),
        data=_data_options(
            data, test, split, seed if split_seed is None else split_seed, duplicates,
            (user_column, item_column, rating_column, time_column),
        ),
        trials=trials,
        seconds=None if time is None else _seconds(time),
        workers=workers,
        concurrent=concurrent,
        decoder=_one_of("--decoder", decoder, ("argmax", "mean", "median", "rounded")),
        halve=asha,
        space=space,
        seed=seed,
        address=address,
        name=name or new_name(),
        resume=resume,
    )
    return _dry_run(options, as_json) if dry_run else _tune(options, as_json)


@app.command()
def train(
    architecture: Annotated[str, typer.Argument(help="Which: see `reeltune architectures`.")],
    data: Data = "ml-100k",
    test: Test = None,
    score_test: Annotated[bool, typer.Option("--score-test", help="Look at the test part too.")] = False,
    split: SplitOption = "random",
    split_seed: SplitSeed = None,
    config: ConfigFile = None,
    settings: Settings = None,
    decoder: DecoderOption = "argmax",
    workers: Workers = 1,
    bf16: Annotated[bool, typer.Option("--bf16", help="bfloat16 autocast, on a GPU.")] = False,
    checkpoint_every: Annotated[float, typer.Option(min=0.1, help="Seconds between checkpoints.")] = 10.0,
    seed: Seed = 42,
    address: Address = None,
    name: Name = None,
    resume: Resume = False,
    duplicates: Duplicates = None,
    user_column: UserColumn = None,
    item_column: ItemColumn = None,
    rating_column: RatingColumn = None,
    time_column: TimeColumn = None,
    as_json: Json = False,
) -> int:
    """Fit one architecture on the training rows, data-parallel, and bundle the model."""
    from cluster.claim import new_name

    options = _train_options(
        architecture=architecture,
        data=_data_options(
            data, test, split, seed if split_seed is None else split_seed, duplicates,
            (user_column, item_column, rating_column, time_column),
        ),
        config=config,
        settings=tuple(settings or ()),
        decoder=_one_of("--decoder", decoder, ("argmax", "mean", "median", "rounded")),
        workers=workers,
        seed=seed,
        score_test=score_test,
        checkpoint_every=checkpoint_every,
        bfloat16=bf16,
        address=address,
        name=name or new_name(),
        resume=resume,
    )
    return _train(options, as_json)


@app.command("lr-find")
def lr_find(
    architecture: Annotated[str, typer.Argument(help="Which: see `reeltune architectures`.")],
    data: Data = "ml-100k",
    config: ConfigFile = None,
    settings: Settings = None,
    seed: Seed = 42,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="PNG of the plot.")] = None,
    as_json: Json = False,
) -> int:
    """The learning-rate range test, with the 'valley' suggestion and a plot."""
    options = _train_options(
        architecture=architecture,
        data=_data_options(data, None, "random", seed, None, (None, None, None, None)),
        config=config,
        settings=tuple(settings or ()),
        decoder="argmax",
        workers=1,
        seed=seed,
        score_test=False,
        checkpoint_every=10.0,
        bfloat16=False,
        address=None,
        name="lr-find",
        resume=False,
    )
    from cluster import verbs

    picture = output or Path("runs") / f"lr-find-{architecture}.png"
    found = verbs.lr_find(options, picture)
    if as_json:
        _print_json({"architecture": architecture, "valley": found.valley, "plot": str(picture)})
    else:
        print(f"{architecture}: suggested learning rate (valley) {found.valley:.2e}; plot in {picture}")
    return 0


@app.command()
def architectures(as_json: Json = False) -> int:
    """List the architectures, their hyperparameters, defaults and search spaces."""
    from cluster import verbs

    described = verbs.describe_architectures()
    if as_json:
        _print_json(described)
        return 0
    for name, about in described.items():
        print(f"{name}: {about['formula']}")
        for field, info in about["hyperparameters"].items():
            space = f"; searched: {info['space']}" if info["space"] else ""
            print(f"  {field} = {info['default']}: {info['meaning']}{space}")
        print()
    return 0


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(help="A model bundle's folder.")],
    pairs: Annotated[str, typer.Argument(help="A table with user and item columns.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="CSV, TSV or Parquet to write.")],
    user_column: UserColumn = None,
    item_column: ItemColumn = None,
    as_json: Json = False,
) -> int:
    """Rate the pairs of a file by a trained model."""
    from cluster import verbs
    from trainables.data import Columns

    done = verbs.predict_file(model, pairs, output, columns=Columns(user=user_column, item=item_column))
    if as_json:
        _print_json({**vars(done), "output": str(output)})
        return 0
    print(f"{done.pairs:,} pairs rated in {output}")
    if done.unknown_users or done.unknown_items:
        print(
            f"{done.unknown_users:,} rows have a user and {done.unknown_items:,} an item that the model never saw: "
            "rated by the 'unknown' vector"
        )
    return 0


@app.command("data")
def data_verb(
    data: Annotated[str, typer.Argument(help="Name, file, folder or URI of the ratings.")],
    duplicates: Duplicates = None,
    user_column: UserColumn = None,
    item_column: ItemColumn = None,
    rating_column: RatingColumn = None,
    time_column: TimeColumn = None,
    as_json: Json = False,
) -> int:
    """Fetch, check and describe a data set."""
    from cluster import verbs

    columns = (user_column, item_column, rating_column, time_column)
    described = verbs.describe_data(_data_options(data, None, "random", 0, duplicates, columns))
    if as_json:
        _print_json(described)
    else:
        _print_data(described)
    return 0


# What the verbs share


def _data_options(
    data: str,
    test: str | None,
    split: str,
    split_seed: int,
    duplicates: str | None,
    columns: tuple[str | None, str | None, str | None, str | None],
) -> "DataOptions":
    from cluster.prepared import DataOptions
    from trainables.data import Columns

    user, item, rating, timestamp = columns
    return DataOptions(
        data=data,
        test=test,
        split=_one_of("--split", split, ("random", "user", "time")),
        split_seed=split_seed,
        columns=Columns(user=user, item=item, rating=rating, timestamp=timestamp),
        duplicates=None if duplicates is None else _one_of("--duplicates", duplicates, ("keep", "last", "error")),
    )


def _one_of(option: str, value: str, allowed: tuple[str, ...]) -> Any:
    if value not in allowed:
        raise InputError(f"{option} {value!r}: expected {', '.join(allowed[:-1])} or {allowed[-1]}")
    return value


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if match is None or float(match[1]) == 0:
        raise InputError(f"--time {text!r}: expected a number of seconds, or 90s, 15m, 2h")
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


def _train_options(**values: Any) -> Any:
    from cluster.train_job import TrainOptions
    from trainables import ARCHITECTURES

    if values["architecture"] not in ARCHITECTURES:
        raise InputError(f"no architecture {values['architecture']!r}; there are {', '.join(ARCHITECTURES)}")
    return TrainOptions(**values)


def _print_json(content: dict[str, Any]) -> None:
    print(json.dumps(content, allow_nan=False))


def _tune(options: Any, as_json: bool) -> int:
    from cluster.interrupt import Interrupted, how_to_go_on
    from cluster.report import headline, terminal_table
    from cluster.tune_job import tune as job
    from cluster.watch import Watch

    try:
        with Watch() as watch:
            result = job(options, watch)
    except Interrupted as interrupted:
        print(f"interrupted; go on with: {how_to_go_on(options.name)}", file=sys.stderr)
        return interrupted.exit_code
    if as_json:
        _print_json(result)
    else:
        _print_table(terminal_table(result, options.decoder))
        print("\n".join(headline(result, options.decoder)))
        print(f"everything is in {result['run']}: report.md, verdict.json, predictions.parquet, models/, tensorboard/")
    judged = [found["verdict"] for found in result["architectures"].values()]
    wanted = len(options.architectures) or len(result["architectures"])
    return 3 if None in judged or len(judged) < max(1, wanted) else 0


def _train(options: Any, as_json: bool) -> int:
    from cluster.interrupt import Interrupted, how_to_go_on
    from cluster.report import confusion_table, metrics_table
    from cluster.train_job import train as job
    from cluster.watch import Watch

    try:
        with Watch() as watch:
            result = job(options, watch)
    except Interrupted as interrupted:
        print(f"interrupted; go on with: {how_to_go_on(options.name)}", file=sys.stderr)
        return interrupted.exit_code
    by_value = result.pop("by_value")
    if as_json:
        _print_json(result)
        return 0
    print(f"{result['architecture']}: {result['epochs']} epochs in {result['fit_seconds']:.2f} s")
    _print_table(metrics_table(result["validation"], result["test"]))
    if by_value is not None:
        _print_table(confusion_table(by_value))
        print(by_value["report"])
    print(f"model in {result['model']}")
    return 0


def _dry_run(options: Any, as_json: bool) -> int:
    from cluster.plan import estimate, plan
    from cluster.prepared import prepare
    from cluster.tune_job import machine_slots, spaces_for

    spaces = spaces_for(options)
    prepared = prepare(options.data)
    lines, slots = plan(prepared, spaces, trials=options.trials), machine_slots(options, prepared)
    seconds = estimate(lines, slots=slots)
    if as_json:
        _print_json({"slots": slots, "estimate_seconds": round(seconds), "plan": [vars(line) for line in lines]})
        return 0
    print(prepared.summary())
    for line in lines:
        print(
            f"{line.architecture}: {line.fits} fits in the search over {line.parameters} hyperparameters, then 3 refits; "
            f"a reference fit takes about {line.reference_seconds:.1f} s here"
        )
    print(f"{slots} at a time; about {seconds:.0f} s to the verdict, were every fit as long as the reference's")
    return 0


def _print_table(table: Any) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    # A table wider than 80 columns must not be cut where the output is a file.
    console = console if console.is_terminal else Console(highlight=False, width=160)
    console.print(table)


def _print_data(described: dict[str, Any]) -> None:
    scale, repeated = described["scale"], described["repeated_pairs"]
    print(f"{described['data']}: {described['ratings']:,} ratings by {described['users']:,} users of {described['items']:,} items")
    print(f"density {described['density']:.2%}, mean rating {described['mean']:.3f}")
    print(f"scale {scale['low']:g} to {scale['high']:g} in steps of {scale['step']:g}, {scale['values']} values")
    print(f"repeated pairs: {repeated['kept']:,} kept, {repeated['dropped']:,} dropped")
    if described["timestamps"]:
        print(f"rated from {described['timestamps'][0]} to {described['timestamps'][1]} (UTC)")
    most = max(described["histogram"].values())
    for value, count in described["histogram"].items():
        print(f"{value:>8} {count:>10,} {'#' * round(40 * count / most)}")
    print("first rows:")
    for row in described["first"]:
        print(f"  user {row['user']}, item {row['item']}: {row['rating']:g}")
