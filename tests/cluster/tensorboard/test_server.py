"""TensorBoard of runs of which some have nothing to show yet, or whose object store fails for a while."""

import signal
import warnings
from dataclasses import replace

import pytest

from reeltune.cluster.runs.folder import RunFolder
from reeltune.cluster.runs.storage import Store
from reeltune.cluster.tensorboard.event_files import TensorBoard
from reeltune.cluster.tracking.tracker import FitEnd, TrackedFit
from reeltune.trainables.errors import InputError
from tests.boards import Server

NOBODY = "s3://bucket/mine?endpoint_override=http://127.0.0.1:1&region=us-east-1"
FILE = "tensorboard/pmf/events.out.tfevents.1"


@pytest.fixture
def board():
    """What serves TensorBoard. A part that TensorBoard brings along warns when it is imported."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from reeltune.cluster.tensorboard import server
    return server


def run(path, *, begun):
    path.mkdir()
    folder = RunFolder(path)
    if begun:
        board = TensorBoard(folder.tensorboard)
        board.began(TrackedFit(name="pmf", architecture="pmf", stage="train", config={}))
        board.ended("pmf", FitEnd(state="done", epochs=0))
    return folder


def test_a_run_that_has_only_begun_is_left_out_and_the_others_are_shown(tmp_path):
    server = Server(run(tmp_path / "one", begun=True), run(tmp_path / "new", begun=False))
    assert server.address.startswith("http://127.0.0.1:")
    note, rest = server.end(signal.SIGINT).splitlines()
    assert note == f"note: {tmp_path / 'new'}: not shown: no event files there yet; start board again for them"
    assert rest == "Ctrl-C ends it"


def test_runs_of_which_none_has_begun_are_refused(board, tmp_path):
    runs = [run(tmp_path / name, begun=False) for name in ("one", "two")]
    with pytest.raises(InputError, match=r"/one, .*/two: TensorBoard has nothing to show"):
        board.serve(runs, port=0)


def test_a_store_that_fails_is_told_once_and_the_others_are_fetched(board, tmp_path, capsys):
    (tmp_path / "store" / FILE).parent.mkdir(parents=True)
    (tmp_path / "store" / FILE).write_bytes(b"one")
    out = RunFolder(tmp_path / "out", replace(Store.at(NOBODY), patience=0.0))
    up = RunFolder(tmp_path / "up", Store(str(tmp_path / "store")))
    failing = board.fetch_changes([out, up], frozenset())
    assert failing == {NOBODY}
    assert (up.path / FILE).read_bytes() == b"one"
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"note: storage {NOBODY}: cannot be listed")
    assert line.endswith("; TensorBoard shows what was fetched before; the next try is in 30 s")
    (tmp_path / "store" / FILE).write_bytes(b"one, two")
    assert board.fetch_changes([out, up], failing) == failing
    assert (up.path / FILE).read_bytes() == b"one, two"
    assert capsys.readouterr().err == ""
