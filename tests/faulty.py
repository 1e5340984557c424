"""Trials with a fault of their own, by which a real search in a real Ray is hurt."""

import ctypes
import os
import signal
import time

import torch

from reeltune.cluster.search.trial import Trial


def faulty(faults, of=Trial):
    """A class of trials, of which those named in `faults` have their fit spoilt before its first step."""

    class Faulty(of):
        def _start(self, train):
            fit = super()._start(train)
            faults.get(self.order.trial, lambda fit: None)(fit)
            return fit

    return Faulty


def dying_before(trial, mark):
    """A class of trials whose process dies when it is to go on with this one, the first time."""

    class Dying(Trial):
        def reset_config(self, new_config):
            if new_config.get("trial") == trial and not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return super().reset_config(new_config)

    return Dying


def saving(every, faults, of=Trial):
    """The same class of trials, with a state kept every so many seconds."""
    made = faulty(faults, of)
    made.save_every = every
    return made


def unable(error):
    """A class of trials whose processes cannot start."""

    class Unable(Trial):
        def setup(self, config, data, limits):
            raise error

    return Unable


def both(*faults):
    def spoil(fit):
        for fault in faults:
            fault(fit)

    return spoil


def dying_within(trial, mark, of):
    """A class of trials whose process dies after this one's first update, the first time."""

    class Dying(of):
        def step(self):
            said = super().step()
            if self.order.trial == trial and not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return said

    return Dying


def raising(error):
    return lambda fit: _in_forward(fit, lambda: _raise(error))


def unfinished(error):
    """Raises after the last step."""

    def spoil(fit):
        fit.model.finish = lambda *args, **options: _raise(error)

    return spoil


def sleeping(seconds):
    """Sleeps in each step."""
    return lambda fit: _in_forward(fit, lambda: time.sleep(seconds))


def hanging(begun):
    """Never comes back from a call of C, which holds the interpreter's lock; marks in a file that it was begun.

    It waits for a mutex that it holds itself: that costs no CPU, and no signal ends it.
    """

    def wait():
        with begun.open("a") as file:
            file.write("x")
        holding, mutex = ctypes.PyDLL(None), ctypes.create_string_buffer(64)  # of zeros: a mutex that is free
        for _ in range(2):
            holding.pthread_mutex_lock(mutex)

    return lambda fit: _in_forward(fit, wait)


def killed(fit):
    """Its process dies as by kill -9."""
    _in_forward(fit, lambda: os.kill(os.getpid(), signal.SIGKILL))


def killed_after(steps, begun):
    """Its process dies before the step of this number, the first time; marks in a file where each try began."""

    def spoil(fit):
        noting(begun)(fit)
        _in_forward(fit, lambda: os.kill(os.getpid(), signal.SIGKILL) if fit.step == steps and once() else None)

    def once():
        return len(begun.read_text().split()) == 1

    return spoil


def noting(begun):
    """Writes in a file at which step each try begins."""

    def spoil(fit):
        tried = []

        def note():
            if not tried:
                tried.append(fit.step)
                with begun.open("a") as file:
                    file.write(f"{fit.step}\n")

        _in_forward(fit, note)

    return spoil


def hungry(fit):
    """Takes 3 GiB, in steps that a memory monitor can follow."""

    def eat():
        held = []
        for _ in range(30):
            held.append(b"x" * (100 << 20))
            time.sleep(0.1)
        time.sleep(10)

    _in_forward(fit, eat)


def blind(fit):
    """Trains well, and predicts NaN for the validation rows."""
    fit.model.register_forward_hook(lambda model, args, output: output if model.training else output * torch.nan)


def lost(fit):
    """Its predictions, and so its loss, are NaN."""
    fit.model.register_forward_hook(lambda model, args, output: output * torch.nan)


def _in_forward(fit, act):
    fit.model.register_forward_pre_hook(lambda model, args: act())


def _raise(error):
    raise error
