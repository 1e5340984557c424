from reeltune.cluster.report.standing import best_so_far, standing
from reeltune.cluster.runs.finished import read_run
from tests.reported import write_run


def unfinished(tmp_path):
    folder = write_run(tmp_path / "one")
    folder.verdict.unlink()
    return folder


def test_the_best_trial_of_each_architecture_is_told_the_lowest_error_first(tmp_path):
    best = best_so_far(read_run(unfinished(tmp_path)))
    assert [(each.trial, each.error, each.ended) for each in best] == [
        ("classifier-003", 0.87, 5),
        ("pmf-003", 0.87, 5),
    ]


def test_a_search_in_which_nothing_has_ended_has_no_best(tmp_path):
    folder = unfinished(tmp_path)
    folder.ledger.write_text("")
    assert best_so_far(read_run(folder)) == []
    assert standing(read_run(folder)) == ("No verdict yet: 0 trials done, 0 stopped early, 0 failed, of 10 asked for")


def test_over_folds_as_many_trials_are_asked_for_in_each(tmp_path):
    folder = write_run(tmp_path / "one", asked={"folds": 3})
    folder.verdict.unlink()
    assert standing(read_run(folder)).endswith("0 failed, of 30 asked for")
