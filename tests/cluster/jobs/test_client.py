"""Commands that go to a cluster through Ray's client, on a real head node that knows nothing of this checkout."""

import io
import json
import shutil
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from reeltune import load
from reeltune.cluster.jobs.client import unpack
from tests.heads import environment, head_node, until

ROOT = str(Path(__file__).parents[3])


@pytest.fixture(scope="module")
def head(tmp_path_factory):
    with head_node(tmp_path_factory.mktemp("head")) as head:
        yield head


def start(head, *words):
    command = [sys.executable, "-m", "reeltune", *words, "--address", f"ray://{head.client}"]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment(PYTHONPATH=ROOT), stdout=pipe, stderr=pipe, text=True)


@pytest.mark.slow
def test_a_search_runs_on_the_head_node_and_its_folder_comes_here(head, tmp_path):
    process = start(head, "tune", "bias", "--smoke-test", "--concurrent", "1", "--name", "far", "--json")
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert json.loads(out)["architectures"]["bias"]["verdict"] in ("beats", "undecided")
    assert "all of it is here, in runs/far" in err
    there, here = ((folder / "runs/far/trials.jsonl").read_text() for folder in (head.home, tmp_path))
    assert there == here
    assert (tmp_path / "runs/far/models/bias/model.safetensors").exists()
    assert not (tmp_path / "runs/far/tune").exists()
    process = start(head, "replay", "far", "--json")
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert (json.loads(out)["exact"], json.loads(out)["largest_difference"]) == (False, 0)


@pytest.mark.slow
def test_an_own_architecture_goes_with_the_command_and_is_kept_as_the_others(head, tmp_path):
    shutil.copy(Path(ROOT, "tests/own/ordinal.py"), tmp_path)
    process = start(head, "train", "ordinal.py", "--data", "synthetic", "--workers", "2", "--name", "own", "--json")
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert json.loads(out)["architecture"] == "ordinal"
    loaded = load(tmp_path / "runs/own/models/ordinal", architecture=tmp_path / "ordinal.py")
    assert loaded.predict(["u1"], ["i1"]).shape == (1,)


@pytest.mark.slow
def test_what_is_wrong_with_the_input_is_said_as_it_would_be_here(head):
    process = start(head, "train", "pmf", "--data", "synthetic", "--workers", "9")
    _, err = process.communicate(timeout=240)
    assert process.returncode == 2
    assert "9 workers need 9 CPUs and the cluster has 2: lower --workers, or add nodes" in err
    assert "Traceback" not in err


@pytest.mark.slow
def test_ctrl_c_ends_it_there_with_everything_kept(head):
    process = start(
        head, "train", "pmf", "--data", "synthetic", "--set", "epochs=1000", "--set", "batch_size=2", "--name", "long"
    )
    until(lambda: (head.home / "runs/long/run.json").exists(), process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "go on with: reeltune train pmf" in err
    assert json.loads((head.home / "runs/long/run.json").read_text())["finished"] is None


def packed(name, files=None, **record):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        asked = {"verb": "tune", "architectures": ["pmf"], "data": "a.csv", "trials": 5}
        for path, text in {"run.json": json.dumps({"asked": asked, **record}), **(files or {})}.items():
            info = tarfile.TarInfo(f"{name}/{path}")
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    return file.getvalue()


def contents(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_that_comes_again_takes_its_own_place_and_leaves_other_files_there(tmp_path):
    first = {"trials.jsonl": "1\n", "fold-1/trials.jsonl": "1\n", "models/pmf/old": "8"}
    said = unpack(packed("mine", first, started="noon", finished=None), "mine", "/far/mine")
    assert said == "all of it is here, in runs/mine"
    notes = {"notes.txt": "mine", "fold-1/notes.txt": "mine"}
    for path, text in notes.items():
        (tmp_path / "runs/mine" / path).write_text(text)
    second = {"trials.jsonl": "1\n2\n", "fold-1/trials.jsonl": "1\n2\n", "models/pmf/new": "9"}
    for finished in (None, "evening"):
        said = unpack(packed("mine", second, started="noon", finished=finished), "mine", "/far/mine")
        assert said == "all of it is here, in runs/mine"
        found = contents(tmp_path / "runs/mine")
        assert json.loads(found.pop("run.json"))["finished"] == finished
        assert found == {**second, **notes}
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["mine"]


@pytest.mark.parametrize("ledger", ["trials.jsonl", "fold-1/trials.jsonl"])
def test_a_run_that_has_gone_on_here_is_left_as_it_is(tmp_path, ledger):
    unpack(packed("mine", {ledger: "1\n2\n"}, started="noon", finished="evening"), "mine", "/far/mine")
    for there in ("1\n2\n", "1\n", "1\n3\n4\n"):  # not finished, behind, or gone on otherwise
        said = unpack(packed("mine", {ledger: there}, started="noon", finished=None), "mine", "/far/mine")
        assert said == (
            "runs/mine has gone on here, and is left as it is: the results stay on the head node, in /far/mine"
        )
        assert (tmp_path / "runs/mine" / ledger).read_text() == "1\n2\n"
        assert json.loads((tmp_path / "runs/mine/run.json").read_text())["finished"] == "evening"


@pytest.mark.parametrize("place", ["fits/b.result", "states/pmf-003.state0", "fold-1/fits/b.result"])
def test_fits_that_were_done_here_since_are_not_lost_and_those_done_there_come(tmp_path, place):
    first = {"trials.jsonl": "1\n", "fits/a.result": "a"}
    unpack(packed("mine", first, started="noon"), "mine", "/far/mine")
    more = {**first, place: "b"}
    assert unpack(packed("mine", more, started="noon"), "mine", "/far/mine") == "all of it is here, in runs/mine"
    assert (tmp_path / "runs/mine" / place).read_text() == "b"
    for there in (first, more):  # one that lacks it, and one whose own is from before
        (tmp_path / "runs/mine" / place).write_text("later")
        said = unpack(packed("mine", there, started="noon"), "mine", "/far/mine")
        assert said.startswith("runs/mine has gone on here, and is left as it is")
        assert (tmp_path / "runs/mine" / place).read_text() == "later"
    said = unpack(packed("mine", first, started="noon", finished="evening"), "mine", "/far/mine")
    assert said == "all of it is here, in runs/mine"


def test_another_run_of_its_name_is_not_overwritten(tmp_path):
    unpack(packed("mine", started="noon"), "mine", "/far/mine")
    said = unpack(packed("mine", started="evening"), "mine", "/far/mine")
    assert said.endswith("is another run: the results stay on the head node, in /far/mine")
    assert json.loads((tmp_path / "runs/mine/run.json").read_text())["started"] == "noon"


def test_a_folder_cannot_leave_its_place(tmp_path):
    with pytest.raises(tarfile.FilterError):
        unpack(packed("../../mine", started="noon"), "mine", "/far/mine")
    assert not (tmp_path.parent / "mine").exists()
