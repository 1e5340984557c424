"""The command line, run in this process: a new one takes seconds to import torch, and more to start a Ray."""

import io
import subprocess
import sys
from contextlib import contextmanager, redirect_stderr, redirect_stdout

import pytest

from reeltune.cluster.cli.app import main
from reeltune.cluster.commands import refit
from reeltune.cluster.session import session as ray_session


def reeltune(*words):
    """What `reeltune` with these words prints, and its exit code."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["reeltune", *words])
        with pytest.raises(SystemExit) as end:
            main()
    return subprocess.CompletedProcess(words, end.value.code, out.getvalue(), err.getvalue())


@contextmanager
def ray_stays():
    """A command within takes the Ray that this process has started, and leaves it up.

    Its fits share one lane: to start another takes 10 s of a CPU, and more than all fits of a small run.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(refit, "at_once", lambda resources, **needs: 1)
        patch.setattr(ray_session, "_start", lambda data_bytes: None)
        patch.setattr(ray_session.ray, "shutdown", lambda: None)
        yield
