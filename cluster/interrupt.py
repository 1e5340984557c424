"""Ctrl-C and SIGTERM end a command cleanly: what is written stays, and a line says how to go on."""

import shlex
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Interrupted(BaseException):
    """The command was asked to end. A BaseException, so that no handler of errors takes it for one."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


def _raise(number: int, frame: FrameType | None) -> None:
    # Once: a second Ctrl-C must not cut off the tidying up that the first one began.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Interrupted(number)


def interrupt() -> bool:
    """From another thread: have the main one raise Interrupted. False where it would not do so now."""
    main = threading.main_thread().ident
    if main is None or signal.getsignal(signal.SIGTERM) is not _raise:
        return False
    signal.pthread_kill(main, signal.SIGTERM)
    return True


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn SIGINT and SIGTERM into Interrupted within. Ray sets handlers of its own when it starts: once more then."""
    earlier = {number: signal.signal(number, _raise) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except Interrupted:
        raise  # and the signals stay ignored: the process is on its way out
    except SystemError as error:
        # A signal during `ray.wait`: what our handler raises there comes out as the cause of Ray's own error.
        if isinstance(error.__cause__, Interrupted):
            raise error.__cause__ from None
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
