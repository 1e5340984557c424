"""`reeltune serve`."""

from pathlib import Path
from typing import Annotated

import typer

from reeltune.cluster.api.checks import SeenData
from reeltune.cluster.api.serve import KEY_VARIABLE, cluster_options, serve_options
from reeltune.cluster.cli import options as opt


def serve(
    model: Annotated[str, typer.Argument(help="A model bundle: its folder, a link to it, or its URI."), SeenData()],
    host: Annotated[
        str, typer.Option(help="The address to listen on. One that others reach needs an API key.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any free one, which is printed.")] = 8000,
    api_key_file: Annotated[
        Path | None,
        typer.Option(help=f"A file with the key that requests must have. [default: the variable {KEY_VARIABLE}]"),
    ] = None,
    reload_every: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Look that often for another bundle in its place. [default: at SIGHUP]"),
    ] = None,
    drain: Annotated[
        float, typer.Option(metavar="SECONDS", help="How long requests may take to finish after SIGTERM.")
    ] = 30,
    address: Annotated[
        str | None,
        typer.Option(help="Serve on a Ray cluster: auto, HOST:PORT or ray://HOST:PORT. [default: here, no Ray]"),
    ] = None,
    replicas: Annotated[int | None, typer.Option(help="With --address: how many. [default: 1]")] = None,
    cpus_per_replica: Annotated[
        float | None, typer.Option(help="With --address: CPUs that each replica reserves. [default: 1]")
    ] = None,
    architecture: opt.Source = None,
    changed_source: opt.ChangedSource = None,
) -> int:
    """Answer HTTP requests out of a model: ratings, lists, similar items, new users.

    Needs reeltune[serve]; with --address reeltune[ray-serve].
    """
    own = opt.own_source(architecture, changed_source)
    options = serve_options(
        model, host=host, port=port, api_key_file=api_key_file, reload_every=reload_every, drain=drain, own=own
    )
    cluster = cluster_options(options, address=address, replicas=replicas, cpus_per_replica=cpus_per_replica)
    from reeltune.cluster.commands.serve import serve as answer

    return answer(options, cluster)
