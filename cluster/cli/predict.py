"""`reeltune predict`."""

from pathlib import Path
from typing import Annotated

import typer

from reeltune.cluster.api.checks import SeenData, through_client
from reeltune.cluster.cli import options as opt
from reeltune.cluster.cli.watched import whole
from reeltune.trainables.errors import InputError


def predict(
    model: Annotated[str, typer.Argument(help="A model bundle: its folder or its URI."), SeenData()],
    pairs: Annotated[str, typer.Argument(help="A table with user and item columns."), SeenData()],
    output: Annotated[Path, typer.Option("-o", "--output", help="CSV, TSV or Parquet to write.")],
    ratings: opt.NewRatings = None,
    user_column: opt.UserColumn = None,
    item_column: opt.ItemColumn = None,
    rating_column: opt.RatingColumn = None,
    time_column: opt.TimeColumn = None,
    missing_ids: opt.MissingIds = None,
    unknown_ids: opt.UnknownIds = None,
    known_ids: opt.KnownIds = None,
    intervals: Annotated[
        bool,
        typer.Option("--intervals", help="Also columns low_80, high_80, low_95 and high_95: where ratings may lie."),
    ] = False,
    architecture: opt.Source = None,
    changed_source: opt.ChangedSource = None,
    address: Annotated[
        str | None,
        typer.Option(
            help="auto or HOST:PORT of a Ray cluster, whose nodes rate a large file; local: this machine's CPUs as one."
        ),
    ] = None,
    as_json: opt.Json = False,
) -> int:
    """Rate the pairs of a file with a trained model."""
    if through_client(address):
        raise InputError(
            f"--address {address}: predict joins a cluster from one of its nodes, by auto or HOST:PORT; from another "
            "machine send it as a job: reeltune submit -- predict ..."
        )
    from reeltune.cluster.cli import output as show
    from reeltune.cluster.commands.predict import Predicted, predict_file
    from reeltune.cluster.commands.progress import Watch
    from reeltune.cluster.runs.find import model_folder

    reading = opt.reading(
        user=user_column,
        item=item_column,
        rating=rating_column,
        timestamp=time_column,
        missing_ids=missing_ids,
        unknown_ids=unknown_ids,
    )
    own = opt.own_source(architecture, changed_source)
    known = opt.known_ids_of(known_ids, folds_in=ratings is not None)
    opt.refuse_rating_column(rating_column, folds_in=ratings is not None)
    folder = model_folder(model)

    def job(watch: Watch) -> Predicted:
        return predict_file(
            folder,
            pairs,
            output,
            reading=reading,
            ratings=ratings,
            known_ids=known,
            intervals=intervals,
            own=own,
            address=address,
            progress=watch.step,
            say=watch.say,
        )

    code, done = whole(job, output)
    if done is not None:
        show.print_json(done) if as_json else show.predicted(done)
    return code
