"""`run.json` and `verdict.json` are read whichever version wrote them, and what is no such file is refused."""

import json
from pathlib import Path

import pytest

from reeltune.cluster.runs.answer import Answer
from reeltune.cluster.runs.record import AskedOfData, AskedToTrain, AskedToTune, RunRecord, data_asked
from reeltune.trainables.data import Columns, Shares
from reeltune.trainables.data.prepared import DataOptions, prepare
from reeltune.trainables.errors import InputError
from tests import reported

WORLD = "synthetic:users=9,items=8,ratings=60"
TUNE = {"verb": "tune", "architectures": ["pmf"], "data": "films.csv", "trials": 3}


@pytest.mark.usefixtures("side_tables")
def test_what_was_asked_changes_with_the_side_tables_content():
    hashes = set()
    for users in (None, "users.csv", "others.csv"):
        options = DataOptions(data=WORLD, users=users)
        hashes.add(data_asked(options, prepare(options))["data_hash"])
    assert len(hashes) == 3


@pytest.mark.usefixtures("side_tables")
def test_options_come_back_of_what_was_asked():
    Path("test.csv").write_text("user,item,rating\nu1,i1,5\nu2,i2,0\nu3,,4\n")
    plain = DataOptions(data=WORLD, columns=Columns())
    every = DataOptions(
        data=WORLD,
        columns=Columns(user="user"),
        users="users.csv",
        items="none",
        unknown_ids="allow",
        test="test.csv",
        not_rated=("0", ""),
        missing_ids="drop",
        split="user",
        split_seed=7,
    )
    held_out = DataOptions(data=WORLD, columns=Columns(), shares=Shares(validation=0.3, test=0))
    for options in (plain, every, held_out):
        asked = AskedOfData(**data_asked(options, prepare(options)))
        assert AskedOfData.parsed(json.dumps(asked.as_json()), "run.json").options() == options


def test_a_record_is_of_what_its_verb_was_asked_for():
    train = {"verb": "train", "architecture": "pmf", "config": {"factors": 3}, "data": "films.csv"}
    assert isinstance(RunRecord.model_validate({"asked": TUNE}).asked, AskedToTune)
    assert isinstance(RunRecord.model_validate({"asked": train}).asked, AskedToTrain)


def test_a_record_of_an_earlier_version_has_the_defaults_of_then():
    record = RunRecord.model_validate({"asked": TUNE})
    assert (record.schema_number, record.finished) == (1, None)
    assert (record.asked.decoder, record.asked.baseline, record.asked.source) == ("argmax", "pmf", None)
    assert record.asked.shard is None
    options = record.asked.options()
    assert (options.not_rated, options.missing_ids, options.unknown_ids) == ((), None, None)
    assert options.shares == Shares(validation=0.1, test=0.2)


def test_fields_of_a_later_version_are_left_out():
    later = {"schema": 9, "asked": {**TUNE, "new": 1}, "newer": 2}
    assert (
        RunRecord.model_validate(later).as_json()["asked"].keys()
        == RunRecord.model_validate({"asked": TUNE}).as_json()["asked"].keys()
    )


def test_an_answer_without_a_look_has_nothing_beside_it():
    answer = Answer.model_validate(reported.result())
    assert (answer.look, answer.test_rows, answer.probabilities, answer.refit_workers) == (None, None, {}, 1)


def test_what_was_written_is_read_again_to_the_letter():
    names = ["baseline", *reported.NAMES]
    whole = {**reported.result(), **reported.details(names), "schema": 2}
    answer = Answer.model_validate(whole)
    assert Answer.parsed(json.dumps(answer.as_json()), "verdict.json") == answer
    assert {key: answer.as_json()[key] for key in whole} == whole


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "run.json: expected JSON; "),
        ("[]", "run.json: expected a JSON object; found list"),
        ("{}", "run.json: asked: is missing"),
        (json.dumps({"asked": {**TUNE, "trials": "many"}}), "run.json: asked.tune.trials: "),
    ],
)
def test_a_file_that_is_no_record_is_refused_by_its_field(tmp_path, content, said):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(InputError) as refused:
        RunRecord.read(tmp_path / "run.json")
    assert said in str(refused.value)


def test_a_matrix_is_read_as_one_again(tmp_path):
    rows = "".join(f"u{user},{user % 5},3,{user % 3},1\n" for user in range(20))
    (tmp_path / "m.csv").write_text(f"who,heat,alien,jaws,up\n{rows}")
    options = DataOptions(data=str(tmp_path / "m.csv"), columns=Columns(), matrix=True)
    asked = AskedOfData(**data_asked(options, prepare(options)))
    assert AskedOfData.parsed(json.dumps(asked.as_json()), "run.json").options() == options
