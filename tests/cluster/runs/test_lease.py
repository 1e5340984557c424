import threading
import time

import pytest

from reeltune.cluster.runs import lease
from reeltune.cluster.runs.lease import Lease
from reeltune.cluster.runs.storage import Store
from reeltune.trainables.errors import InputError, StorageFailed


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setattr(lease, "STALE", 3.0)
    monkeypatch.setattr(lease, "SETTLE", 1.0)
    return Store(str(tmp_path))


def take(store, said=None, dead=""):
    taken = Lease(store)
    taken.take(dead=dead, say=(said if said is not None else []).append)
    return taken


def test_one_that_was_given_back_is_free_at_once(store):
    first, said = take(store), []
    first.release()
    assert store.names() == []
    take(store, said).renew()
    assert said == []


def test_one_that_is_renewed_is_refused_and_who_has_it_is_said(store):
    first, ended, said = take(store), threading.Event(), []

    def renew():
        while not ended.wait(0.5):
            first.renew()

    (renewing := threading.Thread(target=renew)).start()
    try:
        with pytest.raises(InputError, match=r"--storage .* \(process \d+\) is working on this run"):
            take(store, said)
    finally:
        ended.set()
        renewing.join()
    assert "waiting up to 3 s to see whether it still is" in said[0]
    first.renew()


def test_one_that_is_renewed_no_more_is_taken_over_and_its_holder_finds_out(store):
    first = take(store)
    second = take(store)
    with pytest.raises(StorageFailed, match="works on this run now"):
        first.renew()
    first.release()
    second.renew()


def test_one_of_a_process_that_is_known_to_be_dead_is_taken_without_waiting(store):
    first, said = take(store), []
    take(store, said, dead=first.owner).renew()
    assert said == []


def test_of_two_that_take_it_at_once_one_is_refused(store):
    came = []

    def race():
        try:
            came.append(taken := take(store))
            while len(came) < 2:  # one that is not renewed may be taken over
                taken.renew()
                time.sleep(0.2)
        except (InputError, StorageFailed) as error:
            came.append(error)

    threads = [threading.Thread(target=race) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(isinstance(each, Lease) for each in came) == 1
