"""The verbs on a run that has been: they read its folder and need no Ray."""

from collections.abc import Callable
from typing import Annotated

import typer

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


VERBS: tuple[Callable[..., int], ...] = (board,)
