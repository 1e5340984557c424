"""`reeltune recommend`."""

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from reeltune.cluster.api.checks import SeenData, through_client
from reeltune.cluster.cli import options as opt
from reeltune.trainables.errors import InputError


def recommend(
    model: Annotated[str, typer.Argument(help="A model bundle: its folder or its URI."), SeenData()],
    seen: Annotated[
        str | None,
        typer.Option(
            help="The pairs to leave out: a table of pairs, or a data set by name; 'none' leaves out nothing. "
            "Required, since a model does not hold the pairs it was fitted on; of new users what --ratings has."
        ),
        SeenData(),
    ] = None,
    users: Annotated[
        str | None,
        typer.Option(
            help="Ids separated by commas, or a table of users. [default: the new ones of --ratings; without any, all]"
        ),
        SeenData(),
    ] = None,
    ratings: opt.NewRatings = None,
    top: Annotated[int, typer.Option(min=1, help="Items for each user.")] = 10,
    at: Annotated[
        str | None, typer.Option(help="The date of the ratings, for a model fitted with time. [default: none]")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="CSV, TSV or Parquet to write. [default: print them]")
    ] = None,
    user_column: opt.UserColumn = None,
    item_column: opt.ItemColumn = None,
    rating_column: opt.RatingColumn = None,
    missing_ids: opt.MissingIds = None,
    unknown_ids: opt.UnknownIds = None,
    known_ids: opt.KnownIds = None,
    architecture: opt.Source = None,
    changed_source: opt.ChangedSource = None,
    address: Annotated[
        str | None,
        typer.Option(
            help="auto or HOST:PORT of a Ray cluster, whose nodes make the lists; local: this machine's CPUs as one."
        ),
    ] = None,
    as_json: opt.Json = False,
) -> int:
    """List the items that a model rates best for each user, among those the user has not seen.

    Items with the same rating, which the argmax of a classifier often gives, are ordered by their mean.
    """
    if through_client(address):
        raise InputError(
            f"--address {address}: recommend joins a cluster from one of its nodes, by auto or HOST:PORT; from another "
            "machine send it as a job: reeltune submit -- recommend ..."
        )
    from reeltune.cluster.cli import output as show
    from reeltune.cluster.cli.watched import whole
    from reeltune.cluster.commands.output_file import TableFile, check_output
    from reeltune.cluster.commands.progress import Watch
    from reeltune.cluster.commands.recommend import RecommendedDescription, RecommendOptions
    from reeltune.cluster.commands.recommend import recommend as list_items
    from reeltune.cluster.runs.find import model_folder

    if output is not None:
        check_output(output)
    reading = opt.reading(
        user=user_column, item=item_column, rating=rating_column, missing_ids=missing_ids, unknown_ids=unknown_ids
    )
    known = opt.known_ids_of(known_ids, folds_in=ratings is not None)
    opt.refuse_rating_column(rating_column, folds_in=ratings is not None)
    options = RecommendOptions(
        users=users, seen=seen, top=top, at=at, reading=reading, ratings=ratings, known_ids=known
    )
    own = opt.own_source(architecture, changed_source)
    folder = model_folder(model)

    def job(watch: Watch) -> RecommendedDescription:
        with nullcontext() if output is None else TableFile(output) as file:
            write = None if file is None else file.write
            done = list_items(
                folder, options, own=own, address=address, progress=watch.step, write=write, say=watch.say
            )
        return done.described(output)

    code, done = whole(job, output)
    if done is not None:
        show.print_json(done) if as_json else show.recommended(done)
    return code
