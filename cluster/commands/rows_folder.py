"""The temporary folder of `train --stream`'s rows, which may be many gigabytes.

A command that is killed cannot remove its own. So each holds a lock in it, which the system lets go when the process
ends, and the next command removes those that nobody holds.
"""

import fcntl
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX, LOCK = "reeltune-rows-", ".lock"


@contextmanager
def rows_folder(say: Callable[[str], None]) -> Iterator[Path]:
    """A new, empty folder, removed at the end. Those that killed commands have left are removed first, and named."""
    left = [folder for folder in sorted(Path(tempfile.gettempdir()).glob(f"{PREFIX}*")) if _is_left(folder)]
    for folder in left:
        shutil.rmtree(folder, ignore_errors=True)
    if left:
        say(f"removed the rows that killed commands have left: {', '.join(map(str, left))}")
    with tempfile.TemporaryDirectory(prefix=PREFIX) as made, _held(Path(made)):
        rows = Path(made, "rows")
        rows.mkdir()
        yield rows


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Hold the folder's lock. It gets its name once it is held, so that nobody finds it in between."""
    unnamed = folder / "lock"
    with unnamed.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        unnamed.rename(folder / LOCK)
        yield


def _is_left(folder: Path) -> bool:
    """Whether a process has held the folder's lock, and none does any more."""
    try:
        with (folder / LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # it is held, not there yet, or somebody else's
        return False
    return True
