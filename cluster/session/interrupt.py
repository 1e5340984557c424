"""Ctrl-C and SIGTERM end a command cleanly: what is written stays, and a line says how to go on."""

import shlex
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Interrupted(KeyboardInterrupt):
    """The command was asked to end. Of the one kind that a call of Ray's which waits for something lets through."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


class _Receiver:
    """What is called at a signal. Ray raises a KeyboardInterrupt of its own for ours: the number is kept here."""

    number: int | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        # Once: a second Ctrl-C must not cut off the tidying up that the first one began.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self.number = number
        raise Interrupted(number)


def interrupt() -> bool:
    """From another thread: have the main one raise Interrupted. False where it would not do so now."""
    main = threading.main_thread().ident
    if main is None or not isinstance(signal.getsignal(signal.SIGTERM), _Receiver):
        return False
    signal.pthread_kill(main, signal.SIGTERM)
    return True


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn SIGINT and SIGTERM into Interrupted within. Ray sets handlers of its own when it starts: once more then."""
    receive = _Receiver()
    earlier = {number: signal.signal(number, receive) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except Interrupted:
        raise  # and the signals stay ignored: the process is on its way out
    except KeyboardInterrupt:
        if receive.number is not None:
            raise Interrupted(receive.number) from None
        _restore(earlier)
        raise
    except BaseException:
        _restore(earlier)
        raise
    _restore(earlier)


def _restore(handlers: dict[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)


def how_to_go_on(name: str) -> str:
    """The same command, to be taken up again."""
    words = ["reeltune", *sys.argv[1:]]
    if "--name" not in words:
        words += ["--name", name]
    if "--resume" not in words:
        words.append("--resume")
    return shlex.join(words)
