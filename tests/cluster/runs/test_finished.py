import re
import shlex

import pytest

from reeltune.cluster.runs.finished import read_run
from reeltune.trainables.errors import InputError
from tests.reported import write_run


def test_a_run_is_read_as_its_files_have_it(tmp_path):
    run = read_run(write_run(tmp_path / "one"))
    assert run.winner == "classifier"
    assert run.architectures == ["pmf", "classifier"]
    assert run.counts() == {"done": 8, "stopped": 2, "failed": 0}
    assert run.seconds_of("search") == 15


def test_a_line_of_the_ledger_that_is_being_written_is_left_out_and_left_alone(tmp_path):
    folder = write_run(tmp_path / "one")
    with folder.ledger.open("a") as file:
        file.write('{"trial": "pm')
    before = folder.ledger.read_bytes()
    assert len(read_run(folder).ledger) == 10
    assert folder.ledger.read_bytes() == before


@pytest.mark.parametrize("content", ["{", "[]"])
def test_a_file_that_is_no_json_object_is_named(tmp_path, content):
    folder = write_run(tmp_path / "one")
    folder.verdict.write_text(content)
    with pytest.raises(InputError, match=r"verdict\.json: expected"):
        read_run(folder)


def test_a_run_of_train_has_no_report_and_the_error_names_its_model(tmp_path):
    run = write_run(tmp_path / "one", asked={"verb": "train", "architecture": "pmf", "config": {}})
    with pytest.raises(
        InputError, match=r"one: a run of `reeltune train`, .*; the fit is not finished, and has no mod"
    ):
        read_run(run)
    run.model("pmf").mkdir(parents=True)
    (run.model("pmf") / "config.json").write_text("{}")
    with pytest.raises(InputError) as caught:
        read_run(run)
    model = str(tmp_path / "one" / "models" / "pmf")
    assert f"; its model is {model}: reeltune predict {model} PAIRS -o FILE, in Python rt.load('{model}')" in str(
        caught.value
    )


def test_the_answer_of_a_search_that_goes_on_with_more_trials_is_not_shown(tmp_path):
    folder = write_run(tmp_path / "one")
    assert read_run(folder).answer is not None
    lines = folder.ledger.read_text().splitlines()
    folder.ledger.write_text("\n".join([*lines, lines[-1].replace("-004", "-005")]) + "\n")
    assert read_run(folder).answer is None


def test_the_command_for_a_fits_model_can_be_copied_whatever_the_runs_name(tmp_path):
    run = write_run(tmp_path / "l'autre", asked={"verb": "train", "architecture": "pmf", "config": {}})
    run.model("pmf").mkdir(parents=True)
    (run.model("pmf") / "config.json").write_text("{}")
    with pytest.raises(InputError) as caught:
        read_run(run)
    command = re.search(r"reeltune predict .* -o FILE", str(caught.value))[0]
    assert shlex.split(command)[2] == str(run.model("pmf"))
