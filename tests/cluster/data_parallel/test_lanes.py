"""A real lane of two workers, hurt in each way that there is; afterwards nothing of it is left."""

import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from uuid import uuid4

import psutil
import pytest
import ray
from ray import cloudpickle

from reeltune.cluster.data_parallel.lanes import Keeper, lanes
from reeltune.cluster.data_parallel.mailbox import DIED, TOO_LONG, Failure, packed, unpacked
from reeltune.cluster.runs.storage import Store
from reeltune.cluster.session.interrupt import Interrupted, interrupt, interruptible
from reeltune.trainables.errors import FitFailed
from tests import scripted
from tests.heads import until
from tests.leftovers import eventually_gone, pids

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_search_for_garbage")]


@pytest.fixture(scope="module", autouse=True)
def by_value():
    """No worker can import a module of tests."""
    cloudpickle.register_pickle_by_value(scripted)
    yield
    cloudpickle.unregister_pickle_by_value(scripted)


@pytest.fixture(scope="module")
def another_ray():
    """A second Ray on this machine: what asks for the Ray of this machine may find that one."""
    code = "import ray, time; ray.init(address='local', num_cpus=1, include_dashboard=False); print('up', flush=True)"
    process = subprocess.Popen([sys.executable, "-c", f"{code}; time.sleep(10000)"], stdout=subprocess.PIPE, text=True)
    assert "up" in process.stdout.readline()
    yield
    children = psutil.Process(process.pid).children(recursive=True)
    for each in [psutil.Process(process.pid), *children]:
        each.kill()
    process.wait()
    process.stdout.close()


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store(str(tmp_path_factory.mktemp("states")))


@pytest.fixture(scope="module")
def lane(another_ray, resources, store):
    with lanes(1, partial(scripted.Scripted, store=store), workers=2, resources=resources) as (lane,):
        yield lane
    eventually_gone()


def ask(lane, name, *, limit=None, **order):
    said = ray.get(lane.ask.remote(name, packed({"name": name, "words": 3, **order}), limit), timeout=240)
    return said if isinstance(said, Failure) else unpacked(said)


def all_words(lane, name, **order):
    return scripted.told(lambda: ask(lane, name, **order))


def serves(lane):
    return [word.said for word in all_words(lane, uuid4().hex)] == [1, 2, 3]


class Asker:
    """Who may claim a lane."""

    def me(self):
        return ray.get_runtime_context().current_actor


def test_workers_that_cannot_start_are_told(resources):
    with (
        pytest.raises(FitFailed, match=r"its workers do not start: .*No module named 'nowhere'"),
        lanes(1, scripted.Lost(), workers=1, resources=resources),
    ):
        pass
    eventually_gone()


def test_lanes_serve_as_they_come_up_and_one_for_which_there_is_no_room_is_nobodys(resources, store):
    assert resources.cpus == 2
    begin = partial(scripted.Scripted, store=store)
    with lanes(2, begin, workers=2, resources=resources) as both:
        _, pending = ray.wait([lane.ready.remote() for lane in both])
        assert len(pending) == 1, "the first one's workers have all CPUs"
        me = ray.remote(num_cpus=0)(Asker).remote()
        claimed = [lane for lane in both if ray.get(lane.claim.remote(ray.get(me.me.remote())))]
        assert len(claimed) == 1
        assert serves(claimed[0])
        ray.kill(me)
    eventually_gone()


@pytest.mark.parametrize("at_work", [False, True], ids=["while the workers start", "while they work"])
def test_an_interrupt_leaves_no_thread_that_would_call_a_ray_that_is_gone(resources, store, signals, tmp_path, at_work):
    begin, mark = partial(scripted.Scripted, store=store), tmp_path / "works"
    order = {"name": "interrupted", "words": 3, "pause": 600.0, "at": 1, "act": "note", "mark": str(mark)}

    def send():
        until(mark.exists) if at_work else time.sleep(0.5)
        interrupt()

    threading.Thread(target=send).start()
    with pytest.raises(Interrupted), interruptible(), lanes(1, begin, workers=1, resources=resources) as (lane,):
        ray.get(lane.ask.remote("interrupted", packed(order)))
    assert not [thread for thread in threading.enumerate() if isinstance(thread, Keeper)]
    eventually_gone()


def test_fits_are_served_one_after_another_and_one_that_is_left_costs_nothing(lane):
    assert serves(lane)
    assert ask(lane, "left").said == 1
    assert serves(lane)


def test_a_fit_that_raises_everywhere_fails_and_the_group_stays(lane):
    before = set(pids("RayTrainWorker"))
    assert ask(lane, "raises", at=1, act="stop") == Failure(kind="ValueError", message="as told")
    assert serves(lane)
    assert set(pids("RayTrainWorker")) == before


@pytest.mark.parametrize("late", [False, True])
def test_a_fit_that_raises_on_one_worker_alone_fails_with_that_reason_and_the_group_is_made_anew(lane, late):
    before = set(pids("RayTrainWorker"))
    said = ask(lane, f"raises on one {late}", at=1, rank=1, act="stop", late=late)
    assert said == Failure(kind="ValueError", message="as told")
    assert serves(lane)
    assert not before & set(pids("RayTrainWorker"))


def test_a_worker_killed_within_a_word_leaves_a_fit_that_goes_on_from_its_last_state(lane, tmp_path):
    large = 3 << 20  # numbers: 12 MiB
    order = {"at": 3, "rank": 1, "act": "die once", "mark": str(tmp_path / "died"), "words": 4, "numbers": large}
    words = all_words(lane, "goes on", **order)
    assert (tmp_path / "died").exists()
    assert [word.said for word in words] == [1, 2, 3, 4]
    assert words[-1].sum == 4 * large


def test_a_fit_that_kills_its_workers_each_time_is_given_up(lane):
    failure = ask(lane, "kills", at=1, rank=1, act="die")
    assert failure.kind == DIED
    assert failure.message == "its workers died 3 times: one was killed, for memory perhaps, or crashed"
    assert serves(lane)


def test_a_fit_that_hangs_on_one_worker_is_ended_at_the_limit(lane):
    assert ask(lane, "hangs", limit=3.0, at=1, rank=1, act="hang").kind == TOO_LONG
    assert serves(lane)


@pytest.mark.parametrize("victim", ["Lane", "TrainController"])
def test_a_lane_comes_back_when_its_mailbox_or_ray_trains_controller_is_killed(lane, victim):
    def kill():
        time.sleep(1.0)
        (pid,) = pids(victim)
        os.kill(pid, signal.SIGKILL)

    assert ask(lane, victim, words=4, pause=3.0).said == 1
    killer = threading.Thread(target=kill)
    killer.start()
    said = ask(lane, victim, words=4, pause=3.0)  # in the middle of this word
    killer.join()
    assert said.said in (2, 3), "the word may be lost, not the fit"
    assert serves(lane)
    groups = [group["state"] for group in ray.util.placement_group_table().values()]
    assert groups.count("CREATED") == 1


def test_a_lane_is_for_one_actor_until_that_dies_or_lets_it_go(lane):
    asker = ray.remote(num_cpus=0)(Asker)
    one, other = asker.remote(), asker.remote()
    first, second = ray.get([one.me.remote(), other.me.remote()])
    assert ray.get(lane.claim.remote(first))
    assert ray.get(lane.claim.remote(first))
    assert not ray.get(lane.claim.remote(second))
    ray.kill(one)
    assert ray.get(lane.claim.remote(second))
    ray.get(lane.release.remote(second))
    third = asker.remote()
    assert ray.get(lane.claim.remote(ray.get(third.me.remote())))
    ray.get(lane.release.remote(ray.get(third.me.remote())))
    for actor in (other, third):
        ray.kill(actor)
