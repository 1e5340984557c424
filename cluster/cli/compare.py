"""`reeltune compare`."""

from typing import Annotated

import typer

from reeltune.cluster.cli import options as opt


def compare(
    runs: Annotated[list[str], typer.Argument(help="Runs that were judged on the same test rows.")],
    as_json: opt.Json = False,
) -> int:
    """Put the architectures of several runs in one table."""
    from reeltune.cluster.cli import output as show
    from reeltune.cluster.commands.compare import compare as job
    from reeltune.cluster.commands.compare import comparison_table
    from reeltune.cluster.runs.find import find_run

    compared = job([find_run(run) for run in runs])
    show.print_json(compared) if as_json else show.print_table(comparison_table(compared))
    return 0
