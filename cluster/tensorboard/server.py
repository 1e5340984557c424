"""`reeltune board`: serves runs with TensorBoard on this machine's loopback address, until Ctrl-C."""

import contextlib
import io
import logging
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from tensorboard import default, program

from reeltune.cluster.runs.folder import RunFolder
from reeltune.cluster.runs.mirror import fetch
from reeltune.cluster.session.interrupt import Interrupted, interruptible
from reeltune.cluster.tensorboard.several import EVENTS, Several
from reeltune.trainables.errors import InputError, StorageFailed

HOST = "127.0.0.1"
REFRESH = 30.0  # seconds between two fetches from an object store
LINK = 5.0  # seconds between two looks for new files of several runs


def serve(folders: Sequence[RunFolder], *, port: int) -> int:
    """Serve until a signal ends the process, and return the exit code; port 0 is any free one.

    Of several runs those without event files are left out, which a line says. Raises InputError if no run has any or
    the port is taken.
    """
    folders = _with_events(folders)
    try:
        with interruptible(), tempfile.TemporaryDirectory(prefix="reeltune-board-") as several:
            view = Several(folders, Path(several)) if len(folders) > 1 else None
            if view is not None and view.alike:
                alike = ", ".join(view.alike)
                print(
                    f"note: of {alike}, of an earlier version, HPARAMS averages trials of one number", file=sys.stderr
                )
            address = _launch(folders[0].tensorboard if view is None else view.folder, port)
            print("Ctrl-C ends it", file=sys.stderr, flush=True)
            print(address, flush=True)
            _refresh(folders, view)
    except Interrupted as end:
        # Ctrl-C is the normal end, not a failure.
        return 0 if end.exit_code == 128 + signal.SIGINT else end.exit_code
    raise AssertionError("waited for ever")


def _with_events(folders: Sequence[RunFolder]) -> list[RunFolder]:
    """The runs that have event files; a line names the others. Raises InputError if none has any."""
    shown = [folder for folder in folders if next(folder.tensorboard.rglob(EVENTS), None) is not None]
    without = ", ".join(folder.place for folder in folders if folder not in shown)
    if not shown:
        raise InputError(f"{without}: TensorBoard has nothing to show: no event files there")
    if without:
        print(f"note: {without}: not shown: no event files there yet; start board again for them", file=sys.stderr)
    return shown


def _refresh(folders: Sequence[RunFolder], view: Several | None) -> None:
    """Loop for ever, fetch the changes of runs in an object store, and show new files of several runs."""
    fetched = time.monotonic()
    failing: frozenset[str] = frozenset()
    while not threading.Event().wait(REFRESH if view is None else LINK):
        if time.monotonic() - fetched >= REFRESH:
            failing = fetch_changes(folders, failing)
            fetched = time.monotonic()
        if view is not None:
            view.refresh()


def fetch_changes(folders: Sequence[RunFolder], failing: frozenset[str]) -> frozenset[str]:
    """Fetch the changes of runs in an object store, and return the places of those whose store fails.

    `failing` are those of the fetch before: of them nothing is said again.
    """
    failed = set()
    for folder in folders:
        try:
            if folder.home is not None:
                fetch(folder.home, folder.path)
        except StorageFailed as error:
            failed.add(folder.place)
            if folder.place not in failing:
                again = f"TensorBoard shows what was fetched before; the next try is in {REFRESH:.0f} s"
                print(f"note: {error}; {again}", file=sys.stderr)
    return frozenset(failed)


def _launch(folder: Path, port: int) -> str:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # no line for each request
    board = program.TensorBoard(plugins=default.get_plugins())
    board.configure(["reeltune", "--logdir", str(folder), "--host", HOST, "--port", str(port)])
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):  # hides a note about fast loading
            return board.launch()
    except program.TensorBoardServerException as error:
        raise InputError(f"--port {port}: {error}") from None
