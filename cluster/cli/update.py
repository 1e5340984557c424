"""`reeltune update`."""

from typing import Annotated

import typer

from reeltune.cluster.api.checks import SHARE_OF_NEW, Expected, SeenData
from reeltune.cluster.cli import options as opt


def update(
    model: Annotated[str, typer.Argument(help="A model bundle: its folder or its URI."), SeenData()],
    data: Annotated[
        str, typer.Option(help="The ratings: new ones, and the old ones too unless --with has them."), SeenData()
    ],
    output: Annotated[str, typer.Option("-o", "--output", help="Folder of the new bundle; must not be there yet.")],
    with_: Annotated[
        str | None, typer.Option("--with", help="The old ratings, if --data has the new ones alone."), SeenData()
    ] = None,
    test_share: Annotated[
        float,
        typer.Option(help="Share of the new ratings, the latest, that the verdict is on."),
        Expected(SHARE_OF_NEW),
    ] = 0.5,
    users: opt.Users = None,
    items: opt.Items = None,
    duplicates: opt.Duplicates = None,
    user_column: opt.UserColumn = None,
    item_column: opt.ItemColumn = None,
    rating_column: opt.RatingColumn = None,
    time_column: opt.TimeColumn = None,
    weight_column: opt.WeightColumn = None,
    not_rated: opt.NotRated = None,
    missing_ids: opt.MissingIds = None,
    architecture: opt.Source = None,
    changed_source: opt.ChangedSource = None,
    as_json: opt.Json = False,
) -> int:
    """Fit a bundle's configuration on newer ratings, say whether that beats the bundle, and write it beside it."""
    from reeltune.cluster.cli import output as show
    from reeltune.cluster.cli.watched import whole
    from reeltune.cluster.commands.update import update as job

    options = opt.update_options(
        model,
        data,
        output,
        old=with_,
        test_share=test_share,
        users=users,
        items=items,
        duplicates=duplicates,
        user=user_column,
        item=item_column,
        rating=rating_column,
        timestamp=time_column,
        weight=weight_column,
        not_rated=not_rated,
        missing_ids=missing_ids,
        own=opt.own_source(architecture, changed_source),
    )
    code, done = whole(lambda watch: job(options, watch.status), options.output)
    if done is not None:
        show.print_json(done) if as_json else show.updated(done)
    return code
