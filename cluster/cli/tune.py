"""`reeltune tune`."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reeltune.cluster.api.checks import SHARDS, SentFile, SentSource, either, through_client
from reeltune.cluster.api.options import DATA, SMOKE_DATA, SMOKE_TRIALS, TRIALS
from reeltune.cluster.cli import options as opt
from reeltune.cluster.cli.watched import on_cluster, watched
from reeltune.trainables.errors import InputError

if TYPE_CHECKING:
    from reeltune.cluster.commands.ask import TuneOptions

ABOUT_DATA = (  # options that --smoke-test, whose ratings are made up, has no use for
    "data",
    "test",
    "users",
    "items",
    "duplicates",
    "matrix",
    "not_rated",
    "missing_ids",
    "unknown_ids",
    "user_column",
    "item_column",
    "rating_column",
    "time_column",
    "weight_column",
)


def tune(
    context: typer.Context,
    architectures: Annotated[
        list[str] | None,
        typer.Argument(help="Names, and files or modules of your own, to search. [default: all of ours]"),
        SentSource(),
    ] = None,
    data: opt.DataOfFolds = None,
    test: opt.TestOfFolds = None,
    folds: opt.Folds = None,
    split: opt.Split = "random",
    split_seed: opt.SplitSeed = None,
    validation: opt.Validation = None,
    test_share: opt.TestShare = None,
    trials: Annotated[
        int | None, typer.Option(min=1, help=f"Trials for each architecture. [default: {TRIALS}; of a smoke test 2]")
    ] = None,
    time: Annotated[
        str | None, typer.Option(help="Limit of the search, without refits: 90, 90s, 15m, 2h; --resume goes on.")
    ] = None,
    trial_timeout: Annotated[
        str | None,
        typer.Option(
            help="Limit of each trial, which fails beyond it: 90, 15m; with --sample longer for confirmations. "
            "[default: of confirmations a minute more than --time]"
        ),
    ] = None,
    workers_per_trial: Annotated[
        int,
        typer.Option(
            min=1,
            help="Data-parallel workers per trial and per confirmation, each with a GPU if there are any.",
        ),
    ] = 1,
    workers: Annotated[
        int,
        typer.Option(
            min=1, help="Data-parallel workers per refit of what was chosen, each with a GPU if there are any."
        ),
    ] = 1,
    shard: Annotated[
        str | None,
        typer.Option(
            help=f"{either(SHARDS)}: in trials and refits a worker holds the rows and vectors of its own users alone, "
            "and a fit is the same on any number of workers. [default: each holds all]"
        ),
    ] = None,
    concurrent: Annotated[int | None, typer.Option(min=1, help="Trials at once. [default: one per CPU]")] = None,
    gpus_per_trial: Annotated[
        float | None, typer.Option(min=0, max=1, help="Share of a GPU per one-worker trial. [default: equal shares]")
    ] = None,
    bf16: Annotated[bool, typer.Option("--bf16", help="Trials and refits use bfloat16 autocast; needs a GPU.")] = False,
    decoder: opt.Decoder = "argmax",
    metric: opt.Metric = "mse",
    sampler: Annotated[
        str, typer.Option(help="What proposes configurations: tpe, gp (Gaussian process), random, qmc (Sobol), grid.")
    ] = "tpe",
    sample: Annotated[
        str | None,
        typer.Option(
            metavar="N",
            help="Fit search trials on users with about N ratings; the best are tried again and refitted on all. "
            "[default: 1,000,000 above 5 million ratings, else all]",
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(help="What stops the worse trials early: asha, median, none. [default: asha]"),
    ] = None,
    asha: Annotated[bool | None, typer.Option("--asha/--no-asha", help="Short for --scheduler asha, or none.")] = None,
    ensemble: Annotated[
        bool, typer.Option("--ensemble/--no-ensemble", help="Judge the architectures' weighted average too.")
    ] = True,
    baseline: Annotated[
        str,
        typer.Option(
            help="What to beat: an architecture at its reference configuration, best-simple, a published error."
        ),
        SentSource(),
    ] = "pmf",
    space: Annotated[
        Path | None, typer.Option(help="TOML file that replaces or narrows search spaces."), SentFile()
    ] = None,
    earlier: Annotated[
        str | None, typer.Option("--from", metavar="RUN", help="Start from what an earlier run learnt.")
    ] = None,
    seed: opt.Seed = 42,
    address: opt.Address = None,
    name: opt.Name = None,
    storage: opt.Storage = None,
    resume: opt.Resume = False,
    smoke_test: Annotated[
        bool,
        typer.Option("--smoke-test", help="Run a tiny search on made-up ratings; --data and its like are refused."),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would run, and about how long.")] = False,
    users: opt.Users = None,
    items: opt.Items = None,
    duplicates: opt.Duplicates = None,
    matrix: opt.Matrix = False,
    user_column: opt.UserColumn = None,
    item_column: opt.ItemColumn = None,
    rating_column: opt.RatingColumn = None,
    time_column: opt.TimeColumn = None,
    weight_column: opt.WeightColumn = None,
    not_rated: opt.NotRated = None,
    missing_ids: opt.MissingIds = None,
    unknown_ids: opt.UnknownIds = None,
    tracker: opt.Tracker = None,
    as_json: opt.Json = False,
) -> int:
    """Find the architecture that predicts these ratings best, and whether it beats the baseline."""
    if through_client(address):
        return on_cluster(context, address)
    from reeltune.cluster.runs.find import name_of_run

    name = name_of_run(name, resume=resume)  # checked here: `folds_of` may read the data
    rows = opt.data_options(
        data[0] if data else DATA,
        test=test[0] if test else None,
        split=split,
        split_seed=seed if split_seed is None else split_seed,
        validation=validation,
        test_share=test_share,
        users=users,
        items=items,
        duplicates=duplicates,
        matrix=matrix,
        user=user_column,
        item=item_column,
        rating=rating_column,
        timestamp=time_column,
        weight=weight_column,
        not_rated=not_rated,
        missing_ids=missing_ids,
        unknown_ids=unknown_ids,
    )
    if smoke_test:
        _refuse_data(context)
        rows = replace(rows, data=SMOKE_DATA)
    options = opt.tune_options(
        rows,
        architectures,
        folds=opt.folds_of(rows, data or (), test or (), folds),
        trials=trials,
        time=time,
        trial_timeout=trial_timeout,
        workers_per_trial=workers_per_trial,
        workers=workers,
        shard=shard,
        concurrent=concurrent,
        gpus_per_trial=gpus_per_trial,
        bfloat16=bf16,
        decoder=decoder,
        metric=metric,
        sampler=sampler,
        sample=sample,
        scheduler=scheduler,
        asha=asha,
        ensemble=ensemble,
        baseline=baseline,
        space=space,
        earlier=earlier,
        seed=seed,
        address=address,
        name=name,
        storage=storage,
        resume=resume,
        smoke_test=smoke_test,
        tracker=tracker,
    )
    return _dry_run(options, as_json) if dry_run else _tune(options, as_json)


def _refuse_data(context: typer.Context) -> None:
    """Raises InputError if a smoke test is given data of one's own, which it would not use."""
    for name in ABOUT_DATA:
        source = context.get_parameter_source(name)
        if source is not None and source.name != "DEFAULT":
            option = f"--{name.replace('_', '-')}"
            raise InputError(
                f"--smoke-test {option}: a smoke test runs on made-up ratings; leave out {option}, or --smoke-test "
                f"(a small search of one's own ratings is --trials {SMOKE_TRIALS})"
            )


def _tune(options: "TuneOptions", as_json: bool) -> int:
    from reeltune.cluster.cli import output as show
    from reeltune.cluster.commands.folds import tune_folds as job
    from reeltune.cluster.session.interrupt import how_to_go_on
    from reeltune.trainables.architectures import ENSEMBLE

    code, result = watched(lambda watch: job(options, watch), options.name)
    if result is None:
        return code
    show.print_json(result) if as_json else show.tuned(result, options.decoder, more=how_to_go_on(options.name))
    found = result.architectures.items()
    return 0 if all(each.verdict for name, each in found if name != ENSEMBLE) else 3


def _dry_run(options: "TuneOptions", as_json: bool) -> int:
    from reeltune.cluster.cli import output as show
    from reeltune.cluster.commands.dry_run import dry_run

    planned = dry_run(options)
    if as_json:
        lines = [vars(line) for line in planned.lines]
        counts = {"slots": planned.slots, "workers_per_trial": planned.workers, "folds": planned.folds}
        show.print_json({**counts, "estimate_seconds": round(planned.seconds), "plan": lines})
    else:
        show.planned(planned)
    return 0
