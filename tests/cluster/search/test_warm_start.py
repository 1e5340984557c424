"""`--from RUN`: a search starts from what an earlier one learnt."""

import json
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from subprocess import PIPE

import optuna
import pytest

from reeltune.cluster.report.facts import facts
from reeltune.cluster.runs.finished import read_run
from reeltune.cluster.runs.folder import Ledger, RunFolder, read_entries, write_json
from reeltune.cluster.search.experiment import studies
from reeltune.cluster.search.messages import failed, tune_result
from reeltune.cluster.search.warm_start import begin, best, named, source_of
from reeltune.search_spaces import Size, journal, read_spaces
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.errors import InputError
from tests import inside
from tests.searches import drain, end, new_searcher

ASKED = {
    "data": "films.csv",
    "verb": "tune",
    "data_hash": "d",
    "test_hash": "t",
    "split": "random",
    "split_seed": 1,
    "decoder": "argmax",
}
OTHER = {"data_hash": "other"}
SPACES = {
    "pmf": """
[pmf.batch_size]
choices = [18, 36, 70]
per_epoch = true
""",
    "classifier": """
[classifier.loss]
choices = ["cost_regression", "reverse_kl"]
[classifier.label_width]
low = 0.25
high = 1.0
spans = true
when = { loss = "reverse_kl" }
""",
}
LESS = {"classifier": '[classifier]\nloss = "reverse_kl"' + SPACES["classifier"].split('"reverse_kl"]')[1]}
NEVER = {"pmf": "[pmf.dropout]\nlow = 0.6\nhigh = 0.7"}


@pytest.fixture
def shape(small):
    return replace(small[2], ratings=72_000)


@pytest.fixture
def start(shape, tmp_path):
    """Begins a search, or takes it up again: its searcher, and what it said of the run that it starts from."""

    def start(name, *, source=None, spaces=SPACES, asked=ASKED, ratings=72_000, trials=12):
        folder, data = RunFolder(Path("runs") / name), replace(shape, ratings=ratings)
        (tmp_path / "space.toml").write_text("".join(spaces.values()))
        declared = read_spaces(tmp_path / "space.toml", {name: ARCHITECTURES[name] for name in spaces})
        turned = {name: space.on(data, ARCHITECTURES[name]) for name, space in declared.items()}
        recorded = {name: space.model_dump(mode="json") for name, space in turned.items()}
        found = source_of(source, folder, list(spaces))
        write_json(
            folder.record,
            {
                "asked": {**ASKED, **asked, "space": recorded, "architectures": list(spaces), "trials": trials},
                "size": vars(Size.of(data)),
            },
        )
        said = []
        earlier = begin(folder, found, declared, data, wider={}, say=said.append)
        ledger = Ledger(folder.ledger)
        made, cut_off = studies(folder, ledger, turned, data, seed=3, earlier=earlier)
        return new_searcher(made, ledger, trials=trials, seed=3, unfinished=cut_off), said

    return start


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """The folder where the first run is kept once it is made."""
    return tmp_path_factory.mktemp("kept") / "first"


@pytest.fixture
def first(start, kept):
    """A finished run: 12 trials of each of two architectures, and the best of them again. Made once, then copied."""
    if kept.exists():
        shutil.copytree(kept, "runs/first")
    else:
        searcher, said = start("first")
        drain(searcher)
        assert said == []
        shutil.copytree("runs/first", kept)
    return Ledger(RunFolder(Path("runs/first")).ledger)


def configs(orders, name):
    return [order["config"] for order in orders if order["architecture"] == name and order["stage"] == "search"]


def in_journal(run, name):
    storage = journal(f"runs/{run}/study.journal")
    return [trial.user_attrs["trial"] for trial in optuna.load_study(study_name=name, storage=storage).trials]


def test_on_the_same_data_optuna_knows_the_earlier_trials_and_the_best_is_tried_again(start, first):
    searcher, said = start("second", source="first", trials=3)
    orders = drain(searcher)
    for name in SPACES:
        found, known = configs(orders, name), best(first.entries, name)
        assert len(found) == 3
        assert found[0] == configs(map(vars, first.of("search", name)), name)[0]  # the reference
        assert found[1] == known[0].config
        earlier = [f"first/{entry.trial}" for entry in first.of("search", name)[1:]]
        assert in_journal("second", name) == [*earlier, *(f"{name}-{number:03}" for number in range(3))]
    assert len(searcher.recorder.ledger.of("search", "pmf")) == 3
    (line,) = said
    assert line == (
        "from first (same data): 1 of pmf, 1 of classifier tried right after the reference; "
        "Optuna knows 11 of pmf, 11 of classifier trials"
    )


def test_what_it_draws_next_is_learnt_and_not_random(start, first):
    fresh = configs(drain(start("fresh", trials=4)[0]), "pmf")
    learnt = configs(drain(start("second", source="first", trials=4)[0]), "pmf")
    assert fresh[0] == learnt[0]
    assert fresh[2:] != learnt[2:]
    rates = [[config["learning_rate"] for config in found[2:]] for found in (learnt, fresh)]
    assert max(rates[0]) < max(rates[1])  # which is what the made-up error asks for


def test_on_other_data_the_best_three_are_tried_first_with_the_same_steps_per_epoch(start, first):
    searcher, said = start("second", source="first", asked=OTHER, ratings=7_200_000, trials=6)
    orders = drain(searcher)
    for name in SPACES:
        found, ranked = configs(orders, name), best(first.entries, name)[:3]
        for config, entry in zip(found[1:4], ranked, strict=True):
            assert config["learning_rate"] == entry.config["learning_rate"]
            assert config["batch_size"] == pytest.approx(100 * entry.config["batch_size"], rel=0.5)
        assert in_journal("second", name) == [f"{name}-{number:03}" for number in range(6)]
    (line,) = said
    assert line == "from first (other data): 3 of pmf, 3 of classifier tried right after the reference"


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"test_hash": "u"}, "other test rows"),
        ({"split": "time"}, "another split"),
        ({"split_seed": 2}, "another split"),
        ({"validation": 0.3}, "another split"),
        ({"decoder": "mean"}, "another decoder"),
        ({"metric": "rps"}, "another metric"),
    ],
)
def test_values_by_another_measure_are_not_taken(start, first, asked, words):
    searcher, said = start("second", source="first", asked=asked)
    assert said[0].startswith(f"from first ({words}): 3 of pmf")
    assert all(not study._study.trials for study in searcher.studies.values())


SEEN = "that search saw rows that are test rows now, so the verdict may be too good"


@pytest.mark.parametrize(
    ("asked", "seen"),
    [
        ({}, False),
        ({"split_seed": 2, "test_hash": "u"}, True),
        ({"data_hash": "other", "test_hash": "u"}, False),
        ({"test": "own.csv", "test_hash": "u"}, False),  # its rows are none of the data's
        ({"decoder": "mean"}, False),
    ],
)
def test_where_the_earlier_search_saw_rows_that_are_test_rows_now_the_line_and_the_report_say_so(
    start, first, asked, seen
):
    searcher, said = start("second", source="first", asked={**asked, "from": "first"})
    drain(searcher)
    assert (SEEN in said[0]) == seen
    reported = dict(facts(read_run(RunFolder(Path("runs/second")))))["Search"]
    assert ("started from run first (which saw rows that are test rows here" in reported) == seen
    _, said = start("third", source="second", asked=asked)
    assert (SEEN in said[0]) == seen, "what it learnt came from there"


def test_those_tried_again_come_before_those_that_only_seemed_better(first):
    entries = [
        replace(entry, value=entry.value + 9) if entry.trial.startswith(best(first.entries, "pmf")[0].trial) else entry
        for entry in first.entries
    ]
    lucky = [replace(entry, value=0.0) if entry.trial == "pmf-007" else entry for entry in entries]
    again = {entry.trial[:-7] for entry in first.of("confirm", "pmf")} - {"pmf-000"}
    assert "pmf-007" not in again
    ranked = [entry.trial for entry in best(lucky, "pmf")]
    assert set(ranked[: len(again)]) == again
    assert ranked[0] != best(first.entries, "pmf")[0].trial
    assert ranked[len(again)] == "pmf-007"
    assert "pmf-000" not in ranked


def test_one_that_was_dropped_comes_last(first):
    behind = best(first.entries, "pmf")[0].trial
    left = [entry for entry in first.entries if entry.trial not in (f"{behind}-again2", f"{behind}-again3")]
    assert best(left, "pmf")[-1].trial == behind


def test_of_a_search_on_a_sample_the_dropped_come_last_and_the_one_left_first(first):
    """All of them have one confirmation."""
    left, behind = (entry.trial for entry in best(first.entries, "pmf")[:2])

    def sampled(entry):
        if entry.stage == "search":
            return replace(entry, on_sample=entry.config)
        return replace(entry, value=0.5 if entry.trial.startswith(left) else 1.5)

    ranked = [entry.trial for entry in best([sampled(entry) for entry in first.entries if entry.fold <= 1], "pmf")]
    assert (ranked[0], ranked[-1]) == (left, behind)
    assert len(ranked) > 3, "others were not confirmed at all"


@pytest.mark.parametrize("asked", [ASKED, OTHER], ids=["same", "other"])
def test_a_resumed_search_deals_what_an_undisturbed_one_would_have_though_the_run_is_gone(start, first, asked):
    undisturbed = drain(start("second", source="first", asked=asked)[0])
    shutil.copytree("runs/first", "runs/elsewhere/first")
    searcher, said = start("cut", source="runs/elsewhere/first", asked=asked)
    before = []
    for number in range(9):
        before.append(searcher.suggest(str(number)))
        end(searcher, str(number), before[-1]["config"]["learning_rate"])
    cut_off = searcher.suggest("never ends")
    shutil.rmtree("runs/elsewhere")
    again, said_again = start("cut", source="runs/elsewhere/first", asked=asked)
    assert said_again == said
    resumed = drain(again)
    assert cut_off in resumed
    assert len(configs(before + resumed, "pmf")) == len(configs(undisturbed, "pmf")) == 12


def test_of_a_narrower_space_the_rest_is_left_out_and_said(start, first):
    held = [e for e in first.of("search", "classifier")[1:] if e.config["loss"] == "reverse_kl"]
    assert 0 < len(held) < 11
    searcher, said = start("second", source="first", spaces=LESS)
    assert [t.user_attrs["trial"] for t in searcher.studies["classifier"]._study.trials] == [
        f"first/{entry.trial}" for entry in held
    ]
    assert f"Optuna knows {len(held)} of classifier trials" in said[0]
    assert said[0].endswith(f"outside of this search's space: {11 - len(held)} of classifier")


@pytest.mark.parametrize(("asked", "count"), [(ASKED, 11), (OTHER, 3)])
def test_of_a_space_that_holds_none_of_it_the_search_starts_as_if_alone(start, first, asked, count):
    alone = configs(drain(start("alone", spaces=NEVER, trials=3)[0]), "pmf")
    searcher, said = start("second", source="first", spaces=NEVER, asked=asked, trials=3)
    assert configs(drain(searcher), "pmf") == alone
    assert said[0].endswith(f": nothing to try; outside of this search's space: {count} of pmf")


def test_an_architecture_that_the_earlier_run_lacks_starts_alone(start, first):
    spaces = {"pmf": SPACES["pmf"], "bias": "[bias]"}
    for name, asked in (("same", ASKED), ("other", OTHER)):
        _, said = start(name, source="first", spaces=spaces, asked=asked)
        assert "of pmf" in said[0]
        assert "bias" not in said[0]


def test_a_third_search_knows_the_trials_of_the_first_too(start, first):
    drain(start("second", source="first", trials=3)[0])
    _, said = start("third", source="second")
    assert "Optuna knows 13 of pmf" in said[0]  # 11 and 2 beside the reference
    assert in_journal("third", "pmf")[0] == "first/pmf-001"


def test_failed_trials_are_not_taken(start):
    searcher, _ = start("first", trials=2)
    for key in "abcd":
        searcher.suggest(key)
    for key in "abd":
        end(searcher, key, 1.0)
    searcher.on_trial_complete("c", tune_result(failed("FitFailed: the training loss is nan")))
    assert start("second", source="first")[1][0].endswith("Optuna knows 1 of classifier trials")


def test_the_earlier_runs_ledger_is_left_as_it_is_while_that_run_writes_to_it(start, first):
    path = Path("runs/first/trials.jsonl")
    with path.open("a") as file:
        file.write('{"trial": "half a li')
    content = path.read_bytes()
    start("second", source="first")
    assert path.read_bytes() == content
    assert len(list(read_entries(path))) == len(first.entries)


def test_a_run_from_before_sizes_were_recorded_gives_its_batches_as_they_are(start, first):
    record = json.loads(Path("runs/first/run.json").read_text())
    del record["size"]
    write_json(Path("runs/first/run.json"), record)
    searcher, _ = start("second", source="first", asked=OTHER)
    assert configs(drain(searcher), "pmf")[1:4] == [entry.config for entry in best(first.entries, "pmf")[:3]]


def test_a_search_cannot_start_from_itself(start, first):
    with pytest.raises(InputError, match="--from runs/first: a search cannot start from itself"):
        start("first", source="runs/first")


def test_a_run_that_is_no_search_is_refused(start):
    write_json(
        Path("runs/fit/run.json"), {"asked": {"verb": "train", "architecture": "pmf", "config": {}, "data": "a.csv"}}
    )
    with pytest.raises(
        InputError, match="--from fit: expected a run of `reeltune tune`; found one of `reeltune train`"
    ):
        start("second", source="fit")


def test_a_run_without_a_finished_trial_of_what_is_searched_is_refused(start, first):
    with pytest.raises(InputError, match="--from first: has no finished trial of bias"):
        start("second", source="first", spaces={"bias": "[bias]"})
    start("empty")
    with pytest.raises(InputError, match="--from empty: has no finished trial of pmf, classifier"):
        start("second", source="empty")


def test_a_name_and_its_path_are_the_same_run():
    assert {named("first"), named("runs/first"), named(str(Path("runs/first").absolute()))} == {"first"}
    assert named("../runs/first") == "../runs/first"
    assert named(None) is None


SEARCH = ["tune", "pmf", "classifier", "--data", "synthetic:ratings=2000"]
SEARCH += ["--trials", "3", "--concurrent", "1", "--no-ensemble", "--space", "space.toml", "--json"]


def tune(*words):
    done = inside.reeltune(*SEARCH, *words)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_searches_in_a_row_and_one_killed_and_resumed_with_the_earlier_run_gone(lean_ray):
    Path("space.toml").write_text("".join(SPACES.values()))
    tune("--name", "first", "--seed", "7", "--split-seed", "42")
    result, said = tune("--name", "same", "--from", "first")
    assert "from first (same data): 1 of pmf, 1 of classifier tried right after the reference; Optuna knows " in said
    assert sum(result["trials"].values()) == 6
    assert {entry.trial for entry in read_entries(Path("runs/same/trials.jsonl")) if entry.stage == "search"} == {
        f"{name}-{number:03}" for name in SPACES for number in range(3)
    }
    assert "first/pmf-001" in in_journal("same", "pmf")
    _, said = tune("--name", "other", "--from", "runs/first", "--split-seed", "5", "--trials", "2")
    assert "from first (another split): " in said
    command = [sys.executable, "-m", "reeltune", *SEARCH, "--name", "cut", "--from", "first"]
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=PIPE)
    until_lines(Path("runs/cut/trials.jsonl"), 3)
    first.terminate()
    first.communicate(timeout=60)
    shutil.move("runs/first", "gone")
    again, _ = tune("--name", "cut", "--from", "first", "--resume")
    assert again["architectures"] == result["architectures"]
    refused = inside.reeltune(*SEARCH, "--name", "cut", "--resume")
    assert refused.returncode == 2
    assert "--resume: from was 'first' in run cut and is None now" in refused.stderr


def until_lines(path, count):
    end = time.monotonic() + 120
    while not path.exists() or path.read_text().count("\n") < count:
        assert time.monotonic() < end, f"{path} never got {count} lines"
        time.sleep(0.02)
