"""The command line, run in this process: a new one takes seconds to import torch, and more to start a Ray.

`python -m tests.inside JSON` runs several commands, each a list of words, and prints the exit code, the output and the
errors of each as JSON.
"""

import gc
import io
import json
import subprocess
import sys
from contextlib import contextmanager, redirect_stderr, redirect_stdout

import pytest

from reeltune.cluster.cli.app import main
from reeltune.cluster.commands import refit, tune
from reeltune.cluster.data_parallel.fit_all import fit_all
from reeltune.cluster.data_parallel.in_process import fit_here
from reeltune.cluster.session import session as ray_session
from reeltune.cluster.session.resources import check
from reeltune.cluster.session.slots import slots


def reeltune(*words):
    """What `reeltune` with these words prints, and its exit code."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["reeltune", *words])
        threshold = gc.get_threshold()
        with pytest.raises(SystemExit) as end:
            main()
        gc.set_threshold(*threshold)
    return subprocess.CompletedProcess(words, end.value.code, out.getvalue(), err.getvalue())


@contextmanager
def ray_stays(*, lean=False):
    """A command within takes the Ray that this process has started, and leaves it up.

    Its fits share one lane: to start another takes 10 s of a CPU, and more than all fits of a small run. A `lean` one
    starts none: its refits by one worker are done in this process, which are those of a lane bit for bit
    (`test_fit_all.py`). And its trials run one at a time, unless it says how many: each process of trials takes 4 s of
    a CPU to start.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(refit, "at_once", lambda resources, **needs: 1)
        if lean:
            patch.setattr(tune, "slots", _slots)
            patch.setattr(refit, "fit_all", _fits)
        patch.setattr(ray_session, "_start", lambda data_bytes: None)
        patch.setattr(ray_session.ray, "shutdown", lambda: None)
        yield


def _slots(resources, *, concurrent, **needs):
    return slots(resources, concurrent=concurrent or 1, **needs)


def _fits(orders, data, *, workers, resources, store, at_once, save_every, bfloat16, progress, trackers):
    """What `fit_all` does, which goes on after a fit that is lost."""
    about = {"store": store, "save_every": save_every, "progress": progress, "trackers": trackers}
    if workers > 1:
        return fit_all(orders, data, workers=workers, resources=resources, bfloat16=bfloat16, **about)
    check(workers, resources, bfloat16=bfloat16)
    came = {}
    while left := [order for order in orders if order.key not in came]:
        came |= fit_here(left, data, **about)
    return came


if __name__ == "__main__":
    every = [reeltune(*words) for words in json.loads(sys.argv[1])]
    print(json.dumps([(done.returncode, done.stdout, done.stderr) for done in every]))
