"""Hyperparameters whose values TensorBoard has no one type for, as it finds them in the event files."""

import pytest
from tensorboard.plugins.hparams.api_pb2 import DATA_TYPE_STRING
from tensorboard.plugins.hparams.metadata import parse_experiment_plugin_data

from reeltune.cluster.tensorboard.event_files import TensorBoard
from reeltune.cluster.tensorboard.hparams import Drawn, experiment, merged
from reeltune.cluster.tracking.tracker import TrackedFit
from reeltune.search_spaces import Parameter, Space
from tests.boards import domain_of, hparams_of

TEXT = Parameter(choices=["relu", "tanh"])
RANGE, NUMBERS = Parameter(low=0.0, high=1.0), Parameter(choices=[8, 16])


def drawn(parameter, reference):
    return Drawn(space=Space(architecture="own", parameters={"what": parameter}), reference={"what": reference})


def columns_of(summary):
    return parse_experiment_plugin_data(summary.value[0].metadata.plugin_data.content)


def written(folder, searched, values):
    """The column of `what`, and what the sessions of trials with these values by architecture say of it."""
    board = TensorBoard(folder, searched)
    for name, value in values.items():
        board.began(TrackedFit(name=f"{name}-000", architecture=name, stage="search", config={"what": value}))
    board.close()
    columns, sessions = hparams_of(folder)
    return columns["what"], {session["architecture"]: session.get("what") for session in sessions}


def test_a_range_of_one_architecture_and_text_of_another_are_a_column_of_text(tmp_path):
    searched = {"ours": drawn(TEXT, "relu"), "own": drawn(RANGE, 0.5)}
    column, told = written(tmp_path, searched, {"ours": "tanh", "own": 0.25})
    assert (column.type, domain_of(column)) == (DATA_TYPE_STRING, None)
    assert told == {"ours": "tanh", "own": "0.25"}


@pytest.mark.parametrize(
    ("parameter", "reference", "value", "shown"),
    [
        (NUMBERS, 8, 16.0, ["16", "8"]),
        (Parameter(choices=[True, False]), True, False, ["False", "True"]),
    ],
)
def test_choices_beside_text_are_listed_as_text(tmp_path, parameter, reference, value, shown):
    searched = {"ours": drawn(TEXT, "relu"), "own": drawn(parameter, reference)}
    column, told = written(tmp_path, searched, {"ours": "tanh", "own": value})
    assert domain_of(column) == [*shown, "relu", "tanh"]
    assert told["own"] in shown


def test_a_list_is_text_and_the_same_as_a_tuple(tmp_path):
    searched = {"own": drawn(NUMBERS, (64, 32))}
    column, told = written(tmp_path, searched, {"own": [64, 32]})
    assert domain_of(column) == ["16", "8", "[64, 32]"]
    assert told == {"own": "[64, 32]"}


def test_none_is_left_empty_and_the_column_stays_one_of_numbers(tmp_path):
    column, told = written(tmp_path, {"own": drawn(RANGE, None)}, {"own": None})
    assert domain_of(column) == (0, 1)
    assert told == {"own": None}


@pytest.mark.parametrize("other", [drawn(NUMBERS, 8), drawn(RANGE, 0.5), drawn(RANGE, "relu")])
def test_runs_of_which_one_has_text_and_one_something_else_have_a_column_without_a_filter(other):
    both = [columns_of(experiment({"own": each})) for each in (drawn(TEXT, "relu"), other)]
    [column] = [each for each in columns_of(merged(both, runs=["one", "two"])).hparam_infos if each.name == "what"]
    assert domain_of(column) is None
