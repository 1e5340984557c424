import signal
import threading
import time

import pytest
import ray

from reeltune.cluster.session.interrupt import (
    Interrupted,
    how_to_go_on,
    interrupt,
    interruptible,
    unbroken,
    uninterrupted,
)


@pytest.mark.parametrize("wait", [ray.get, lambda task: ray.wait([task])], ids=["get", "wait"])
def test_a_signal_ends_a_call_of_rays_that_waits_for_something(resources, signals, wait):
    task = ray.remote(num_cpus=0)(lambda: time.sleep(600)).remote()
    threading.Timer(0.5, interrupt).start()
    with pytest.raises(Interrupted) as caught, interruptible():
        wait(task)
    assert caught.value.exit_code == 143
    ray.cancel(task, force=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_until_what_is_written_is_whole(signals, number):
    done = []

    def write():
        with uninterrupted():
            with uninterrupted():
                signal.raise_signal(number)
                done.append("inner")
            done.append("outer")
        done.append("too late")

    with pytest.raises(Interrupted) as caught, interruptible():
        write()
    assert done == ["inner", "outer"]
    assert caught.value.exit_code == 128 + number


def test_without_a_signal_nothing_is_kept_back(signals):
    with interruptible(), uninterrupted():
        pass
    with uninterrupted():  # nor is anything changed where nobody has asked to be interrupted
        assert signal.getsignal(signal.SIGINT) is not None


def test_a_keyboard_interrupt_that_no_signal_sent_stays_one():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt) as caught, interruptible():
        raise KeyboardInterrupt
    assert not isinstance(caught.value, Interrupted)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_program_goes_on_by_the_command_that_does_the_same():
    assert how_to_go_on("one", "reeltune tune pmf --name one") == "reeltune tune pmf --name one --resume"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_hurries_what_it_may_not_break_and_the_next_one_ends_the_rest(signals, number):
    done = []

    def write():
        with unbroken() as hurry:
            done.append(hurry())
            signal.raise_signal(number)
            done.append(hurry())
        done.append("the rest")
        signal.raise_signal(number)
        done.append("too late")

    with pytest.raises(Interrupted), interruptible():
        write()
    assert done == [False, True, "the rest"]
