"""A guarded process that is killed, interrupted within a long call, interrupted between two steps, or none of them."""

import signal
import subprocess
import sys
import time

import pytest

SCRIPT = """
import hashlib, sys, time
from reeltune.cluster.session import guard
from reeltune.cluster.session.interrupt import Interrupted, interruptible

guard.LEAVE = 0.5
try:
    with interruptible(), guard.guarded("reeltune train pmf --resume"{more}):
        print("begun", flush=True)
        {work}
except Interrupted as interrupted:
    print("in order", file=sys.stderr)
    sys.exit(interrupted.exit_code)
"""
LONG_CALL = "hashlib.pbkdf2_hmac('sha256', b'', b'', 2**31 - 1)"  # heeds no signal for an hour
STEPS = "while True: time.sleep(0.01)"
GO_ON = "go on with: reeltune train pmf --resume"


def ended(work, number=None, more=""):
    """The exit code and the errors of a guarded process that does this work and gets this signal in it."""
    command = [sys.executable, "-c", SCRIPT.format(work=work, more=more)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "begun\n"
    if number is not None:
        time.sleep(0.1)  # for the work to begin
        process.send_signal(number)
    _, errors = process.communicate(timeout=60)  # until nobody can write there any more
    return process.returncode, errors


def test_one_line_says_that_it_was_killed_and_how_to_go_on():
    code, errors = ended(STEPS, signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert errors == f"error: the process was killed, for lack of memory perhaps; {GO_ON}\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_within_a_long_call_too(number):
    code, errors = ended(LONG_CALL, number)
    assert code == 128 + number
    assert (
        errors == "interrupted within a long step; go on from the last checkpoint with: reeltune train pmf --resume\n"
    )


def test_a_signal_between_two_steps_lets_it_end_in_order():
    assert ended(STEPS, signal.SIGTERM) == (143, "in order\n")


def test_somebodys_program_ends_after_the_step_by_an_exception():
    step = "hashlib.pbkdf2_hmac('sha256', b'', b'', 6_000_000)"  # some seconds, more than guard.LEAVE
    code, errors = ended(step, signal.SIGINT, more=", may_exit=False")
    assert code == 130
    assert errors == "interrupted within a long step; this ends after it\nin order\n"


def test_without_a_signal_nothing_is_said():
    assert ended("pass") == (0, "")
