"""`reeltune architectures`."""

from typing import Annotated

import typer

from reeltune.cluster.api.checks import SentSource
from reeltune.cluster.cli import options as opt


def architectures(
    architectures: Annotated[
        list[str] | None,
        typer.Argument(help="Names, and files or modules of your own. [default: all that are installed]"),
        SentSource(),
    ] = None,
    as_json: opt.Json = False,
) -> int:
    """List the architectures, their hyperparameters, defaults and search spaces."""
    from reeltune.cluster.cli import output as show
    from reeltune.cluster.commands.architectures import describe_architectures

    described = describe_architectures(architectures or [])
    show.print_json(described) if as_json else show.architectures(described)
    return 0
