"""Ray's worker processes, where we have started Ray, import before they look for garbage."""

import gc

import ray

from reeltune.cluster.session.garbage import RARELY


def test_a_new_worker_process_looks_for_garbage_rarely(resources):
    @ray.remote(num_cpus=0, max_calls=1)
    def threshold():
        return gc.get_threshold()[0]

    assert ray.get(threshold.remote()) == RARELY
