import json

import optuna

from reeltune.cluster.report.search_plots import curves, failures, plots, studies
from reeltune.cluster.runs.finished import read_run
from reeltune.search_spaces import journal
from tests.reported import write_run


def test_each_architecture_has_optunas_four_plots(tmp_path):
    run = read_run(write_run(tmp_path / "one"))
    known = studies(run)
    assert list(known) == ["pmf", "classifier"]
    made = plots("pmf", known["pmf"], "validation MSE")
    assert [plot.title for plot, _ in made] == ["Optimisation history", "Importance", "Parallel coordinates", "Slices"]
    for _, figure in made:
        json.dumps(figure, allow_nan=False)
    history = made[0][1]["data"][0]
    assert history["name"] == "validation MSE"


def test_without_a_journal_there_are_no_plots_and_none_is_made(tmp_path):
    folder = write_run(tmp_path / "one")
    folder.journal.unlink()
    assert studies(read_run(folder)) == {}
    assert not folder.journal.exists()


def test_trials_of_an_earlier_run_that_a_search_began_with_are_not_told_as_its_own(tmp_path):
    folder = write_run(tmp_path / "one")
    before = studies(read_run(folder))["pmf"].get_trials()
    known = optuna.load_study(study_name="pmf", storage=journal(str(folder.journal)))
    known.add_trial(optuna.trial.create_trial(value=0.1, user_attrs={"trial": "zero/pmf-001", "from": "zero"}))
    after = studies(read_run(folder))["pmf"].get_trials()
    assert [(trial.params, trial.value) for trial in after] == [(trial.params, trial.value) for trial in before]


def test_the_curves_are_those_of_the_best_trials_best_first(tmp_path):
    made = curves(read_run(write_run(tmp_path / "one")), "pmf")
    assert [line.label for line in made.lines] == [
        "pmf-003: 0.8700",
        "pmf-002: 0.8800",
        "pmf-001: 0.8900",
        "pmf-000: 0.9000",
    ]


def test_fits_of_a_single_report_have_no_curve(tmp_path):
    folder = write_run(tmp_path / "one")
    lines = [json.loads(line) for line in folder.ledger.read_text().splitlines()]
    folder.ledger.write_text("".join(json.dumps({**line, "curve": {"100": 0.9}}) + "\n" for line in lines))
    assert curves(read_run(folder), "pmf") is None


def test_why_fits_failed_is_said_once_with_how_often(tmp_path):
    run = read_run(write_run(tmp_path / "one", error="the loss is no number"))
    assert failures(run, "pmf") == [("the loss is no number", 1)]
