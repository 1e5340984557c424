"""`reeltune lr-find`."""

import sys
from typing import Annotated

import typer

from reeltune.cluster.api.options import DATA
from reeltune.cluster.cli import options as opt


def lr_find(
    architecture: opt.Architecture,
    data: opt.Data = None,
    users: opt.Users = None,
    items: opt.Items = None,
    duplicates: opt.Duplicates = None,
    matrix: opt.Matrix = False,
    not_rated: opt.NotRated = None,
    missing_ids: opt.MissingIds = None,
    user_column: opt.UserColumn = None,
    item_column: opt.ItemColumn = None,
    rating_column: opt.RatingColumn = None,
    time_column: opt.TimeColumn = None,
    weight_column: opt.WeightColumn = None,
    config: opt.Config = None,
    settings: opt.Settings = None,
    seed: opt.Seed = 42,
    output: Annotated[str | None, typer.Option("-o", "--output", help="The plot's file: .png, .svg or .pdf.")] = None,
    as_json: opt.Json = False,
) -> int:
    """Run the learning-rate range test; print the 'valley' suggestion and write a plot."""
    options = opt.train_options(
        architecture,
        opt.data_options(
            opt.for_one_fit("--data", data) or DATA,
            split_seed=seed,
            users=users,
            items=items,
            duplicates=duplicates,
            matrix=matrix,
            not_rated=not_rated,
            missing_ids=missing_ids,
            user=user_column,
            item=item_column,
            rating=rating_column,
            timestamp=time_column,
            weight=weight_column,
        ),
        config=config,
        settings=settings,
        seed=seed,
    )
    from reeltune.cluster.cli import output as show
    from reeltune.cluster.commands.lr_find import lr_find as job
    from reeltune.trainables.architectures.registry import resolve

    [name], _ = resolve([architecture])
    picture = opt.here("-o", output or f"runs/lr-find-{name}.png")
    found = job(options, picture, lambda line: print(line, file=sys.stderr))
    if as_json:
        show.print_json({"architecture": name, "valley": found.valley, "plot": str(picture)})
    else:
        print(f"{name}: suggested learning rate (valley) {found.valley:.2e}; plot in {picture}")
    return 0
