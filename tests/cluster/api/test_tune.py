"""`rt.tune` with what only Python can give."""

import shlex

import pytest
from optuna.samplers import NSGAIISampler, RandomSampler

import reeltune as rt
from reeltune.cluster.api.command import tune_command
from reeltune.cluster.api.options import data_options, train_options, tune_options
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


@pytest.mark.slow
def test_a_search_goes_on_with_the_same_sampler_alone(ray_stays, capsys):
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
