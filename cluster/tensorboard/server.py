"""`reeltune board`: serves a run with TensorBoard on this machine's loopback address, until Ctrl-C."""

import contextlib
import io
import logging
import signal
import sys
import threading

from tensorboard import default, program

from reeltune.cluster.runs.folder import RunFolder
from reeltune.cluster.runs.mirror import fetch
from reeltune.cluster.session.interrupt import Interrupted, interruptible
from reeltune.trainables.errors import InputError

HOST = "127.0.0.1"
REFRESH = 30.0  # seconds between two fetches from an object store
EVENTS = "events.out.tfevents.*"


def serve(folder: RunFolder, *, port: int) -> int:
    """Serve until a signal ends the process, and return the exit code; port 0 is any free one.

    Raises InputError if the run has no event files or the port is taken.
    """
    if next(folder.tensorboard.rglob(EVENTS), None) is None:
        raise InputError(f"{folder.place}: TensorBoard has nothing to show: it has no event files")
    try:
        with interruptible():
            address = _launch(folder, port)
            print("Ctrl-C ends it", file=sys.stderr, flush=True)
            print(address, flush=True)
            _refresh(folder)
    except Interrupted as end:
        # Ctrl-C is the normal end, not a failure.
        return 0 if end.exit_code == 128 + signal.SIGINT else end.exit_code
    raise AssertionError("waited for ever")


def _refresh(folder: RunFolder) -> None:
    """Loop for ever, and fetch the changes if the run is in an object store."""
    while not threading.Event().wait(REFRESH):
        if folder.home is not None:
            fetch(folder.home, folder.path)


def _launch(folder: RunFolder, port: int) -> str:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # no line for each request
    board = program.TensorBoard(plugins=default.get_plugins())
    board.configure(["reeltune", "--logdir", str(folder.tensorboard), "--host", HOST, "--port", str(port)])
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):  # hides a note about fast loading
            return board.launch()
    except program.TensorBoardServerException as error:
        raise InputError(f"--port {port}: {error}") from None
