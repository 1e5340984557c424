"""A fit in this process: Ctrl-C and SIGTERM end it even within a long call, and one line says so if it is killed."""

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

LEAVE = 10.0  # seconds to end in order after a signal
ENDING = (signal.SIGINT, signal.SIGTERM)
# What the small process runs: it reads a byte, or the end of the pipe if this process is gone.
WITNESS = "import os, sys; os.read(0, 1) or print(sys.argv[1], file=sys.stderr)"


@contextmanager
def guarded(how_to_go_on: str, *, may_exit: bool = True) -> Iterator[None]:
    """Guard the main thread's work within. `how_to_go_on` is the command that resumes it.

    Python calls a signal's handler between two steps of its own: if a call into torch takes longer than LEAVE seconds,
    the process ends without it, if it may: somebody's program never does. Nor can a process that is killed, for lack of
    memory perhaps, say anything: a small one beside it does.
    """
    killed = f"error: the process was killed, for lack of memory perhaps; go on with: {how_to_go_on}"
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with witnessed(killed) as witness:
        earlier = signal.set_wakeup_fd(
            writer, warn_on_full_buffer=False
        )  # gets each signal's number at once, whatever the main thread does
        guard = threading.Thread(target=_wait, args=(reader, witness, how_to_go_on, may_exit), daemon=True)
        guard.start()
        try:
            yield
        finally:
            signal.set_wakeup_fd(earlier)
            os.close(writer)
            guard.join()
            os.close(reader)


@contextmanager
def witnessed(line: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that writes this line to standard error if this one ends within. No signal of a terminal reaches it."""
    command = [sys.executable, "-ISc", WITNESS, line]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        yield process
    finally:
        _dismiss(process)


def _dismiss(witness: subprocess.Popen[bytes]) -> None:
    with suppress(BrokenPipeError):  # somebody has ended it
        witness.communicate(b".")


def _wait(signals: int, witness: subprocess.Popen[bytes], how_to_go_on: str, may_exit: bool) -> None:
    """Runs in a thread: wait for a signal that ends the work, and then LEAVE seconds for its end."""
    number = _first(signals)
    if number is None or _closed(signals, LEAVE):
        return
    if not may_exit:
        print("interrupted within a long step; this ends after it", file=sys.stderr)
        return
    _dismiss(witness)
    print(f"interrupted within a long step; go on from the last checkpoint with: {how_to_go_on}", file=sys.stderr)
    os._exit(128 + number)


def _first(signals: int) -> int | None:
    """The first signal that ends the work; None if the work ends without one."""
    while content := os.read(signals, 1):
        if content[0] in ENDING:
            return content[0]
    return None


def _closed(signals: int, seconds: float) -> bool:
    """Whether the pipe is closed within this time."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if select.select([signals], [], [], left)[0] and not os.read(signals, 1):
            return True
    return False
