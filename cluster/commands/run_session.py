"""The Ray that a run works in, for `tune` and `train`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from reeltune.cluster.runs.claim import ran_on
from reeltune.cluster.runs.folder import RunFolder
from reeltune.cluster.runs.node_check import check_storage, machines
from reeltune.cluster.session.interrupt import how_to_go_on, interruptible
from reeltune.cluster.session.resources import Resources, check
from reeltune.cluster.session.session import session

if TYPE_CHECKING:
    from reeltune.cluster.commands.ask import TuneOptions
    from reeltune.cluster.commands.train_options import TrainOptions


@contextmanager
def session_of_run(
    options: "TuneOptions | TrainOptions", folder: RunFolder, *, data_bytes: int, say: Callable[[str], None]
) -> Iterator[Resources]:
    """As `session`, with room for the run's workers. A cluster's machines are written to `run.json`.

    Raises InputError where there is no such room, or a node does not see the run's folder.
    """
    goes_on = f"go on with: {how_to_go_on(options.name, options.command)}"
    with (
        session(
            options.address,
            data_bytes=data_bytes,
            keep=options.keep_ray,  # for the folds of a command too
            say=say,
            how_to_go_on=goes_on,
            may_exit=options.command is None,  # else this is a call of a program
        ) as resources,
        interruptible(),
    ):
        check(options.workers, resources, bfloat16=options.bfloat16)
        if resources.joined:
            check_storage(folder.store)
            ran_on(folder, machines())
        yield resources
