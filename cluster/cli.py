"""The command line: `reeltune VERB`. Each verb gathers its options, calls its job, and shows the result.

Results go to standard output, progress and errors to standard error. Jobs are imported by their verb alone:
Ray and torch take seconds to load, and `--help` should not.
"""

import errno
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cluster import options as opt
from cluster.cli_runs import VERBS
from cluster.cli_submit import submit
from trainables.errors import FitFailed, InputError, StorageFailed
from trainables.version import __version__

if TYPE_CHECKING:
    from cluster.tune_job import TuneOptions
    from cluster.watch import Watch

app = typer.Typer(
    name="reeltune",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Finds the best rating predictor for your data, and says whether it truly beats a simple baseline.",
)
SMOKE_DATA, SMOKE_TRIALS = "synthetic:ratings=2000", 2
Architecture = Annotated[str, typer.Argument(help="Which: see `reeltune architectures`.")]


def main() -> None:
    """Run the command line, and turn what is expected to go wrong into one line and an exit code."""
    try:
        code = app(standalone_mode=False)
    except (InputError, typer.TyperException) as error:
        # What typer finds wrong with an option says so by a method of its own.
        print(f"error: {getattr(error, 'format_message', error.__str__)()}", file=sys.stderr)
        code = 2
    except FitFailed as error:
        print(f"error: the fit failed: {error}", file=sys.stderr)
        code = 1
    except StorageFailed as error:
        print(f"error: {error}", file=sys.stderr)
        code = 1
    except (typer.Abort, KeyboardInterrupt):
        code = 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # `reeltune ... | head` is no error
        code = 0
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            print(f"error: {error}; what was written stays, and --resume goes on from it", file=sys.stderr)
            code = 1
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS) and error.filename is not None:
            print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
            code = 2
        else:
            raise
    sys.exit(code if isinstance(code, int) else 0)


@app.callback(invoke_without_command=True)
def about(
    context: typer.Context, version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False
) -> None:
    if version:
        print(f"reeltune {__version__}")
    elif context.invoked_subcommand is None:
        print(context.get_help())


@app.command()
def tune(
    architectures: Annotated[list[str] | None, typer.Argument(help="Which; all if none is named.")] = None,
    data: opt.Data = "ml-100k",
    test: opt.Test = None,
    split: opt.Split = "random",
    split_seed: opt.SplitSeed = None,
    trials: Annotated[int, typer.Option(min=1, help="Trials for each architecture.")] = 20,
    time: Annotated[str | None, typer.Option(help="Limit of the search alone: 90, 90s, 15m, 2h.")] = None,
    trial_timeout: Annotated[
        str | None,
        typer.Option(help="Limit of each trial: 90, 90s, 15m, 2h; it fails beyond. [default: --time]"),
    ] = None,
    workers_per_trial: Annotated[
        int, typer.Option(min=1, help="Data-parallel workers of a trial; a GPU each where there are any.")
    ] = 1,
    workers: opt.Workers = 1,
    concurrent: Annotated[int | None, typer.Option(min=1, help="Trials at once. [default: one per CPU]")] = None,
    gpus_per_trial: Annotated[
        float | None, typer.Option(min=0, max=1, help="Of a GPU, for a trial of one worker. [default: an equal share]")
    ] = None,
    decoder: opt.Decoder = "argmax",
    asha: Annotated[bool, typer.Option("--asha/--no-asha", help="Stop trials that do badly on the way.")] = True,
    ensemble: Annotated[bool, typer.Option("--ensemble/--no-ensemble", help="Judge the average of all too.")] = True,
    baseline: Annotated[
        str, typer.Option(help="What is to be beaten: an architecture at its reference, or a published MSE.")
    ] = "pmf",
    space: Annotated[Path | None, typer.Option(help="TOML that replaces or narrows search spaces.")] = None,
    earlier: Annotated[
        str | None, typer.Option("--from", metavar="RUN", help="Start from what an earlier run learnt.")
    ] = None,
    seed: opt.Seed = 42,
    address: opt.Address = None,
    name: opt.Name = None,
    storage: opt.Storage = None,
    resume: opt.Resume = False,
    smoke_test: Annotated[bool, typer.Option("--smoke-test", help="A tiny search on made-up ratings.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would run.")] = False,
    users: opt.Users = None,
    items: opt.Items = None,
    duplicates: opt.Duplicates = None,
    user_column: opt.UserColumn = None,
    item_column: opt.ItemColumn = None,
    rating_column: opt.RatingColumn = None,
    time_column: opt.TimeColumn = None,
    as_json: opt.Json = False,
) -> int:
    """Search, refit, judge: which architecture predicts these ratings best, and does it beat the baseline?"""
    if opt.through_client(address):
        return _on_cluster(address)
    from cluster.baseline import baseline_of
    from cluster.claim import new_name
    from cluster.tune_job import TuneOptions, searchable

    rows = opt.data_options(
        data,
        test=test,
        split=split,
        split_seed=seed if split_seed is None else split_seed,
        users=users,
        items=items,
        duplicates=duplicates,
        user=user_column,
        item=item_column,
        rating=rating_column,
        timestamp=time_column,
    )
    if smoke_test:
        rows = replace(rows, data=SMOKE_DATA, columns=None, duplicates=None, users=None, items=None)
    options = TuneOptions(
        architectures=searchable(architectures or []),
        data=rows,
        trials=SMOKE_TRIALS if smoke_test else trials,
        seconds=None if time is None else opt.seconds("--time", time),
        trial_seconds=None if trial_timeout is None else opt.seconds("--trial-timeout", trial_timeout),
        workers=workers,
        workers_per_trial=workers_per_trial,
        concurrent=concurrent,
        gpus_per_trial=gpus_per_trial,
        decoder=opt.one_of("--decoder", decoder, opt.DECODERS),
        halve=asha,
        ensemble=ensemble,
        space=space,
        seed=seed,
        address=address,
        name=name or new_name(),
        storage=storage,
        resume=resume,
        baseline=baseline_of(baseline),
        earlier=earlier,
    )
    return _dry_run(options, as_json) if dry_run else _tune(options, as_json)


@app.command()
def train(
    architecture: Architecture,
    data: opt.Data = "ml-100k",
    test: opt.Test = None,
    score_test: Annotated[bool, typer.Option("--score-test", help="Look at the test part too.")] = False,
    split: opt.Split = "random",
    split_seed: opt.SplitSeed = None,
    config: opt.Config = None,
    settings: opt.Settings = None,
    decoder: opt.Decoder = "argmax",
    workers: opt.Workers = 1,
    bf16: Annotated[bool, typer.Option("--bf16", help="bfloat16 autocast, on a GPU.")] = False,
    checkpoint_every: Annotated[float, typer.Option(min=0.1, help="Seconds between checkpoints.")] = 10.0,
    seed: opt.Seed = 42,
    address: opt.Address = None,
    name: opt.Name = None,
    storage: opt.Storage = None,
    resume: opt.Resume = False,
    users: opt.Users = None,
    items: opt.Items = None,
    duplicates: opt.Duplicates = None,
    user_column: opt.UserColumn = None,
    item_column: opt.ItemColumn = None,
    rating_column: opt.RatingColumn = None,
    time_column: opt.TimeColumn = None,
    as_json: opt.Json = False,
) -> int:
    """Fit one architecture on the training rows, data-parallel, and bundle the model."""
    if opt.through_client(address):
        return _on_cluster(address)
    from cluster import show
    from cluster.train_job import train as job

    options = opt.train_options(
        architecture,
        opt.data_options(
            data,
            test=test,
            split=split,
            split_seed=seed if split_seed is None else split_seed,
            users=users,
            items=items,
            duplicates=duplicates,
            user=user_column,
            item=item_column,
            rating=rating_column,
            timestamp=time_column,
        ),
        config=config,
        settings=settings,
        seed=seed,
        decoder=decoder,
        workers=workers,
        score_test=score_test,
        checkpoint_every=checkpoint_every,
        bfloat16=bf16,
        address=address,
        name=name,
        storage=storage,
        resume=resume,
    )
    code, result = _watched(lambda watch: job(options, watch), options.name)
    if result is not None:
        by_value = result.pop("by_value")
        show.print_json(result) if as_json else show.trained(result, by_value)
    return code


@app.command("lr-find")
def lr_find(
    architecture: Architecture,
    data: opt.Data = "ml-100k",
    users: opt.Users = None,
    items: opt.Items = None,
    config: opt.Config = None,
    settings: opt.Settings = None,
    seed: opt.Seed = 42,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="PNG of the plot.")] = None,
    as_json: opt.Json = False,
) -> int:
    """The learning-rate range test, with the 'valley' suggestion and a plot."""
    options = opt.train_options(
        architecture,
        opt.data_options(data, split_seed=seed, users=users, items=items),
        config=config,
        settings=settings,
        seed=seed,
    )
    from cluster import show, verbs

    picture = output or Path("runs") / f"lr-find-{architecture}.png"
    found = verbs.lr_find(options, picture)
    if as_json:
        show.print_json({"architecture": architecture, "valley": found.valley, "plot": str(picture)})
    else:
        print(f"{architecture}: suggested learning rate (valley) {found.valley:.2e}; plot in {picture}")
    return 0


@app.command()
def architectures(as_json: opt.Json = False) -> int:
    """List the architectures, their hyperparameters, defaults and search spaces."""
    from cluster import show, verbs

    described = verbs.describe_architectures()
    show.print_json(described) if as_json else show.architectures(described)
    return 0


@app.command()
def predict(
    model: Annotated[str, typer.Argument(help="A model bundle: its folder or its URI.")],
    pairs: Annotated[str, typer.Argument(help="A table with user and item columns.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="CSV, TSV or Parquet to write.")],
    user_column: opt.UserColumn = None,
    item_column: opt.ItemColumn = None,
    time_column: opt.TimeColumn = None,
    as_json: opt.Json = False,
) -> int:
    """Rate the pairs of a file by a trained model."""
    from cluster import show, verbs
    from cluster.fetched import model_folder
    from trainables.data import Columns

    columns = Columns(user=user_column, item=item_column, timestamp=time_column)
    done = verbs.predict_file(model_folder(model), pairs, output, columns=columns)
    show.print_json(done) if as_json else show.predicted(done)
    return 0


@app.command("data")
def data_verb(
    data: Annotated[str, typer.Argument(help="Name, file, folder or URI of the ratings.")],
    users: opt.Users = None,
    items: opt.Items = None,
    duplicates: opt.Duplicates = None,
    user_column: opt.UserColumn = None,
    item_column: opt.ItemColumn = None,
    rating_column: opt.RatingColumn = None,
    time_column: opt.TimeColumn = None,
    as_json: opt.Json = False,
) -> int:
    """Fetch, check and describe a data set."""
    from cluster import show, verbs

    described = verbs.describe_data(
        opt.data_options(
            data,
            users=users,
            items=items,
            duplicates=duplicates,
            user=user_column,
            item=item_column,
            rating=rating_column,
            timestamp=time_column,
        )
    )
    show.print_json(described) if as_json else show.data(described)
    return 0


for verb in (*VERBS, submit):
    app.command()(verb)


def _tune(options: "TuneOptions", as_json: bool) -> int:
    from cluster import show
    from cluster.tune_job import tune as job

    code, result = _watched(lambda watch: job(options, watch), options.name)
    if result is None:
        return code
    show.print_json(result) if as_json else show.tuned(result, options.decoder)
    verdicts = [result["architectures"].get(name, {}).get("verdict") for name in options.architectures]
    return 3 if None in verdicts else 0


def _on_cluster(address: str) -> int:
    from cluster.through_client import run

    return run(address, sys.argv[1:])


def _watched(job: Callable[["Watch"], dict[str, Any]], name: str) -> tuple[int, dict[str, Any] | None]:
    """Run a job with its progress shown; the exit code, and the result unless it was interrupted."""
    from cluster.interrupt import Interrupted, how_to_go_on, interruptible
    from cluster.lifeline import GONE, ClusterLost
    from cluster.watch import Watch

    try:
        with interruptible(), Watch() as watch:
            return 0, job(watch)
    except Interrupted as interrupted:
        print(f"interrupted; everything so far is kept; go on with: {how_to_go_on(name)}", file=sys.stderr)
        return interrupted.exit_code, None
    except ClusterLost:
        print(f"error: {GONE}; everything so far is kept; go on with: {how_to_go_on(name)}", file=sys.stderr)
        return 1, None
    except StorageFailed as error:
        print(f"error: {error}; everything so far is kept; go on with: {how_to_go_on(name)}", file=sys.stderr)
        return 1, None


def _dry_run(options: "TuneOptions", as_json: bool) -> int:
    from cluster import show
    from cluster.claim import folder_of
    from cluster.earlier import source_of
    from cluster.plan import estimate, here, plan
    from cluster.prepared import prepare
    from cluster.slots import slots
    from cluster.tune_job import spaces_for

    spaces = spaces_for(options)
    source_of(options.earlier, folder_of(options.name, options.storage), options.architectures)
    prepared = prepare(options.data)
    lines = plan(prepared, spaces, trials=options.trials)
    taken = slots(here(), concurrent=options.concurrent, data_bytes=prepared.bytes, workers=options.workers_per_trial)
    seconds = estimate(lines, slots=taken.count)
    planned = [vars(line) for line in lines]
    if as_json:
        counts = {"slots": taken.count, "workers_per_trial": taken.workers}
        show.print_json({**counts, "estimate_seconds": round(seconds), "plan": planned})
    else:
        count, each = taken.count, taken.workers
        show.planned(planned, slots=count, workers=each, seconds=seconds, summary=prepared.summary())
    return 0
