import signal

import pytest

from cluster.interrupt import Interrupted, interruptible


def test_a_signal_during_a_call_of_rays_is_an_interruption_all_the_same():
    def wait():
        with interruptible():
            try:
                signal.raise_signal(signal.SIGTERM)
            except Interrupted as interrupted:
                raise SystemError("returned a result with an exception set") from interrupted

    with pytest.raises(Interrupted) as caught:
        wait()
    assert caught.value.exit_code == 143
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_another_error_of_the_interpreter_stays_one():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemError), interruptible():
        raise SystemError("something else")
    assert signal.getsignal(signal.SIGTERM) is before
