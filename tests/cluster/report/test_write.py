import json
from pathlib import Path

from reeltune.cluster.report.write import write_reports
from tests import inside
from tests.reported import write_run


def test_the_reports_are_remade_from_the_folder_alone_and_the_page_is_no_larger_than_a_mail_takes(tmp_path):
    folder = write_run(tmp_path / "one")
    before = {path: path.read_bytes() for path in folder.path.iterdir()}
    page = write_reports(folder)
    assert page == tmp_path / "one" / "report.html"
    assert {path: path.read_bytes() for path in before} == before
    assert {path.name for path in folder.path.iterdir()} - {path.name for path in before} == {
        "report.html",
        "report.md",
        "plots.html",
    }
    assert page.stat().st_size < 3e5
    assert (folder.path / "plots.html").stat().st_size < 3e6


def test_the_same_run_has_the_same_page(tmp_path):
    folder = write_run(tmp_path / "one")
    assert write_reports(folder).read_bytes() == write_reports(folder).read_bytes()


def test_the_verb_report_writes_the_page_says_where_and_looks_at_no_test_row(tmp_path):
    write_run(tmp_path / "runs" / "one")
    done = inside.reeltune("report", "one", "--json")
    assert done.returncode == 0, done.stderr
    assert Path(json.loads(done.stdout)["report"]).read_text().startswith("<!doctype html>")
    assert not (tmp_path / "cache").exists()


def test_the_verb_compare_prints_one_object(tmp_path):
    for name in ("one", "two"):
        write_run(tmp_path / "runs" / name)
    done = inside.reeltune("compare", "one", "two", "--json")
    assert [run["run"] for run in json.loads(done.stdout)["runs"]] == ["runs/one", "runs/two"]


def test_a_run_that_is_not_there_is_an_error_of_one_line():
    done = inside.reeltune("report", "gone")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == ["error: gone: no run of this name or path"]
