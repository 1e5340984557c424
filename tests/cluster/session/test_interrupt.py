import signal
import threading
import time

import pytest
import ray

from reeltune.cluster.session.interrupt import Interrupted, how_to_go_on, interrupt, interruptible


@pytest.mark.parametrize("wait", [ray.get, lambda task: ray.wait([task])], ids=["get", "wait"])
def test_a_signal_ends_a_call_of_rays_that_waits_for_something(resources, signals, wait):
    task = ray.remote(num_cpus=0)(lambda: time.sleep(600)).remote()
    threading.Timer(0.5, interrupt).start()
    with pytest.raises(Interrupted) as caught, interruptible():
        wait(task)
    assert caught.value.exit_code == 143
    ray.cancel(task, force=True)


def test_a_keyboard_interrupt_that_no_signal_sent_stays_one():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt) as caught, interruptible():
        raise KeyboardInterrupt
    assert not isinstance(caught.value, Interrupted)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_program_goes_on_by_the_command_that_does_the_same():
    assert how_to_go_on("one", "reeltune tune pmf --name one") == "reeltune tune pmf --name one --resume"
