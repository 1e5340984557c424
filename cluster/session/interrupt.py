"""Ctrl-C and SIGTERM end a command cleanly: what is written stays, and a line says how to go on."""

import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Interrupted(KeyboardInterrupt):
    """SIGINT or SIGTERM has asked the command to end. A KeyboardInterrupt: Ray lets through no other while it waits."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


class _Receiver:
    """The signal handler. It keeps the signal's number, as Ray may replace our exception by a KeyboardInterrupt."""

    number: int | None = None
    held = False  # no signal may interrupt what is done now
    waiting: int | None = None  # one that came meanwhile

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.held:
            self.waiting = number
            return
        # Ignore further signals: a second Ctrl-C must not cut short the clean-up that the first one began.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self.number = number
        raise Interrupted(number)


def interrupt() -> bool:
    """Called in another thread: raise Interrupted in the main one. False if that is not within `interruptible`."""
    main = threading.main_thread().ident
    if main is None or not isinstance(signal.getsignal(signal.SIGTERM), _Receiver):
        return False
    signal.pthread_kill(main, signal.SIGTERM)
    return True


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn SIGINT and SIGTERM into Interrupted. Use it again after Ray has started: Ray replaces the handlers."""
    receive = _Receiver()
    earlier = {number: signal.signal(number, receive) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except Interrupted:
        raise  # leave the signals ignored: the process is about to exit
    except KeyboardInterrupt:
        if receive.number is not None:
            raise Interrupted(receive.number) from None
        _restore(earlier)
        raise
    except BaseException:
        _restore(earlier)
        raise
    _restore(earlier)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Within `interruptible`, keep a signal back until the body has ended: a file that it writes is written whole."""
    receiver = signal.getsignal(signal.SIGINT)
    if not isinstance(receiver, _Receiver) or receiver.held or threading.current_thread() != threading.main_thread():
        yield
        return
    receiver.held = True
    try:
        yield
    finally:
        receiver.held = False
        if receiver.waiting is not None:
            signal.raise_signal(receiver.waiting)


@contextmanager
def unbroken() -> Iterator[Callable[[], bool]]:
    """No signal ends the body, which gets a function that says whether one has come, so that it hurries.

    Such a signal ends nothing after the body either; a later one does.
    """
    came: list[int] = []
    if threading.current_thread() != threading.main_thread():
        yield lambda: False
        return

    def receive(number: int, frame: FrameType | None) -> None:
        came.append(number)

    earlier = {number: signal.signal(number, receive) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(came)
    finally:
        _restore(earlier)


def _restore(handlers: dict[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)


def how_to_go_on(name: str, command: str | None = None) -> str:
    """The command line that resumes this run; `command` began it, or else the one of this process."""
    words = shlex.split(command) if command else ["reeltune", *sys.argv[1:]]
    if "--name" not in words:
        words += ["--name", name]
    if "--resume" not in words:
        words.append("--resume")
    return shlex.join(words)
