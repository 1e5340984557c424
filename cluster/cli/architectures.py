"""`reeltune architectures`."""

from reeltune.cluster.cli import options as opt


def architectures(as_json: opt.Json = False) -> int:
    """List the architectures, their hyperparameters, defaults and search spaces."""
    from reeltune.cluster.cli import output as show
    from reeltune.cluster.commands.architectures import describe_architectures

    described = describe_architectures()
    show.print_json(described) if as_json else show.architectures(described)
    return 0
