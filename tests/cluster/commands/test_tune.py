"""`tune`: what a search and its refits are given of what was asked for."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from reeltune.cluster.api.command import tune_command
from reeltune.cluster.api.options import data_options, tune_options
from reeltune.cluster.commands import finish, tune
from reeltune.cluster.commands.ask import ask
from reeltune.cluster.data_parallel import in_process
from reeltune.cluster.judging.refits import refits_of
from reeltune.cluster.search.choice import SEEDS
from reeltune.cluster.search.faults import LATE
from reeltune.trainables.errors import InputError
from tests import inside

WORLD = "synthetic:users=40,items=30,ratings=600"


def asked(*, bfloat16, **more):
    return tune_options(data_options(WORLD), ["pmf"], bfloat16=bfloat16, **more)


@pytest.fixture
def gpu(monkeypatch):
    """This machine has one, as far as `ask` can tell."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)


@pytest.mark.parametrize("bfloat16", [False, True])
def test_trials_and_refits_have_the_precision_that_was_asked_for(gpu, monkeypatch, bfloat16):
    given = {}
    monkeypatch.setattr(tune, "refit", lambda orders, prepared, **options: given.update(options))
    plan = ask(asked(bfloat16=bfloat16))
    assert tune._seen_by_trials(plan).bfloat16 == bfloat16
    left = SimpleNamespace(work=SimpleNamespace(lanes=1), start=0.0, ending=0.0)
    tune._refit(plan, [], left, None, (), SimpleNamespace(refitting=lambda counting: counting))
    assert given["bfloat16"] == bfloat16
    assert plan.asked.bf16 == bfloat16
    assert ("--bf16" in tune_command(plan.options).split()) == bfloat16


def test_the_refits_that_take_longest_come_first(monkeypatch):
    given = []
    monkeypatch.setattr(tune, "refit", lambda orders, prepared, **options: given.extend(orders))
    plan = ask(asked(bfloat16=False))
    wanted = {"baseline": ("pmf", {"epochs": 5}), "svdpp": ("svdpp", {}), "pmf": ("pmf", {"epochs": 12})}
    seconds = {5: 1.0, 12: 2.0}
    left = SimpleNamespace(
        work=SimpleNamespace(lanes=2),
        start=0.0,
        ending=0.0,
        of_refit=lambda name, config: 9.0 if name == "svdpp" else seconds[config["epochs"]],
    )
    watch = SimpleNamespace(refitting=lambda counting: counting)
    tune._refit(plan, [*refits_of(wanted, seed=1).values()], left, None, (), watch)
    assert [order.key.split(",")[0] for order in given] == ["svdpp"] * SEEDS + ["pmf"] * SEEDS + ["baseline"] * SEEDS
    assert [order.seed for order in given] == [1, 2, 3] * 3


def test_bfloat16_is_refused_before_anything_runs_where_there_is_no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="--bf16 needs a GPU, and this machine has none; leave it out"):
        ask(asked(bfloat16=True))
    assert ask(asked(bfloat16=True, address="auto")).asked.bf16, "a cluster may have one"


def test_bfloat16_is_refused_for_trials_on_cpus():
    with pytest.raises(InputError, match="--bf16 with --gpus-per-trial 0: trials would be on CPUs"):
        asked(bfloat16=True, gpus_per_trial=0)


@pytest.mark.usefixtures("lean_ray")
def test_a_search_that_ends_while_it_judges_goes_on_with_the_refits_that_it_has(monkeypatch):
    words = ("tune", "bias", "--data", WORLD, "--trials", "1", "--baseline", "best-simple", "--name", "one")
    fits, fit = [], in_process._fit

    def counted(order, *rest):
        fits.append(order.key)
        return fit(order, *rest)

    def cut(*_, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(in_process, "_fit", counted)
    with monkeypatch.context() as patch:
        patch.setattr(finish, "write_bundles", cut)
        assert inside.reeltune(*words).returncode == 130
    assert len(fits) == SEEDS
    resumed = inside.reeltune(*words, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert len(fits) == SEEDS
    assert not Path("runs/one/fits").exists()


@pytest.mark.usefixtures("lean_ray")
def test_refits_that_an_earlier_process_did_are_counted_and_not_waited_for(monkeypatch):
    words = ("tune", "bias", "--data", WORLD, "--trials", "1", "--baseline", "best-simple", "--name", "one")
    fit = in_process._fit

    def first_alone(order, *rest):
        if not order.key.endswith("seed 42"):
            raise KeyboardInterrupt
        return fit(order, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(in_process, "_fit", first_alone)
        assert inside.reeltune(*words).returncode == 130
    resumed = inside.reeltune(*words, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert re.findall(r"\[refit (.+)\] (.+) done", resumed.stderr) == [("2/3", "bias-seed-43"), ("3/3", "bias-seed-44")]


@pytest.mark.usefixtures("lean_ray")
@pytest.mark.parametrize(("words", "of_each"), [((), None), (("--trial-timeout", "20"), 20.0)])
def test_by_the_time_of_a_search_its_confirmations_have_a_limit_and_no_other_trial(monkeypatch, words, of_each):
    plans = []

    def cut(plan, *_, **options):
        plans.append(plan)
        raise KeyboardInterrupt

    monkeypatch.setattr(tune, "search", cut)
    inside.reeltune("tune", "bias", "--data", WORLD, "--time", "90", *words)
    assert [(plan.limit, plan.limit_of_confirmations) for plan in plans] == [(of_each, 90.0 + LATE)]


@pytest.mark.usefixtures("lean_ray")
@pytest.mark.parametrize("metric", ["mae", "rps"])
def test_an_architecture_with_a_prediction_that_is_no_number_is_left_out_and_the_others_are_judged(monkeypatch, metric):
    fit = in_process._fit

    def broken(order, *rest):
        came = fit(order, *rest)
        if order.architecture != "pmf":
            return came
        weights = {name: each * torch.nan for name, each in came.weights.items() if each.is_floating_point()}
        return came.model_copy(update={"weights": {**came.weights, **weights}})

    monkeypatch.setattr(in_process, "_fit", broken)
    words = ("tune", "pmf", "bias", "--data", WORLD, "--trials", "1", "--baseline", "best-simple", "--name", "one")
    done = inside.reeltune(*words, "--metric", metric, "--json")
    assert done.returncode == 3, done.stderr  # one without a verdict
    assert "pmf: it is not judged: a prediction for a test row is no finite number\n" in done.stderr
    found = json.loads(done.stdout)
    assert found["architectures"]["pmf"]["test"] is None
    assert found["architectures"]["bias"]["test"][metric] > 0
    assert found["winner"] in ("bias", "ensemble")
    assert "pmf" not in found["simple"]["compared"]
    assert not Path("runs/one/models/pmf").exists()


def test_where_the_look_at_the_end_cannot_be_written_down_nothing_runs():
    Path("cache").write_text("a file, where the cache's folder is to be")
    with pytest.raises(InputError, match="set REELTUNE_CACHE to a folder that can be written"):
        ask(asked(bfloat16=False))
