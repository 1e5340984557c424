"""`reeltune replay`."""

from typing import Annotated

import typer

from reeltune.cluster.api.checks import SentSource, through_client
from reeltune.cluster.cli import options as opt
from reeltune.cluster.cli.watched import on_cluster, whole


def replay(
    context: typer.Context,
    run: opt.Run,
    architecture: Annotated[
        list[str] | None,
        typer.Option(
            help="The run's architecture to train, by name, or by file if it is your own. Can be repeated, for the "
            "files of an ensemble's members. [default: the winner]"
        ),
        SentSource(),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Data-parallel workers per fit. [default: as many as the run had]")
    ] = None,
    address: opt.Address = None,
    as_json: opt.Json = False,
) -> int:
    """Train a run's winner again and check that it gets the reported score. Counts as a look at the test rows."""
    if through_client(address):
        return on_cluster(context, address)
    from reeltune.cluster.cli import output as show
    from reeltune.cluster.commands.replay import replay as job
    from reeltune.cluster.commands.replay import replay_options
    from reeltune.cluster.runs.find import find_run

    options = replay_options(architecture or [], workers=workers, address=address)
    code, result = whole(lambda watch: job(find_run(run), options, watch), None, kept="the run is as it was")
    if result is None:
        return code
    show.print_json(result) if as_json else show.replayed(result)
    return 0 if result.matches else 1
