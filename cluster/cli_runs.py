"""The verbs on a run that has been: they read its folder and need no Ray."""

from collections.abc import Callable
from typing import Annotated

import typer

from cluster import options as opt

Run = Annotated[str, typer.Argument(help="A run: its name below runs/, or its path.")]


def board(
    run: Run,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 0,
) -> int:
    """Show a run in TensorBoard, on this machine's loopback address, until Ctrl-C."""
    from cluster.claim import find_run

    folder = find_run(run)
    from cluster.board_server import serve  # after what can be wrong with the run: it takes seconds to load

    return serve(folder, port=port)


def report(run: Run, as_json: opt.Json = False) -> int:
    """Write a run's report.html and report.md again, from its folder alone."""
    from cluster import show
    from cluster.claim import find_run
    from cluster.page import write_reports

    page = write_reports(find_run(run))
    show.print_json({"report": str(page)}) if as_json else print(page)
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


VERBS: tuple[Callable[..., int], ...] = (board, report, compare, verdict)
