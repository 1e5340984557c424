"""`rt.tune` with what only Python can give."""

import shlex

import pytest
from optuna.samplers import NSGAIISampler, RandomSampler

import reeltune as rt
from reeltune.cluster.api.command import tune_command
from reeltune.cluster.api.options import data_options, train_options, tune_options
from reeltune.cluster.commands.ask import ask
from reeltune.cluster.runs.folder import Ledger
from reeltune.search_spaces import text_of

WORLD = "synthetic:users=40,items=30,ratings=600"


def test_the_kept_command_names_a_sampler_and_trackers_as_they_were_given():
    options = tune_options(
        data_options(WORLD), ["pmf"], sampler=RandomSampler(seed=1), tracker=["mlflow", "wandb=films"]
    )
    words = shlex.split(tune_command(options))
    assert words[words.index("--sampler") + 1] == "RandomSampler(seed=1)"
    assert [words[place + 1] for place, word in enumerate(words) if word == "--tracker"] == ["mlflow", "wandb=films"]
    assert train_options("pmf", data_options(WORLD), tracker="mlflow").trackers == options.trackers[:1]


def test_a_sampler_that_a_search_cannot_ask_is_refused_before_anything_runs():
    with pytest.raises(rt.InputError, match="it is for several objectives, and a search has one"):
        rt.tune(WORLD, ["pmf"], sampler=NSGAIISampler(seed=1))


@pytest.mark.parametrize(
    ("sample", "fitted", "said"),
    [
        (1000, 1000, "search trials fit on a sample of "),
        ("all", None, ""),
        (None, None, ""),
        (5000, None, "--sample 5000: search trials fit on all 1,600 ratings, which are no more than that"),
    ],
)
def test_a_plan_says_what_search_trials_fit_on(sample, fitted, said):
    plan = ask(tune_options(data_options("synthetic:ratings=2000"), ["pmf"], sample=sample))
    assert plan.asked.sample == fitted
    assert (plan.sample is not None) == (fitted is not None)
    assert [note for note in plan.notes if "search trials fit" in note and note.startswith(said)] or not said


def test_a_large_search_samples_unless_it_is_told_not_to(monkeypatch):
    monkeypatch.setattr("reeltune.cluster.commands.ask.MANY", 1500)
    monkeypatch.setattr("reeltune.cluster.commands.ask.SAMPLE", 1000)
    data = data_options("synthetic:ratings=2000")
    plan = ask(tune_options(data, ["pmf"]))
    assert plan.asked.sample == 1000
    assert "(as always above 1,500 ratings; --sample all: on all)" in plan.notes[0]
    assert ask(tune_options(data, ["pmf"], sample="all")).sample is None


def test_a_sample_that_trials_cannot_be_compared_on_is_refused():
    options = tune_options(data_options("synthetic:ratings=20000", validation=0.001), ["pmf"], sample=1000)
    with pytest.raises(
        rt.InputError, match=r"--sample 1000: its \d+ users have \d validation rows, and trials are comp"
    ):
        ask(options)


def test_a_search_on_a_sample_confirms_and_refits_on_all_rows(lean_ray):
    run = rt.tune("synthetic:ratings=2000", ["bias"], trials=2, ensemble=False, name="sampled", sample=1000)
    record, entries = run.folder.read_record(), Ledger(run.folder.ledger).entries
    assert record.asked.sample == 1000
    assert "--sample 1000" in record.command
    assert {entry.stage: entry.on_sample is not None for entry in entries} == {"search": True, "confirm": False}
    assert "fitted on users with about 1,000 ratings" in (run.folder.path / "report.html").read_text()
    with pytest.raises(rt.InputError, match="sample was 1000 in run sampled and is None now"):
        rt.tune("synthetic:ratings=2000", ["bias"], trials=2, ensemble=False, name="sampled", resume=True, sample="all")
    again = tune_options(
        data_options("synthetic:ratings=2000", split_seed=42), ["bias"], trials=2, name="sampled", resume=True
    )
    assert ask(again).asked.sample == 1000, "a resumed run keeps its sample"


@pytest.mark.slow
def test_a_search_goes_on_with_the_same_sampler_alone(lean_ray, capsys):
    def tune(trials, sampler, **more):
        return rt.tune(WORLD, ["pmf"], trials=trials, ensemble=False, name="one", sampler=sampler, **more)

    first = tune(2, RandomSampler(seed=1))
    assert first.folder.read_record().asked.sampler == "RandomSampler(seed=1)"
    for other in ("tpe", RandomSampler(seed=2)):
        with pytest.raises(rt.InputError) as caught:
            tune(4, other, resume=True)
        assert f"sampler was 'RandomSampler(seed=1)' in run one and is '{text_of(other)}' now" in str(caught.value)
    done = tune(4, RandomSampler(seed=1), resume=True)
    assert "--sampler RandomSampler(seed=1): it keeps its place in no file" in capsys.readouterr().err
    drawn = done.trials.query("stage == 'search'")["params_learning_rate"]
    assert drawn.nunique() == 4
