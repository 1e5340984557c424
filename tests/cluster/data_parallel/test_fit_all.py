import os
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest
import ray
import torch

from reeltune.cluster.data_parallel.fit_all import fit_all
from reeltune.cluster.data_parallel.in_process import fit_here
from reeltune.cluster.data_parallel.orders import FitOrder, Fitted, GroupData, Lost, keep
from reeltune.cluster.runs.storage import Store
from reeltune.cluster.session.resources import Node, Resources
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.errors import InputError
from reeltune.trainables.fitting.fit import Fit
from reeltune.trainables.fitting.loop import run


@pytest.fixture(scope="module")
def data(small):
    _, parts, shape = small
    return GroupData(train=parts.train, validation=parts.validation, shape=shape, decoder="argmax")


def order(key, name="pmf", seed=1, rows="training", shard=None, **changes):
    config = ARCHITECTURES[name].Config(**{"batch_size": 32, **changes}).model_dump()
    return FitOrder(key=key, architecture=name, config=config, seed=seed, rows=rows, shard=shard)


def alone(orders, data, folder):
    """The same fits in this process: on one worker nothing of them may be another bit."""
    return fit_here(orders, data, store=Store(str(folder)))


def same(one, other):
    return all(torch.equal(one.weights[name], other.weights[name]) for name in one.weights)


def workers_alive():
    """The process ids of the training workers."""
    children = psutil.Process().children(recursive=True)  # and no other Ray's on this machine
    return [p.pid for p in children if "RayTrainWorker" in p.name()]


def worker_of(group):
    """The same once there are so many, and they train."""
    while len(found := workers_alive()) < group:
        time.sleep(0.05)
    return found


ALIKE = [order("pmf"), order("odd batches", batch_size=33), order("nn", "embedding_nn", dropout=0.0)]
LONG = order("long", epochs=30, dropout=0.0)


@pytest.fixture(scope="module")
def by_two(resources, data, tmp_path_factory):
    """What ALIKE and LONG come to on two workers, undisturbed."""
    store = Store(str(tmp_path_factory.mktemp("two")))
    return fit_all([*ALIKE, LONG], data, workers=2, resources=resources, store=store)


@pytest.mark.slow
def test_two_workers_fit_what_one_fits(by_two, data, tmp_path):
    one = alone(ALIKE, data, tmp_path / "one")
    for key in ("pmf", "odd batches", "nn"):
        assert by_two[key].metrics["mean_mse"] == pytest.approx(one[key].metrics["mean_mse"], abs=0.005)
        assert by_two[key].train_loss == pytest.approx(one[key].train_loss, abs=0.005)


class Told:
    """A tracker that keeps what it is told of each fit."""

    def __init__(self):
        self.fits, self.epochs, self.ends = {}, {}, {}

    def began(self, fit):
        self.fits[fit.name], self.epochs[fit.name] = fit, []

    def update(self, name, points):
        self.epochs[name] += [point.epoch for point in points]

    def ended(self, name, end):
        self.ends[name] = end.state


@pytest.fixture(scope="module")
def told():
    return Told()


@pytest.fixture(scope="module")
def several(resources, data, told, tmp_path_factory):
    """Fits in two lanes, of which one cannot go on; and lines of progress, with the workers there."""
    folder, lines = tmp_path_factory.mktemp("group"), []
    wild = order("wild", "classifier", learning_rate=10.0, weight_decay=100.0, epochs=30)
    classes = order("classes", "svdpp_classifier", epochs=2, dropout=0.2)
    orders = [order("a", epochs=2), wild, order("b", epochs=2), order("more", rows="fitting", epochs=2), classes]
    came = fit_all(
        orders,
        data,
        workers=1,
        resources=resources,
        store=Store(str(folder / "t")),
        at_once=2,
        progress=lambda line: lines.append((line, len(workers_alive()))),
        trackers=[told],
    )
    return came, lines


def test_a_fit_that_cannot_go_on_is_lost_alone(several):
    came, _ = several
    assert isinstance(came["wild"], Lost)
    assert "loss is" in came["wild"].reason
    assert isinstance(came["a"], Fitted)
    assert same(came["a"], came["b"])


def test_a_fit_on_validation_rows_too_is_that_of_one_process_and_is_not_validated(several, data):
    more = several[0]["more"]
    assert more.metrics is None
    assert several[0]["a"].metrics["mean_mse"] > 0
    rows = data.train.joined(data.validation)
    config = ARCHITECTURES["pmf"].Config.model_validate(order("more", epochs=2).config)
    fit = Fit(ARCHITECTURES["pmf"], config, data.shape, rows, seed=1)
    list(run(fit))
    assert all(torch.equal(more.weights[name], tensor) for name, tensor in fit.model.state_dict().items())


@pytest.mark.parametrize("key", ["a", "classes"])
def test_a_fit_in_this_process_is_that_of_a_lane_bit_for_bit(several, data, told, tmp_path, key):
    one = {"a": order("a", epochs=2), "classes": order("classes", "svdpp_classifier", epochs=2, dropout=0.2)}[key]
    tracker, store = Told(), Store(str(tmp_path / "fits"))
    ours, lanes = fit_here([one], data, store=store, trackers=[tracker])[key], several[0][key]
    assert same(ours, lanes)
    assert ours.priors.keys() == lanes.priors.keys()
    assert all(torch.equal(ours.priors[name], lanes.priors[name]) for name in ours.priors)
    apart = {"seconds": lanes.seconds, "weights": lanes.weights, "priors": lanes.priors}
    assert ours.model_copy(update=apart) == lanes
    name = one.tracked.name
    assert (tracker.fits[name], tracker.epochs[name], tracker.ends[name]) == (
        told.fits[name],
        told.epochs[name],
        told.ends[name],
    )


@pytest.mark.usefixtures("several")
def test_trackers_are_told_of_each_fit_its_epochs_and_its_end(told):
    done = dict.fromkeys(["refits/a", "refits/b", "refits/more", "refits/classes"], "done")
    assert told.ends == {**done, "refits/wild": "failed"}
    assert told.epochs["refits/a"] == told.epochs["refits/more"] == [1, 2]
    assert (told.fits["refits/more"].architecture, told.fits["refits/more"].stage) == ("pmf", "refit")


def test_progress_tells_each_epoch(several):
    _, lines = several
    of_one = [line.split(",")[0] for line, _ in lines if line.startswith("b")]
    assert of_one == ["b: epoch 1 of 2", "b: epoch 2 of 2"]


def test_two_fits_run_at_once_where_there_is_room(several):
    _, lines = several
    assert max(workers for _, workers in lines) == 2


def test_more_workers_than_the_cluster_has_is_refused_with_the_arithmetic(resources, data, tmp_path):
    with pytest.raises(InputError, match="64 workers need 64 CPUs and the cluster has"):
        fit_all([order("a")], data, workers=64, resources=resources, store=Store(str(tmp_path / "t")))


def test_bfloat16_without_a_gpu_is_refused(resources, data, tmp_path):
    if resources.gpus:
        pytest.skip("this machine has a GPU")
    with pytest.raises(InputError, match="--bf16 needs a GPU"):
        fit_all([order("a")], data, workers=1, resources=resources, store=Store(str(tmp_path / "t")), bfloat16=True)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_killed_on_the_way_changes_nothing(request, resources, data, tmp_path, workers):
    long = LONG if workers == 2 else order("long", epochs=200, dropout=0.1)
    orders = [order("before", epochs=1), long]
    whole = request.getfixturevalue("by_two") if workers == 2 else alone([long], data, tmp_path / "whole")
    killed = []

    def kill_once_saved():
        while not list(Path(tmp_path / "broken").glob("*.state0")):
            time.sleep(0.02)
        pid = worker_of(workers)[-1]
        os.kill(pid, signal.SIGKILL)
        killed.append(pid)

    killer = threading.Thread(target=kill_once_saved)
    killer.start()
    lines = []
    broken = fit_all(
        orders,
        data,
        workers=workers,
        resources=resources,
        store=Store(str(tmp_path / "broken")),
        save_every=0.3,
        progress=lines.append,
    )
    killer.join()
    assert killed
    assert sum(line.startswith("before") for line in lines) == 1, "a finished fit is not done again"
    assert broken["long"].metrics == pytest.approx(whole["long"].metrics, abs=1e-6)
    if workers == 1:
        assert same(broken["long"], whole["long"])


class Elsewhere:
    """Somebody else's actor, which takes a CPU as soon as there is one."""

    def here(self):
        return True


@pytest.mark.slow
def test_a_fit_whose_workers_have_no_room_any_more_goes_on_in_another_lane(resources, data, tmp_path, monkeypatch):
    monkeypatch.setattr("reeltune.cluster.data_parallel.lanes.AWAY", 3.0)
    orders = [order(key, epochs=60, dropout=0.1, seed=seed) for seed, key in enumerate(("one", "two"))]
    whole, taken = alone(orders, data, tmp_path / "whole"), []

    def lose_a_cpu():
        while len(list(Path(tmp_path / "cut").glob("*.state0"))) < 2:
            time.sleep(0.02)
        taken.append(ray.remote(num_cpus=1)(Elsewhere).remote())
        os.kill(workers_alive()[-1], signal.SIGKILL)
        taken.append(ray.get(taken[0].here.remote()))

    loser = threading.Thread(target=lose_a_cpu)
    loser.start()
    store = Store(str(tmp_path / "cut"))
    cut = fit_all(orders, data, workers=1, resources=resources, store=store, at_once=2, save_every=0.1)
    assert taken[1:] == [True], "the CPU was gone before the fits were done"
    loser.join()
    ray.kill(taken[0])
    assert all(same(cut[key], whole[key]) for key in ("one", "two"))


class Ended(RuntimeError):
    """The driver's end, as far as a test can come to it."""


@pytest.mark.slow
def test_what_was_done_is_not_done_again_and_what_was_running_goes_on_when_the_driver_has_ended(
    resources, data, tmp_path
):
    orders = [order("short", epochs=2), order("long", epochs=150, dropout=0.1)]
    store = Store(str(tmp_path / "fits"))
    options = {"workers": 1, "resources": resources, "save_every": 0.2}
    lines = []

    def end(line):
        lines.append(line)
        if len(list(tmp_path.glob("fits/*.state?"))) == 2:
            raise Ended

    with pytest.raises(Ended):
        fit_all(orders, data, store=store, progress=end, **options)
    reached = len([line for line in lines if line.startswith("long")])
    again = []
    came = fit_all(orders, data, store=store, progress=again.append, **options)
    assert not any(line.startswith("short") for line in again)
    assert len([line for line in again if line.startswith("long")]) < 150
    assert reached > 0
    undisturbed = alone(orders, data, tmp_path / "other")
    assert same(came["short"], undisturbed["short"])
    assert same(came["long"], undisturbed["long"])
    assert came["long"].seconds > 0


@pytest.mark.slow
def test_a_sharded_fit_goes_on_after_a_lost_worker_and_with_another_number_of_them(resources, data, tmp_path):
    """With two workers, of which one is killed; when the driver has ended too, with one."""
    one, store, lines = order("long", epochs=100, shard="users"), Store(str(tmp_path / "fits")), []
    killed = []

    def end(line):
        lines.append(line)
        if list(tmp_path.glob(f"fits/{one.name}.state?")):
            if not killed:
                killed.append(worker_of(2)[-1])
                os.kill(killed[0], signal.SIGKILL)
            elif len(lines) > 40:
                raise Ended

    with pytest.raises(Ended):
        fit_all([one], data, workers=2, resources=resources, store=store, progress=end, save_every=0.1)
    again = []
    came = fit_here([one], data, store=store, progress=again.append)["long"]
    assert killed
    assert 0 < len(again) < 100
    whole = alone([one], data, tmp_path / "other")["long"]
    assert came.metrics == pytest.approx(whole.metrics, abs=1e-5)
    for name, tensor in whole.weights.items():
        assert torch.allclose(came.weights[name], tensor, atol=5e-6), name


def test_a_list_of_fits_that_are_all_done_starts_no_workers_however_often_it_is_asked_for(data, tmp_path):
    done = Fitted(
        key="a",
        weights={"w": torch.ones(2)},
        seconds=1.0,
        epochs=2,
        train_loss=0.5,
        metrics={"mean_mse": 0.5, "median_mse": None},
        temperature=1.0,
    )
    store = Store(str(tmp_path / "fits"))
    keep(store, order("a"), done)
    resources = Resources(nodes=(Node(cpus=1),))  # of no Ray at all
    for _ in range(2):  # the caller of the first may have died before it could use what came
        came = fit_all([order("a")], data, workers=1, resources=resources, store=store)
        assert torch.equal(came["a"].weights["w"], done.weights["w"])
        assert came["a"].model_copy(update={"weights": done.weights}) == done
