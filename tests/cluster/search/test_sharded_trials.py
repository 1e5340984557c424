"""Trials with sharded users are the same fits on any number of workers: real processes, without Ray."""

import dataclasses
import math

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing

from reeltune.cluster.runs import fit_states, out_of_fold
from reeltune.cluster.runs.storage import Store
from reeltune.cluster.search import trial_fit
from reeltune.cluster.search.messages import Order
from reeltune.cluster.search.trial_fit import TrialData, TrialFit
from tests.models import dropping
from tests.worlds import small_config, small_parts

# What ratings may differ by: rounding; of classes, the temperature too, which is the least of a flat curve.
EQUAL = {"pmf": 5e-6, "classifier": 1e-3}
NAMES = list(EQUAL)
CUT = 3  # updates, after which two workers are cut off


def data_in(folder):
    _, parts, shape = small_parts()
    return TrialData(
        train=parts.train,
        validation=parts.validation,
        split="random",
        shape=shape,
        decoder="argmax",
        store=Store(str(folder)),
        shard="users",
    )


def begun(name, folder, *, stage="confirm", fold=1, save_every=1e9):
    """A trial of this architecture, from its last state where there is one."""
    config = small_config(name, **dropping(name, 0)).model_dump()
    trial = TrialFit()
    trial.save_every = save_every
    order = Order(trial=f"{name}-001", architecture=name, number=1, stage=stage, config=config, seed=3, fold=fold)
    trial.assign(order, data_in(folder), "cpu")
    return trial


def ended(trial):
    update = trial.advance()
    while not update.done:
        update = trial.advance()
    return update, [(point.progress, point.value) for point in trial.points]


def work(rank, meeting, folder):
    """Each trial to its end; and once more, cut off with a state kept."""
    torch.set_num_threads(1)
    trial_fit.LONGEST_STEP = 0.0  # an update at each look at the clock
    fit_states.SAVING = math.inf  # and a state, however long that takes
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)
    for name in NAMES:
        update, points = ended(begun(name, folder / "whole"))
        torch.save((dataclasses.asdict(update), points), folder / f"{name}-{rank}.pt")
        cut = begun(name, folder / "cut", save_every=0.0)
        for _ in range(CUT):
            assert not cut.advance().done
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """The folder in which two workers have left what they found."""
    folder = tmp_path_factory.mktemp("workers")
    meeting = f"{folder}/meeting"
    multiprocessing.spawn(work, args=(meeting, folder), nprocs=2)
    return folder


def held_out(folder, name):
    return out_of_fold.read(Store(str(folder)), f"{name}-001")


@pytest.mark.parametrize("name", NAMES)
def test_two_workers_find_what_one_does_and_keep_the_same_ratings(two, name, tmp_path):
    update, points = ended(begun(name, tmp_path))
    first, second = (torch.load(two / f"{name}-{rank}.pt", weights_only=False) for rank in range(2))
    assert first[1] == second[1]
    assert first[0]["value"] == second[0]["value"] == pytest.approx(update.value, rel=1e-4)
    assert first[1] == [(progress, pytest.approx(value, rel=1e-4)) for progress, value in points]
    mean, alone = held_out(two / "whole", name)[0], held_out(tmp_path, name)[0]
    assert alone.std() > 0.05, "it has learnt something"
    assert np.abs(mean - alone).max() < EQUAL[name]


@pytest.mark.parametrize("name", NAMES)
def test_a_trial_of_two_workers_that_was_cut_off_goes_on_with_one(two, name, tmp_path):
    trial = begun(name, two / "cut")
    update, points = ended(trial)
    assert trial.kept, "it went on from a state"
    whole, of_whole = ended(begun(name, tmp_path))
    assert points == [(progress, pytest.approx(value, rel=1e-4)) for progress, value in of_whole]
    assert update.value == pytest.approx(whole.value, rel=1e-4)
    assert np.abs(held_out(two / "cut", name)[0] - held_out(tmp_path, name)[0]).max() < EQUAL[name]


def test_the_state_of_a_fit_that_is_not_sharded_is_not_taken(tmp_path, monkeypatch):
    monkeypatch.setattr(trial_fit, "LONGEST_STEP", 0.0)
    plain = begun("pmf", tmp_path, save_every=0.0)
    plain.data = dataclasses.replace(plain.data, shard=None)
    plain.advance()
    assert plain.kept
    sharded = begun("pmf", tmp_path)
    sharded.advance()
    assert not sharded.kept
