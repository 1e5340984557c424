"""What a call leaves behind in the process of a program or a notebook."""

import json
import os
import platform
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import reeltune as rt

ROOT = Path(__file__).parents[3]
SESSION = """
import json, logging, os, signal, sys, threading, time
from pathlib import Path

import ray
import reeltune as rt

WORLD, ledger = "synthetic:users=40,items=30,ratings=600", Path("runs/one/trials.jsonl")
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
cell, nothing = rt.tune, rt.Run  # loads all there is: sklearn sets variables when it is imported


def state():
    loggers = {name: each.level for name, each in logging.Logger.manager.loggerDict.items() if hasattr(each, "level")}
    levels = {name: loggers[name] for name in ("ray", "ray.tune", "optuna", "reeltune") if name in loggers}
    return {"variables": dict(os.environ), "signals": [str(signal.getsignal(n)) for n in SIGNALS], "levels": levels}


def interrupt():
    while not (ledger.exists() and ledger.read_text()):
        time.sleep(0.02)
    os.kill(os.getpid(), signal.SIGINT)


def actors():
    from ray._private.state import actors

    return [each["ActorClassName"] for each in actors().values() if each["State"] != "DEAD"]


if sys.argv[1] == "theirs":
    ray.init(address="local", num_cpus=2, include_dashboard=False, logging_level="ERROR")
before = state()
threading.Thread(target=interrupt).start()
try:
    cell(WORLD, ["pmf"], trials=30, concurrent=1, name="one")
    caught = False
except KeyboardInterrupt as error:
    caught = type(error) is KeyboardInterrupt
kept, up = len(ledger.read_text().splitlines()), ray.is_initialized()
end = time.monotonic() + 30
while (left := actors() if up else []) and time.monotonic() < end:
    time.sleep(0.2)
same = before == state()
run = cell(WORLD, ["pmf"], trials=30, concurrent=1, name="one", resume=True, ensemble=True)
still = ray.is_initialized()
same_again = before == state()
rt.shutdown()
print(json.dumps([caught, kept, up, left, same, len(run.trials), still, same_again, ray.is_initialized()]))
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("whose", ["ours", "theirs"])
def test_an_interrupt_keeps_everything_and_the_next_call_goes_on(tmp_path, whose):
    variables = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    variables |= {"PYTHONPATH": str(ROOT), "REELTUNE_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", SESSION, whose], cwd=tmp_path, env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    caught, kept, up, left, same, trials, still, same_again, last = json.loads(done.stdout.splitlines()[-1])
    assert caught
    assert "interrupted; everything so far is kept in runs/one; go on with the same call, name='one'" in done.stderr
    assert 0 < kept < 30 < trials
    assert (up, last) == (whose == "theirs", whose == "theirs")
    assert left == []
    assert still
    assert same
    assert same_again


def test_torchs_random_numbers_go_on_as_if_nothing_had_been_fitted():
    draw = np.random.default_rng(1)
    pairs = pd.DataFrame(
        [(f"u{user}", f"i{item}") for user in range(20) for item in range(20)], columns=["user", "item"]
    )
    every = pairs.assign(rating=draw.integers(1, 6, len(pairs))).sample(frac=1, random_state=1)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    model = rt.train(every[:300], "pmf", epochs=1, name="one")
    rt.lr_find(every, "pmf")
    rt.update(model.place, every[300:], "next", with_=every[:300])
    assert torch.equal(torch.rand(3), expected)


FREED = """
import resource, torch
import reeltune as rt


def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.ones(16 << 20).add_(1)  # 64 MiB, freed at once
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


before = faults()
rt.train("synthetic:users=40,items=30,ratings=600", "pmf", epochs=1, name="one")
faults()  # until the gaps between what else is there are large enough
print(faults() / before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="this C library is not glibc")
def test_memory_that_a_program_frees_after_a_fit_goes_back_to_the_system_as_before(tmp_path):
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "REELTUNE_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", FREED], cwd=tmp_path, env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.splitlines()[-1]) > 0.5


def test_a_call_outside_the_main_thread_is_refused():
    caught = []

    def cell():
        with pytest.raises(rt.InputError) as error:
            rt.tune("synthetic:users=40,items=30,ratings=600", ["bias"], trials=1)
        caught.append(str(error.value))

    thread = threading.Thread(target=cell)
    thread.start()
    thread.join()
    assert "runs in the main thread alone" in caught[0]


LOST = """
import socket, threading, time
from pathlib import Path

import reeltune as rt
from reeltune.cluster.session import session, watchdog

head, ledger = socket.create_server(("127.0.0.1", 0)), Path("runs/one/trials.jsonl")
lost, placement_groups = threading.Event(), session.placement_groups


def groups():
    assert not lost.is_set(), "a question to a head that is gone waits for ever"
    return placement_groups()


session.placement_groups = groups
address = head.getsockname()
watchdog._addresses = lambda: [address]
watchdog.EVERY = watchdog.LOST_AFTER = watchdog.LEAVE = 0.5


def lose():
    while not (ledger.exists() and ledger.read_text()):
        time.sleep(0.02)
    lost.set()
    head.close()


if {second}:
    rt.tune("synthetic:users=40,items=30,ratings=600", ["bias"], trials=1, name="first")
threading.Thread(target=lose, daemon=True).start()
try:
    rt.tune("synthetic:users=40,items=30,ratings=600", ["pmf"], trials=300, name="one")
except ConnectionError as error:
    print(error)
for thread in threading.enumerate():
    if thread.name == "lifeline":
        thread.join()
print("goes on")
"""


@pytest.mark.slow
@pytest.mark.parametrize("second", [False, True], ids=["in its first call", "in a later one"])
def test_a_program_goes_on_after_its_cluster_is_lost(tmp_path, second):
    variables = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    variables |= {"PYTHONPATH": str(ROOT), "REELTUNE_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", LOST.format(second=second)],
        cwd=tmp_path,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    error, after = done.stdout.splitlines()
    assert error.startswith("Ray is gone: ")
    assert error.endswith("go on with the same call, name='one' and resume=True")
    assert after == "goes on"
