"""What the C library does with freed memory, seen by the page faults and the size of a process of its own."""

import os
import platform
import subprocess
import sys

import pytest

from reeltune.trainables.fitting.allocator import ARENAS, keep_memory_in_threads

GLIBC = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="this C library is not glibc")
PROGRAM = """
import resource, sys, torch
from reeltune.trainables.fitting.allocator import keep_memory, memory_as_before
if sys.argv[1] == "kept":
    keep_memory()
if sys.argv[1] == "kept for a while":
    with memory_as_before():
        keep_memory()
        torch.ones(16 << 20)
def faults(count):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(count):
        torch.ones(16 << 20).add_(1)  # 64 MiB, freed at once
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults(20)  # until the gaps between what else is there are large enough
print(faults(10))
"""

FREED = """
import psutil, torch
from reeltune.trainables.fitting.allocator import give_back, keep_memory
keep_memory()
torch.ones(256 << 20)  # 1 GiB
def size():
    return psutil.Process().memory_info().rss >> 20
print(size())
give_back()
print(size())
"""


KEPT_FOR_A_WHILE = """
import psutil, torch
from reeltune.trainables.fitting.allocator import keep_memory, memory_as_before
def size():
    return psutil.Process().memory_info().rss >> 20
with memory_as_before():
    keep_memory()
    torch.ones(256 << 20)  # 1 GiB
    print(size())
print(size())
"""


IN_A_THREAD = """
import threading
thread = threading.Thread(target=exec, args=(sys.argv[2], {}))
thread.start()
thread.join()
"""


def faults(how):
    done = subprocess.run([sys.executable, "-c", PROGRAM, how], stdout=subprocess.PIPE, text=True, check=True)
    return int(done.stdout)


def faults_in_a_thread():
    program = f"import sys{IN_A_THREAD}"
    command = [sys.executable, "-c", program, "kept", PROGRAM]
    return int(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


@GLIBC
def test_in_a_thread_it_is_kept_where_the_process_was_started_so(monkeypatch):
    monkeypatch.delenv(ARENAS, raising=False)
    given_back = faults_in_a_thread()
    keep_memory_in_threads()
    assert faults_in_a_thread() < given_back / 10


def test_how_many_arenas_the_user_wants_is_left_alone(monkeypatch):
    monkeypatch.setenv(ARENAS, "2")
    keep_memory_in_threads()
    assert os.environ[ARENAS] == "2"


@GLIBC
def test_memory_that_was_freed_is_taken_again_without_clearing_its_pages():
    assert faults("kept") < faults("as it is") / 2


@GLIBC
def test_memory_that_is_kept_for_a_while_is_not_kept_afterwards():
    assert faults("kept") < faults("kept for a while") / 2


@GLIBC
@pytest.mark.parametrize("program", [FREED, KEPT_FOR_A_WHILE], ids=["on demand", "at the end"])
def test_memory_that_is_free_can_be_given_back_nevertheless(program):
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert after < before - 900
