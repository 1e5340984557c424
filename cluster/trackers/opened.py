"""The trackers of a run: opened before anything runs, told in threads of their own, and ended with it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from reeltune.cluster.runs.folder import RunFolder
from reeltune.cluster.runs.record import Asked
from reeltune.cluster.session.interrupt import unbroken
from reeltune.cluster.trackers.asked import TRACKERS, AskedTracker
from reeltune.cluster.trackers.behind import Behind
from reeltune.cluster.tracking.tracker import RunState, RunTracker


@contextmanager
def tracked(
    trackers: Sequence[AskedTracker],
    folder: RunFolder,
    asked: Asked,
    *,
    say: Callable[[str], None],
    status: Callable[[str], None] = lambda line: None,
) -> Iterator[list[Behind]]:
    """Open the trackers of a claimed run, and end them with it: done, failed or interrupted.

    Raises InputError if one cannot be written to at the start; later failures are said, and end nothing. Nor does an
    interrupt while they are ended: they are given up soon after it.
    """
    told: list[Behind] = []
    state: RunState = "failed"
    try:
        for each in trackers:
            opened, lines = _open(each, folder, asked)
            told.append(Behind(opened, TRACKERS[each.kind].title, say=say))
            for line in lines:
                say(line)
        yield told
        state = "done"
    except KeyboardInterrupt:
        state = "interrupted"
        raise
    finally:
        # A run that is done has its verdict: an interrupt cuts short what is written elsewhere, and nothing else.
        with unbroken() as hurry:
            for tracker in told:
                tracker.end(state, hurry=hurry, status=status)


def _open(asked: AskedTracker, folder: RunFolder, about: Asked) -> tuple[RunTracker, list[str]]:
    # Imported late: these libraries take seconds to load, and are not always installed.
    if asked.kind == "mlflow":
        from reeltune.cluster.trackers.mlflow_runs import MlflowRuns

        return MlflowRuns.opened(asked, folder, about)
    from reeltune.cluster.trackers.wandb_runs import WandbRuns

    group = WandbRuns(asked.where, folder, about)
    return group, group.open()
