"""Taking a run's folder: a new name, or an unfinished one that is taken up again, and one process at a time."""

import fcntl
import os
import shlex
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cluster import machine
from cluster.run_folder import RUNS, RunFolder, write_json
from trainables import InputError


def new_name() -> str:
    return time.strftime("%Y%m%d-%H%M%S")


def folder_of(name: str) -> RunFolder:
    """The folder of a run's name. Raises InputError where the name would lead out of the runs' folder."""
    if not name or name in (".", "..") or Path(name).name != name:
        raise InputError(f"--name {name!r}: expected a plain name without slashes")
    return RunFolder(RUNS / name)


def find_run(run: str) -> RunFolder:
    """A run that exists, by its name below `runs/` or its path."""
    for path in (RUNS / run, Path(run)):
        if (path / "run.json").is_file():
            return RunFolder(path)
    known = sorted(p.parent.name for p in RUNS.glob("*/run.json"))
    listed = f"; there are {', '.join(known[-5:])}" if known else ""
    raise InputError(f"{run}: no run of this name or path{listed}")


@contextmanager
def claim(
    folder: RunFolder,
    asked: dict[str, Any],
    *,
    resume: bool,
    growing: str | None = None,
    size: dict[str, float] | None = None,
) -> Iterator[None]:
    """Hold a run's folder while a command works in it, with what was asked for in `run.json`.

    `growing` names a setting that a finished run takes more of; `size` is that of the data, for searches to come
    that begin with this run's configurations. Raises InputError where the name is taken,
    another process holds it, or `resume` finds that something else was asked for.
    """
    if folder.path.exists() and not folder.record.exists() and set(os.listdir(folder.path)) - {".lock"}:
        raise InputError(f"--name {folder.name}: {folder.path} is there and is no run; choose another --name")
    folder.path.mkdir(parents=True, exist_ok=True)
    with (folder.path / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"--name {folder.name}: another process is working on this run") from None
        earlier = folder.read_record()
        if earlier is not None:
            _check(folder, earlier, asked, resume=resume, growing=growing)
        started = (earlier or {}).get("started", time.strftime("%Y-%m-%dT%H:%M:%S%z"))
        record = {**_now(), "asked": asked, "size": size, "started": started, "finished": None}
        write_json(folder.record, record)
        try:
            yield
        except InputError:
            if earlier is None and not folder.ledger.exists():  # nothing has begun: the name stays free
                shutil.rmtree(folder.path)
            raise
        write_json(folder.record, {**record, "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z")})


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
