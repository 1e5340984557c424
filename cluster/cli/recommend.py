"""`reeltune recommend`."""

from pathlib import Path
from typing import Annotated

import typer

from reeltune.cluster.cli import options as opt
from reeltune.cluster.cli.checks import SeenData


def recommend(
    model: Annotated[str, typer.Argument(help="A model bundle: its folder or its URI."), SeenData()],
    seen: Annotated[
        str | None,
        typer.Option(
            help="What users have rated, which is left out: a table of pairs, or a data set by name; "
            "'none' leaves out nothing. Must be given, as a model does not hold its pairs."
        ),
        SeenData(),
    ] = None,
    users: Annotated[
        str | None,
        typer.Option(help="Ids with a comma between them, or a table of users. [default: all of the model]"),
        SeenData(),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="Items for each user.")] = 10,
    at: Annotated[str | None, typer.Option(help="Their date, for a model fitted with time. [default: none]")] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="CSV, TSV or Parquet to write. [default: printed]")
    ] = None,
    user_column: opt.UserColumn = None,
    item_column: opt.ItemColumn = None,
    as_json: opt.Json = False,
) -> int:
    """The best unseen items for each user, best first.

    Of items with the same rating, as the argmax of a classifier often gives, those with the higher mean come first.
    """
    from reeltune.cluster.cli import output as show
    from reeltune.cluster.commands.output_file import check_output, write_table
    from reeltune.cluster.commands.progress import Watch
    from reeltune.cluster.commands.recommend import RecommendOptions
    from reeltune.cluster.commands.recommend import recommend as job
    from reeltune.cluster.runs.find import model_folder
    from reeltune.trainables.data import Columns

    if output is not None:
        check_output(output)
    columns = Columns(user=user_column, item=item_column)
    options = RecommendOptions(users=users, seen=seen, top=top, at=at, columns=columns)
    with Watch() as watch:
        done = job(model_folder(model), options, progress=watch.tick)
    if output is not None:
        write_table(done.frame, output)
    show.print_json(done.described(output)) if as_json else show.recommended(done.described(output))
    return 0
