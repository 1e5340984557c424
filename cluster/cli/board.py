"""`reeltune board`."""

from typing import Annotated

import typer

from reeltune.cluster.cli import options as opt


def board(
    run: opt.Run,
    port: Annotated[int, typer.Option(min=0, max=65535, help="TensorBoard's port; 0 picks a free one.")] = 0,
) -> int:
    """Show a run in TensorBoard, on this machine's loopback address, until Ctrl-C."""
    from reeltune.cluster.runs.find import find_run

    folder = find_run(run, events=True)
    from reeltune.cluster.tensorboard.server import (
        serve,  # imported after the run is found, since it takes seconds to load
    )

    return serve(folder, port=port)
