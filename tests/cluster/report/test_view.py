import json

import pytest

from reeltune.cluster.report.facts import facts
from reeltune.cluster.report.html import html
from reeltune.cluster.report.markdown import markdown
from reeltune.cluster.report.view import view
from reeltune.cluster.runs.finished import read_run
from tests.reported import NAMES, details, found, result, write_run


def shown(tmp_path, **changes):
    return view(read_run(write_run(tmp_path / "one", **changes)), [])


def test_the_forest_has_the_largest_gain_first_and_zero_inside(tmp_path):
    forest = shown(tmp_path).forest
    assert [each.name for each in forest.intervals] == ["classifier", "pmf"]
    low, gain, high = forest.intervals[0].at
    assert forest.zero < low < gain < high <= 100
    assert forest.intervals[1].at[0] < forest.zero < forest.intervals[1].at[2]
    assert forest.zero < forest.simple < gain, "0.009, which is 0.029 less 0.02"
    assert forest.simple_name == "damped means, the best simple predictor"


def test_the_winners_section_comes_first_and_the_baseline_last(tmp_path):
    assert [section.name for section in shown(tmp_path).sections] == ["classifier", "pmf", "baseline"]


def test_groups_without_rows_are_left_out_of_the_slices(tmp_path):
    slices = shown(tmp_path).slices
    assert len(slices) == 4
    assert [group.label for group in slices[0].groups] == ["rating one"]


def test_the_ensembles_note_stands_where_there_is_one(tmp_path):
    def noted(name, architectures):
        verdict = {**result(architectures=architectures), **details(list(architectures))}
        return any("ensemble" in note for note in shown(tmp_path / name, verdict=verdict).notes)

    two = result()["architectures"]
    assert not noted("without", two)
    assert noted("with", {**two, "ensemble": found(config={"weights": {"pmf": 0.5, "classifier": 0.5}})})


NEW = ["decoders", "probabilities", "slices", "data", "split", "look", "refit_seeds", "by_value", "seeds", "test_rows"]


@pytest.mark.parametrize("gone", [["decoders", "slices"], ["test_rows"], NEW])
def test_an_older_run_has_a_page_without_what_it_lacks(tmp_path, gone):
    verdict = {**result(), **details(["baseline", *NAMES])}
    verdict = {key: value for key, value in verdict.items() if key not in gone}
    if "test_rows" in gone:
        verdict.pop("look", None)
    assert "classifier wins and beats the baseline" in html(read_run(write_run(tmp_path / "one", verdict=verdict)))


def test_a_search_in_which_nothing_finished_has_a_page(tmp_path):
    none = found(config=None, validation=None, test=None, gain=None, ci95=None, gain_over_tuned_pmf=None, verdict=None)
    verdict = result(architectures={"pmf": none}, winner=None)
    page = html(read_run(write_run(tmp_path / "one", verdict=verdict)))
    assert "No architecture finished: there is no winner." in page


def test_the_cost_is_in_core_seconds_and_says_what_is_not_known(tmp_path):
    run = read_run(write_run(tmp_path / "one"))
    cost = dict(facts(run))["Cost"]
    assert cost == "15 core-seconds (trials 15, the best tried again 0, refits not known); 12 s in all"


@pytest.mark.parametrize(("workers", "seconds"), [(1, 25), (2, 35)])
def test_a_refit_costs_each_of_its_workers_time(tmp_path, workers, seconds):
    took = {"refit_seconds": 10, "refit_workers": workers}
    folder = write_run(tmp_path / "one", verdict={**result(), **details(NAMES), **took})
    assert dict(facts(read_run(folder)))["Cost"].startswith(f"{seconds} core-seconds")


def test_a_trial_costs_each_of_its_workers_time(tmp_path):
    run = read_run(write_run(tmp_path / "one", asked={"workers_per_trial": 2}))
    assert dict(facts(run))["Cost"].startswith("30 core-seconds (trials 30, ")
    pmf = next(section for section in view(run, []).sections if section.name == "pmf")
    assert pmf.trials.endswith("; 15 core-seconds in all.")


@pytest.mark.parametrize(("bf16", "said"), [(True, "bfloat16 autocast in trials and refits"), (False, None)])
def test_the_settings_say_where_fits_computed_in_bfloat16(tmp_path, bf16, said):
    found = dict(facts(read_run(write_run(tmp_path / "one", asked={"bf16": bf16}))))
    assert found.get("Precision") == said


@pytest.mark.parametrize(("shard", "said"), [("users", "the rows and vectors of its own users alone"), (None, "")])
def test_the_settings_say_that_users_were_sharded(tmp_path, shard, said):
    found = dict(facts(read_run(write_run(tmp_path / "one", asked={"shard": shard}))))
    assert said in found.get("Sharding", "")
    assert ("Sharding" in found) == (shard is not None)


def test_a_section_names_what_was_dropped_after_one_confirmation(tmp_path):
    verdict = {**result(), **details(["baseline", *NAMES])}
    verdict["architectures"]["pmf"]["dropped"] = ["pmf-003"]
    run = read_run(write_run(tmp_path / "one", verdict=verdict))
    said = {section.name: section.trials for section in view(run, []).sections}
    assert "tried again 0 times (pmf-003 once only: too far behind);" in said["pmf"]
    assert "too far behind" not in said["classifier"]
    line = "1 configuration was dropped after 1 confirmation, too far behind the best of the architecture: pmf-003"
    assert f"\n- {line}\n" in markdown(run)


def test_a_search_that_started_from_another_run_says_so(tmp_path):
    folder = write_run(tmp_path / "one")
    record = json.loads(folder.record.read_text())
    folder.record.write_text(json.dumps({**record, "asked": {**record["asked"], "from": "zero"}}))
    assert ", started from run zero: " in dict(facts(read_run(folder)))["Search"]


@pytest.mark.parametrize(("folds", "more"), [(None, ""), (3, " in each of 3 folds")])
def test_the_trials_of_a_search_are_told_by_architecture_and_fold(tmp_path, folds, more):
    said = dict(facts(read_run(write_run(tmp_path / "one", asked={"folds": folds}))))["Search"]
    assert said.startswith(f"5 trials for each of 2 architectures{more}, seed 42: ")


def test_what_was_run_names_data_split_seeds_versions_and_machine(tmp_path):
    said = dict(facts(read_run(write_run(tmp_path / "one"))))
    assert said["Data"] == "films.csv: 90 ratings by 4 users of 4 items"
    assert said["Split"] == "random, seed 7"
    assert said["Refits"] == "3 of each architecture, seeds 42 to 44"
    assert said["Machine"] == "Linux, x86_64, 2 CPUs, 8.0 GiB of memory, Python 3.11.7"
    assert "optuna 5.0.0" in said["Versions"]


def test_an_unfinished_search_shows_the_settings_of_each_architectures_best_trial(tmp_path):
    folder = write_run(tmp_path / "one")
    folder.verdict.unlink()
    sections = view(read_run(folder), []).sections
    assert [(section.name, section.open) for section in sections] == [("classifier", True), ("pmf", False)]
    assert all(section.settings[0].searched and section.settings[0].importance for section in sections)
