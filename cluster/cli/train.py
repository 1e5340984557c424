"""`reeltune train`."""

from typing import Annotated

import typer

from reeltune.cluster.api.checks import SHARDS, either, through_client
from reeltune.cluster.api.options import DATA
from reeltune.cluster.cli import options as opt
from reeltune.cluster.cli.watched import on_cluster, watched


def train(
    context: typer.Context,
    architecture: opt.Architecture,
    data: opt.Data = None,
    test: opt.Test = None,
    score_test: Annotated[
        bool, typer.Option("--score-test", help="Score the test rows too: one more look. With --test always done.")
    ] = False,
    refit: Annotated[
        bool, typer.Option("--refit", help="Validate first, then fit again on training and validation rows together.")
    ] = False,
    split: opt.SplitOfOne = "random",
    split_seed: opt.SplitSeed = None,
    validation: opt.Validation = None,
    test_share: opt.TestShare = None,
    config: opt.Config = None,
    settings: opt.Settings = None,
    decoder: opt.Decoder = "argmax",
    metric: opt.Metric = "mse",
    workers: opt.Workers = 1,
    shard: Annotated[
        str | None,
        typer.Option(
            help=f"{either(SHARDS)}: a worker holds the rows and vectors of its own users alone, and the fit is the "
            "same on any number of workers. [default: each holds all]"
        ),
    ] = None,
    stream: Annotated[
        bool,
        typer.Option(
            "--stream",
            help="With --shard users: read Parquet a part at a time; of several workers none ever holds all rows.",
        ),
    ] = False,
    bf16: Annotated[bool, typer.Option("--bf16", help="Use bfloat16 autocast; needs a GPU.")] = False,
    checkpoint_every: Annotated[float, typer.Option(min=0.1, help="Seconds between checkpoints.")] = 10.0,
    seed: opt.Seed = 42,
    address: opt.Address = None,
    name: opt.Name = None,
    storage: opt.Storage = None,
    resume: opt.Resume = False,
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
    """Fit one architecture on the training rows, data-parallel, and write a model bundle."""
    if through_client(address):
        return on_cluster(context, address)
    from reeltune.cluster.cli import output as show
    from reeltune.cluster.commands.train import train as job

    options = opt.train_options(
        architecture,
        opt.data_options(
            opt.for_one_fit("--data", data) or DATA,
            test=opt.for_one_fit("--test", test),
            split=split,
            takes_folds=False,
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
        ),
        config=config,
        settings=settings,
        seed=seed,
        decoder=decoder,
        metric=metric,
        workers=workers,
        shard=shard,
        stream=stream,
        score_test=score_test,
        refit=refit,
        checkpoint_every=checkpoint_every,
        bfloat16=bf16,
        address=address,
        name=name,
        storage=storage,
        resume=resume,
        tracker=tracker,
    )
    code, result = watched(lambda watch: job(options, watch), options.name)
    if result is not None:
        show.print_json(result) if as_json else show.trained(result)
    return code
