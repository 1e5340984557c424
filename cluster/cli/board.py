"""`reeltune board`."""

from typing import Annotated

import typer


def board(
    runs: Annotated[
        list[str], typer.Argument(help="Runs, by name, path or URI; a folder such as runs/ is all runs in it.")
    ],
    port: Annotated[int, typer.Option(min=0, max=65535, help="TensorBoard's port; 0 picks a free one.")] = 0,
) -> int:
    """Show runs in TensorBoard, on this machine's loopback address, until Ctrl-C."""
    from reeltune.cluster.runs.find import find_runs

    folders = find_runs(runs, events=True)
    from reeltune.cluster.tensorboard.server import (
        serve,  # imported after the runs are found, since it takes seconds to load
    )

    return serve(folders, port=port)
