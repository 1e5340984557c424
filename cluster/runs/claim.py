"""Taking a run's folder: a new name, or an unfinished one that is taken up again, and one process at a time."""

import fcntl
import json
import os
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from reeltune.cluster.session import machine
from reeltune.cluster.runs.mirror import mirrored
from reeltune.cluster.runs.folder import RUNS, RunFolder, write_json
from reeltune.cluster.runs.storage import Store
from reeltune.trainables.errors import InputError


@contextmanager
def claim(
    folder: RunFolder,
    asked: dict[str, Any],
    *,
    resume: bool,
    growing: str | None = None,
    unsaid: Callable[[dict[str, Any]], dict[str, Any]] = lambda record: {},
    size: dict[str, float] | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Iterator[None]:
    """Hold a run's folder and its home while a command works in it, with what was asked for in `run.json`.

    `growing` names a setting that a finished run takes more of; `unsaid` gives the settings that a record of an earlier
    version meant and did not name; `size` is that of the data, for searches to come that begin with this run's
    configurations. Raises InputError where the name is taken,
    another process holds it, or `resume` finds that something else was asked for.
    """
    if folder.path.exists() and not folder.record.exists() and set(os.listdir(folder.path)) - {folder.lock.name}:
        raise InputError(f"--name {folder.name}: {folder.path} is there and is no run; choose another --name")
    if folder.home is not None and not resume:
        _check_home(folder, asked)
    with _locked(folder) as lock, mirrored(folder, dead=lock.read(), resume=resume, say=say) as holder:
        lock.truncate(0)
        lock.write(holder)
        lock.flush()
        earlier = folder.read_record()
        if earlier is not None:
            earlier = {**earlier, "asked": {**unsaid(earlier), **earlier["asked"]}}
            _check(folder, earlier, asked, resume=resume, growing=growing)
        started = (earlier or {}).get("started", time.strftime("%Y-%m-%dT%H:%M:%S%z"))
        home = None if folder.home is None else folder.home.where
        record = {**_now(), "asked": asked, "size": size, "storage": home, "started": started, "finished": None}
        write_json(folder.record, record)
        try:
            yield
        except InputError:
            if earlier is None and not folder.ledger.exists():  # nothing has begun: the name stays free
                shutil.rmtree(folder.path)
            raise
        write_json(folder.record, {**record, "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z")})


@contextmanager
def _locked(folder: RunFolder) -> Iterator[TextIO]:
    """A lock of this machine's on a folder. The file says who held the folder's home last."""
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
        lock = folder.lock.open("a+")
    except OSError as error:
        raise InputError(f"--name {folder.name}: {folder.path} cannot be written: {error}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"--name {folder.name}: another process is working on this run") from None
        lock.seek(0)
        yield lock


def _check_home(folder: RunFolder, asked: dict[str, Any]) -> None:
    """Refuse a new run where its home has one of this name."""
    content = folder.store.read(folder.record.name)
    if content is not None:
        _check(folder, json.loads(content), asked, resume=False, growing=None)


def _now() -> dict[str, Any]:
    """What is run, of which version, and where."""
    return {
        "command": shlex.join(["reeltune", *sys.argv[1:]]),
        "versions": machine.versions(),
        "commit": machine.commit(),
        "machine": machine.description(),
    }


def _check(
    folder: RunFolder, earlier: dict[str, Any], asked: dict[str, Any], *, resume: bool, growing: str | None
) -> None:
    name, finished = folder.name, earlier["finished"] is not None
    if not resume:
        way_out = "choose another --name" if finished else "add --resume to go on with it, or choose another --name"
        raise InputError(f"--name {name}: there is {'a' if finished else 'an unfinished'} run of this name; {way_out}")
    if folder.home is None and earlier.get("storage"):
        start, sign, query = earlier["storage"].partition("?")
        raise InputError(
            f"--resume: run {name} is kept in {start}{sign}{query}; "
            f"add --storage '{start.rpartition('/')[0]}{sign}{query}'"
        )
    was = earlier["asked"]
    for key in asked:
        if key != growing and asked[key] != was.get(key):
            raise InputError(
                f"--resume: {key} was {was.get(key)!r} in run {name} and is {asked[key]!r} now; "
                "a run goes on with what it was started with"
            )
    if growing is not None and asked[growing] < was[growing]:
        raise InputError(
            f"--resume: --{growing} was {was[growing]} in run {name}; it can grow, not shrink to {asked[growing]}"
        )
    if finished and (growing is None or asked[growing] == was[growing]):
        more = f"; it takes more --{growing} than {was[growing]}" if growing else ""
        raise InputError(f"--resume: run {name} is finished{more}")
