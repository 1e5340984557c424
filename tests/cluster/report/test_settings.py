import optuna

from reeltune.cluster.report.search_plots import studies
from reeltune.cluster.report.settings import formula, importances, settings
from reeltune.cluster.runs.answer import ArchitectureResult
from reeltune.cluster.runs.finished import read_run
from tests.reported import write_run


def test_a_formula_is_the_first_line_of_the_docstring(tmp_path):
    run = read_run(write_run(tmp_path / "one"))
    assert formula(run, "pmf").startswith("Matrix factorisation: rating = low + span")
    assert formula(run, "ensemble").startswith("Ensemble: rating = ")
    assert formula(run, "baseline") == ""


def test_an_own_architectures_source_is_read_and_not_run(tmp_path):
    folder = write_run(tmp_path / "one", asked={"sources": {"towers": "01", "gone": "23", "odd": "45"}})
    ran = tmp_path / "ran"
    folder.source("towers").parent.mkdir()
    folder.source("towers").write_text(f'"""Two towers: rating = u·i."""\nopen({str(ran)!r}, "w")\n')
    folder.source("odd").write_text("def (")
    run = read_run(folder)
    assert [formula(run, name) for name in ("towers", "gone", "odd")] == ["Two towers: rating = u·i.", "", ""]
    assert not ran.exists()


def test_each_setting_has_what_was_searched_whether_it_mattered_and_whether_it_lies_on_a_bound(tmp_path):
    study = studies(read_run(write_run(tmp_path / "one")))["pmf"]
    config = {"made_up": "x", "factors": 16, "learning_rate": 0.0050001}
    found = settings(ArchitectureResult(config=config, on_bounds={"factors": "low"}), study)
    assert found[-1].name == "made_up"
    assert (found[-1].searched, found[-1].importance) == ("", None)
    by_name = {each.name: each for each in found}
    assert (by_name["factors"].bound, by_name["learning_rate"].bound) == ("lowest searched", "")
    assert by_name["factors"].chosen == "16"
    assert by_name["learning_rate"].chosen == "0.005"
    assert by_name["learning_rate"].searched.endswith(", log")
    shares = [each.importance for each in found[:2]]
    assert shares == sorted(shares, reverse=True)


def test_importances_are_shares_of_one_and_need_a_few_trials(tmp_path):
    study = studies(read_run(write_run(tmp_path / "one")))["pmf"]
    assert abs(sum(importances(study).values()) - 1) < 1e-9
    few = optuna.create_study()
    few.add_trials(study.get_trials()[:3])
    assert importances(few) == {}
