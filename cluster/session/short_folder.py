"""A short temporary folder for Ray where the usual one's path is too long for its sockets."""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from reeltune.cluster.session.ray_private import SOCKET, TMPDIRS
from reeltune.trainables.errors import InputError, RayNotStarted

USUAL = "/tmp"
LONGEST = (104 if sys.platform == "darwin" else 108) - 1  # bytes of a socket's path
PLACES = (USUAL, "/var/tmp", "/dev/shm")


@contextmanager
def short_folder(say: Callable[[str], None]) -> Iterator[None]:
    """Have a Ray that is started within put its sockets into a folder with a short path, removed at the end.

    Only where the usual one is too long, as job folders of Slurm are. It stays where Ray does not start: its logs say
    why. Raises InputError if there is no shorter one.
    """
    name, usual = _usual()
    if fits(usual):
        yield
        return
    folder = _made()
    say(
        f"{name} is too long for Ray's sockets ({len(os.fsencode(usual + SOCKET))} bytes, of {LONGEST} at most): "
        f"Ray's files are in {folder} until the end"
    )
    before = os.environ.get(TMPDIRS[0])
    os.environ[TMPDIRS[0]] = folder
    started = True
    try:
        yield
    except RayNotStarted:
        started = False
        raise
    finally:
        if started:
            shutil.rmtree(folder, ignore_errors=True)
        os.environ.pop(TMPDIRS[0], None)  # `as_before` may have restored it
        if before is not None:
            os.environ[TMPDIRS[0]] = before


def latest_logs() -> Path:
    """The folder of the logs of the Ray that this process has started last, or the one in which all Rays have theirs.

    Ray ends the folder's name with the process that starts it; its link `session_latest` may be that of another one.
    """
    _, usual = _usual()
    top = Path(usual, "ray")
    ours = max(top.glob(f"session_*_{os.getpid()}"), default=None)
    return top if ours is None else ours / "logs"


def _usual() -> tuple[str, str]:
    """The variable that says where a Ray that is started has its files, and the folder."""
    name = next((name for name in TMPDIRS if os.environ.get(name)), TMPDIRS[0])
    return name, os.environ.get(name) or USUAL


def fits(folder: str) -> bool:
    return len(os.fsencode(folder + SOCKET)) <= LONGEST


def _made() -> str:
    for place in PLACES:
        if Path(place).is_dir() and os.access(place, os.W_OK | os.X_OK):
            return tempfile.mkdtemp(prefix="reeltune-", dir=place)
    raise InputError(
        f"{TMPDIRS[0]}: Ray needs a folder with a short path, and none of {', '.join(PLACES)} can be written"
    )
