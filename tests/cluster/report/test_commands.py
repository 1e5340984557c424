import json
import shlex
from dataclasses import replace

import pytest
import typer

from reeltune.cluster.cli.app import app
from reeltune.cluster.cli.options import data_options, train_options
from reeltune.cluster.commands.train_options import configured
from reeltune.cluster.report.commands import checking, reproducing
from reeltune.cluster.runs.finished import read_run
from reeltune.cluster.runs.storage import Store
from tests.reported import SHAPE, details, found, result, write_run


def parsed(line):
    """What the command line makes of a command."""
    verb, *words = shlex.split(line)[1:]
    group = typer.main.get_command(app)
    with group.make_context("reeltune", [verb], resilient_parsing=True) as context:
        return group.get_command(context, verb).make_context(verb, words).params


def commands(folder, record=None):
    if record is not None:
        folder.record.write_text(json.dumps(json.loads(folder.record.read_text()) | record))
    return [command.line for command in reproducing(read_run(folder))]


def test_the_winner_is_fitted_again_with_the_very_configuration(tmp_path):
    config = {"learning_rate": 0.016113875231612635, "loss": "cost_regression", "product": True, "epochs": 7}
    verdict = {**result(architectures={"classifier": found(config=config)}), **details(["classifier"])}
    line = commands(write_run(tmp_path / "one", verdict=verdict))[0]
    words = parsed(line)
    assert words["data"] == ["films.csv"]
    assert (words["split"], words["split_seed"], words["seed"]) == ("random", 7, 42)
    options = train_options(
        "classifier", data_options(*words["data"]), config=None, settings=words["settings"], seed=words["seed"]
    )
    made = configured(options, SHAPE).model_dump()
    assert {key: made[key] for key in config} == config


def test_the_winner_is_checked_where_the_runs_folder_is(tmp_path):
    folder = write_run(tmp_path / "one of mine")
    [command] = checking(read_run(folder))
    assert parsed(command.line)["run"] == str(tmp_path / "one of mine")
    assert "classifier" in command.what
    folder.verdict.unlink()
    assert checking(read_run(folder)) == []


def test_the_winner_of_a_run_in_an_object_store_is_checked_from_there(tmp_path):
    home = Store("s3://films/mine?region=eu-west-1")
    folder = replace(write_run(tmp_path / "copy"), home=home)
    [command] = checking(read_run(folder))
    assert parsed(command.line)["run"] == home.where


@pytest.mark.parametrize("path", ["my films.csv", "a'b.csv", "$(rm).csv", '"; <b>.csv'])
def test_paths_are_quoted_for_the_shell(tmp_path, path):
    folder = write_run(tmp_path / "one", asked={"data": path, "test": path, "items": path, "decoder": "mean"})
    words = parsed(commands(folder)[0])
    assert [words[name] for name in ("data", "test", "items", "users")] == [[path], [path], path, None]
    assert words["decoder"] == "mean"


def test_columns_are_taken_over_from_the_runs_own_command(tmp_path):
    command = "reeltune tune --data films.csv --user-column 'the user' --rating-column=stars --name one --resume --json"
    folder = write_run(tmp_path / "one")
    fitted, again = commands(folder, {"command": command})
    words = parsed(fitted)
    assert (words["user_column"], words["rating_column"]) == ("the user", "stars")
    assert again == "reeltune tune --data films.csv --user-column 'the user' --rating-column=stars"


def test_the_search_is_made_again_under_another_name_however_often_the_command_names_one(tmp_path):
    command = "reeltune tune --name zero pmf --name=half --data films.csv --name one --resume"
    assert commands(write_run(tmp_path / "one"), {"command": command})[-1] == "reeltune tune pmf --data films.csv"


def test_a_fit_is_made_again_in_the_precision_of_the_search(tmp_path):
    folder = write_run(tmp_path / "one", asked={"bf16": True})
    assert parsed(commands(folder)[0])["bf16"] is True


def test_a_fit_with_sharded_users_is_made_again_as_one(tmp_path):
    folder = write_run(tmp_path / "one", asked={"shard": "users"})
    assert parsed(commands(folder)[0])["shard"] == "users"


def test_a_matrix_is_named_one_again(tmp_path):
    folder = write_run(tmp_path / "one", asked={"data": "jester.csv", "matrix": True})
    assert parsed(commands(folder)[0])["matrix"] is True


def test_rows_that_were_left_out_are_left_out_again(tmp_path):
    asked = {"not_rated": ["0", "-1", ""], "missing_ids": "drop", "unknown_ids": "allow"}
    words = parsed(commands(write_run(tmp_path / "one", asked=asked))[0])
    assert (words["not_rated"], words["missing_ids"], words["unknown_ids"]) == (["0", "-1", ""], "drop", "allow")
    words = parsed(commands(write_run(tmp_path / "two"))[0])
    assert not words["not_rated"]
    assert words["missing_ids"] is None


def test_an_ensemble_is_made_again_by_the_search_and_each_member_with_a_say_by_itself(tmp_path):
    weights = {"pmf": 0.25, "classifier": 0.75, "bias": 0.0}
    found_ones = {**result()["architectures"], "bias": found(), "ensemble": found(config={"weights": weights})}
    verdict = {**result(architectures=found_ones, winner="ensemble"), **details(list(found_ones))}
    lines = commands(write_run(tmp_path / "one", verdict=verdict))
    assert lines[0].startswith("reeltune tune")
    assert [line.split()[2] for line in lines[1:]] == ["classifier", "pmf"]
