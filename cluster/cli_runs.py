"""The verbs on what a run left: they read its folder or a model, and but for `replay` need no Ray."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from cluster import options as opt

Run = Annotated[str, typer.Argument(help="A run: its name below runs/, its path or its URI.")]


def board(
    run: Run,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 0,
) -> int:
    """Show a run in TensorBoard, on this machine's loopback address, until Ctrl-C."""
    from cluster.claim import find_run

    folder = find_run(run, events=True)
    from cluster.board_server import serve  # after what can be wrong with the run: it takes seconds to load

    return serve(folder, port=port)


def report(run: Run, as_json: opt.Json = False) -> int:
    """Write a run's report.html and report.md again, from its folder alone."""
    from cluster import show
    from cluster.claim import find_run
    from cluster.page import write_reports

    folder = find_run(run)
    page = write_reports(folder)
    folder.publish(folder.report)
    place = folder.publish(page)
    show.print_json({"report": place}) if as_json else print(place)
    return 0


def compare(
    runs: Annotated[list[str], typer.Argument(help="Runs that were judged on the same test rows.")],
    as_json: opt.Json = False,
) -> int:
    """Put the architectures of several runs in one table."""
    from cluster import show
    from cluster.claim import find_run
    from cluster.compare import compare as job
    from cluster.compare import comparison_table

    compared = job([find_run(run) for run in runs])
    show.print_json(compared) if as_json else show.print_table(comparison_table(compared))
    return 0


def verdict(
    run: Run,
    baseline: Annotated[
        str | None, typer.Option(help="One of the run's predictors, or a published MSE. [default: the run's own]")
    ] = None,
    as_json: opt.Json = False,
) -> int:
    """Judge a run's predictions again, also against another baseline: one more look at its test rows."""
    from cluster import show
    from cluster.claim import find_run
    from cluster.rejudged import rejudge

    done = rejudge(find_run(run), baseline)
    show.print_json({**done.result, "look": done.look}) if as_json else show.rejudged(
        done.result, done.decoder, done.look
    )
    return 0


def replay(
    run: Run,
    other: Annotated[
        str | None, typer.Option("--architecture", help="Another one of the run. [default: the winner]")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Data-parallel workers of a fit. [default: as many as the run had]")
    ] = None,
    address: opt.Address = None,
    as_json: opt.Json = False,
) -> int:
    """Train a run's winner again, and check that its score is the reported one: one more look at its test rows."""
    if opt.through_client(address):
        from cluster.through_client import run as on_cluster

        return on_cluster(address, sys.argv[1:])
    from cluster import show
    from cluster.claim import find_run
    from cluster.interrupt import Interrupted, interruptible
    from cluster.replay import ReplayOptions
    from cluster.replay import replay as job
    from cluster.watch import Watch

    options = ReplayOptions(architecture=other, workers=workers, address=address)
    try:
        with interruptible(), Watch() as watch:
            result = job(find_run(run), options, watch)
    except Interrupted as interrupted:
        print("interrupted; the run is as it was", file=sys.stderr)
        return interrupted.exit_code
    show.print_json(result) if as_json else show.replayed(result)
    return 0 if result["matches"] else 1


def recommend(
    model: Annotated[str, typer.Argument(help="A model bundle: its folder or its URI.")],
    seen: Annotated[
        str | None,
        typer.Option(
            help="What users have rated, which is left out: a table of pairs, or a data set by name; "
            "'none' leaves out nothing. Must be given, as a model does not hold its pairs."
        ),
    ] = None,
    users: Annotated[
        str | None, typer.Option(help="Ids with a comma between them, or a table of users. [default: all of the model]")
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
    from cluster import show, verbs
    from cluster.fetched import model_folder
    from cluster.recommend import RecommendOptions
    from cluster.recommend import recommend as job
    from cluster.watch import Watch
    from trainables.data import Columns

    if output is not None:
        verbs.check_output(output)
    columns = Columns(user=user_column, item=item_column)
    options = RecommendOptions(users=users, seen=seen, top=top, at=at, columns=columns)
    with Watch() as watch:
        done = job(model_folder(model), options, progress=watch.tick)
    if output is not None:
        verbs.write_table(done.frame, output)
    show.print_json(done.described(output)) if as_json else show.recommended(done.described(output))
    return 0


VERBS: tuple[Callable[..., int], ...] = (board, report, compare, verdict, replay, recommend)
