"""`reeltune data`."""

from typing import Annotated

import typer

from reeltune.cluster.api.checks import SeenData
from reeltune.cluster.cli import options as opt


def data(
    data: Annotated[str, typer.Argument(help="Name, file, folder or URI of the ratings."), SeenData()],
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
    as_json: opt.Json = False,
) -> int:
    """Describe a data set, and what is wrong with it; fetch it first if it is one of MovieLens by name."""
    from reeltune.cluster.cli import output as show
    from reeltune.cluster.commands.data import describe_data

    described = describe_data(
        opt.data_options(
            data,
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
        )
    )
    show.print_json(described) if as_json else show.data(described)
    return 0
