import json
import shlex

import pytest

from reeltune.cluster.report.markdown import markdown
from reeltune.cluster.report.use import going_on, using
from reeltune.cluster.runs.finished import read_run
from tests.cluster.report.test_commands import parsed
from tests.reported import details, found, result, write_run


def with_bundle(tmp_path, winner="classifier", **changes):
    folder = write_run(tmp_path / "one", **changes)
    folder.model(winner).mkdir(parents=True)
    return folder


def cut(folder, command=None, **answer):
    if command is not None:
        folder.record.write_text(json.dumps({**json.loads(folder.record.read_text()), "command": command}))
    folder.verdict.write_text(json.dumps({**json.loads(folder.verdict.read_text()), **answer}))
    return folder


def test_the_winner_is_loaded_rates_pairs_and_recommends_by_its_real_path(tmp_path):
    columns = {"user": "the user", "item": "film", "rating": "stars"}
    folder = with_bundle(tmp_path, asked={"columns": columns, "missing_ids": "drop"})
    python, predict, recommend = (command.line for command in using(read_run(folder)))
    place = str(folder.model("classifier"))
    compile(python, "page", "exec")
    text = markdown(read_run(folder))
    assert f". To use classifier: `{predict}`" in text
    assert len(text.splitlines()) <= 30
    assert f"rt.load({place!r})" in python
    assert parsed(predict)["model"] == parsed(recommend)["model"] == place
    said = parsed(recommend)
    assert (said["seen"], said["user_column"], said["item_column"], said["missing_ids"]) == (
        "films.csv",
        "the user",
        "film",
        "drop",
    )
    assert said["at"] is None


def test_a_model_with_time_recommends_for_a_date_and_an_own_one_takes_its_file(tmp_path):
    verdict = {**result(architectures={"towers": found(timed=True)}, winner="towers"), **details(["towers"])}
    folder = with_bundle(tmp_path, "towers", verdict=verdict, asked={"sources": {"towers": "0123"}})
    python, predict, recommend = (command.line for command in using(read_run(folder)))
    kept = str(folder.source("towers"))
    assert f"architecture={kept!r})" in python
    assert parsed(predict)["architecture"] == parsed(recommend)["architecture"] == [kept]
    assert parsed(recommend)["at"] == "2026-11-24"


def test_a_bundle_that_is_not_there_is_not_named(tmp_path):
    folder = write_run(tmp_path / "one")
    assert using(read_run(folder)) == []
    folder.model("classifier").mkdir(parents=True)
    folder.verdict.unlink()
    assert using(read_run(folder)) == []
    assert "models/" not in markdown(read_run(folder))


@pytest.mark.parametrize("named", ["--name other", "--name=other --json", "--resume", ""])
def test_an_unfinished_search_goes_on_under_its_own_name(tmp_path, named):
    folder = cut(write_run(tmp_path / "one"), f"reeltune tune pmf --data 'my films.csv' {named}")
    folder.verdict.unlink()
    [command] = going_on(read_run(folder))
    assert shlex.split(command.line) == shlex.split("reeltune tune pmf --data 'my films.csv' --name one --resume")
    assert command.line in markdown(read_run(folder))


def test_a_search_that_ended_before_all_its_trials_goes_on_and_a_whole_one_does_not(tmp_path):
    folder = write_run(tmp_path / "one")
    assert going_on(read_run(folder)) == []
    assert going_on(read_run(cut(folder, trials_asked=10))) == []
    assert len(going_on(read_run(cut(folder, trials_asked=80)))) == 1
