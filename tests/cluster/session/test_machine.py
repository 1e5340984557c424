import os

from reeltune.cluster.session import container, machine


def test_usable_cpus_are_those_this_process_may_run_on():
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert machine.usable_cpus() == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert 1 <= machine.usable_cpus() <= len(allowed)


def test_a_containers_quota_bounds_them(monkeypatch):
    monkeypatch.setattr(container, "cpus", lambda: 1.5)
    assert machine.usable_cpus() == 1
    monkeypatch.setattr(container, "cpus", lambda: 0.5)
    assert machine.usable_cpus() == 1


def test_memory_is_a_plausible_number_of_bytes():
    assert 100 << 20 < machine.usable_memory() < 1 << 45


def test_a_containers_limit_bounds_it(monkeypatch):
    monkeypatch.setattr(container, "memory", lambda: 1 << 20)
    assert machine.usable_memory() == 1 << 20


def test_the_record_names_versions_and_machine():
    assert set(machine.versions()) == {"reeltune", "ray", "torch", "optuna", "pandas", "numpy", "scipy"}
    assert machine.description()["cpus"] == machine.usable_cpus()
    assert "\n" not in machine.description()["processor"]
