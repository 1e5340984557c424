"""`reeltune verdict`."""

from typing import Annotated

import typer

from reeltune.cluster.cli import options as opt


def verdict(
    run: opt.Run,
    baseline: Annotated[
        str | None,
        typer.Option(
            help="One of the run's predictors, best-simple, or a published error. [default: the run's baseline]"
        ),
    ] = None,
    as_json: opt.Json = False,
) -> int:
    """Judge a run's predictions again, also against another baseline. Counts as a look at the test rows."""
    from reeltune.cluster.cli import output as show
    from reeltune.cluster.commands.verdict import rejudge
    from reeltune.cluster.runs.find import find_run

    done = rejudge(find_run(run), baseline)
    show.print_json({**done.result.as_json(), "look": done.look}) if as_json else show.rejudged(
        done.result, done.decoder, done.look
    )
    return 0
