"""Runs and bundles named by URI on the command line: read from a real S3 server."""

import json
import sys

import pytest

from reeltune.cluster.cli.app import main
from reeltune.cluster.runs.find import find_run, find_runs, model_folder
from reeltune.cluster.runs.folder import RunFolder
from reeltune.cluster.runs.mirror import stamps
from reeltune.cluster.search.warm_start import named, source_of
from reeltune.trainables.errors import InputError
from tests import s3
from tests.reported import write_run


@pytest.fixture
def home(s3_port, bucket, tmp_path):
    """A finished run in an object store."""
    home = s3.store(s3_port, bucket).below("mine")
    folder = write_run(tmp_path / "made")
    (folder.tensorboard / "pmf-000").mkdir(parents=True)
    (folder.tensorboard / "pmf-000" / "events.out.tfevents.1").write_bytes(b"")
    for name in stamps(folder.path):
        home.write(name, (folder.path / name).read_bytes())
    return home


def reeltune(monkeypatch, capsys, *words):
    monkeypatch.setattr(sys, "argv", ["reeltune", *words])
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code, capsys.readouterr()


def test_a_run_is_read_by_its_uri_and_its_report_is_written_back(home, monkeypatch, capsys):
    code, printed = reeltune(monkeypatch, capsys, "report", home.where, "--json")
    assert code == 0, printed.err
    assert json.loads(printed.out) == {"report": home.below("report.html").where}
    assert b"<html" in home.read("report.html")
    assert home.read("report.md")


def test_runs_are_compared_by_their_uris(home, monkeypatch, capsys):
    code, printed = reeltune(monkeypatch, capsys, "compare", "made", home.where, "--json")
    assert code == 0, printed.err
    assert [run["run"] for run in json.loads(printed.out)["runs"]] == ["made", home.where]


def test_what_is_new_there_is_fetched_and_tensorboards_files_only_for_the_board(home):
    folder = find_run(home.where)
    assert not folder.tensorboard.exists()
    home.write("trials.jsonl", folder.ledger.read_bytes() * 2)
    assert len(find_run(home.where).ledger.read_bytes()) == len(home.read("trials.jsonl"))
    assert list(find_run(home.where, events=True).tensorboard.rglob("events.*"))


def test_a_run_over_folds_is_fetched_with_the_runs_of_its_folds(home):
    for name in ("fold-1", "fold-2"):
        for file in ("run.json", "trials.jsonl", "tensorboard/pmf-000/events.out.tfevents.1"):
            home.write(f"{name}/{file}", home.read(file))
    found = find_runs([home.where], events=True)
    assert [each.place for each in found] == [home.below(name).where for name in ("fold-1", "fold-2")]
    assert [each.ledger.read_bytes() for each in found] == [home.read("trials.jsonl")] * 2
    assert all(list(each.tensorboard.rglob("events.*")) for each in found)


def test_a_search_starts_from_a_run_that_is_named_by_its_uri(home, tmp_path):
    source = source_of(home.where, RunFolder(tmp_path / "new"), ["pmf"])
    assert source.place == home.where
    assert named(home.where) == home.where
    with pytest.raises(InputError, match="cannot start from itself"):
        source_of(home.where, RunFolder(tmp_path / "new", home), ["pmf"])


def test_what_a_resumed_search_began_with_is_in_its_home(home, tmp_path):
    home.write("earlier.json", b"{}")
    assert source_of("gone", RunFolder(tmp_path / "new", home), ["pmf"]) is None


def test_a_bundle_is_loaded_by_its_uri(home):
    home.write("models/pmf/config.json", b"{}")
    assert (model_folder(home.below("models/pmf").where) / "config.json").read_bytes() == b"{}"
    assert str(model_folder("runs/mine/models/pmf")) == "runs/mine/models/pmf"


@pytest.mark.parametrize("verb", ["report", "verdict", "board", "compare"])
def test_a_uri_without_a_run_is_one_line(home, verb, monkeypatch, capsys):
    nowhere = home.where.replace("/mine", "/other")
    code, printed = reeltune(monkeypatch, capsys, verb, nowhere)
    assert (code, printed.err) == (2, f"error: {nowhere}: no run there (it has no run.json)\n")


def test_a_uri_without_a_bundle_is_one_line(home):
    with pytest.raises(InputError, match=r"/other\?.*: no model bundle \(it has no config.json\)"):
        model_folder(home.where.replace("/mine", "/other"))


def test_a_uri_that_holds_a_key_is_refused_without_repeating_it(monkeypatch, capsys):
    for words in (["report", "s3://AKIA:hidden@bucket/mine"], ["data", "s3://AKIA:hidden@bucket/mine"]):
        code, printed = reeltune(monkeypatch, capsys, *words)
        assert code == 2
        assert "hidden" not in printed.err
        assert "a URI with credentials" in printed.err


def test_a_store_that_does_not_answer_is_one_line_with_exit_code_1(monkeypatch, capsys):
    nobody = "s3://bucket/mine?endpoint_override=http://127.0.0.1:1&region=us-east-1"
    code, printed = reeltune(monkeypatch, capsys, "report", nobody)
    assert code == 1
    assert printed.err.startswith(f"error: storage {nobody}: run.json cannot be read")
    assert len(printed.err.splitlines()) == 1


def test_a_folder_of_runs_is_all_of_them_each_once(tmp_path):
    for name in ("two", "one"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "run.json").write_text("{}")
    (tmp_path / "runs" / "no run").mkdir()
    assert [run.name for run in find_runs(["runs/"])] == ["one", "two"]
    assert [run.name for run in find_runs(["two", "runs"])] == ["two", "one"]
    with pytest.raises(InputError, match="three: no run of this name or path; there are one, two"):
        find_runs(["one", "three"])


def test_a_run_over_folds_in_a_folder_of_runs_is_the_runs_of_its_folds(tmp_path):
    for name in ("one", "two", "two/fold-1", "two/fold-2"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "run.json").write_text("{}")
    assert [run.title for run in find_runs(["runs"])] == ["one", "two-fold-1", "two-fold-2"]


def test_the_run_of_a_fold_has_the_same_title_if_it_is_named_by_its_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "runs/two")
    write_run(tmp_path / "runs/two/fold-1")
    write_run(tmp_path / "fold-2")
    titles = [find_run(name).title for name in ("two", "runs/two/fold-1", "two/fold-1", "fold-2")]
    assert titles == ["two", "two-fold-1", "two-fold-1", "fold-2"]
    assert [run.title for run in find_runs(["two"])] == ["two-fold-1"]
