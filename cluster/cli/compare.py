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
    from reeltune.cluster.commands.compare import comparison_table, narrow_tables
    from reeltune.cluster.runs.find import find_run

    compared = job([find_run(run) for run in runs])
    if as_json:
        show.print_json(compared)
    else:
        show.print_fitting(comparison_table(compared), narrow=narrow_tables(compared))
    return 0
