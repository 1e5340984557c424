"""Claims a run's folder for one process at a time: a new name, or with `--resume` an earlier one."""

import fcntl
import logging
import os
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn, TextIO

from reeltune.cluster.runs.folder import FOLD, RUNS, RunFolder, read_entries, write_json
from reeltune.cluster.runs.mirror import mirrored
from reeltune.cluster.runs.record import SCHEMA, Asked, AskedToTune, RunRecord, SizeRecord
from reeltune.cluster.session import machine
from reeltune.trainables.errors import InputError

log = logging.getLogger(__name__)


@contextmanager
def claim(
    folder: RunFolder,
    asked: Asked,
    *,
    resume: bool,
    growing: str | None = None,
    size: SizeRecord | None = None,
    command: str | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Iterator[None]:
    """Hold a run's folder and its home while a command works in it, and write `run.json`.

    `growing` names the setting that a resume may raise, even of a finished run; a search that --time cut short goes on
    as it is. `size` is the size of the data, for later searches that start from this run; `command` the command line
    that asks for the same, unless this process was started with it. Raises InputError if the name is taken, if another
    process holds it, or if `resume` finds that the run was asked for something else.
    """
    _check_folder(folder)
    if folder.home is not None and not resume:
        _check_home(folder, asked)
    with _locked(folder) as lock, mirrored(folder, dead=lock.read(), resume=resume, say=say) as holder:
        lock.truncate(0)
        lock.write(holder)
        lock.flush()
        earlier = folder.read_record()
        if earlier is not None:
            _check(folder, earlier, asked, resume=resume, growing=growing)
        elif resume and not (isinstance(asked, AskedToTune) and asked.within):  # a fold's run begins in its turn
            say(f"there is no run {folder.name} to go on with, in {folder.place}: it begins")
        log.info("claimed %s, %s", folder.place, "which goes on" if earlier else "a new run")
        record = _record(folder, asked, size, command=command, started=(earlier and earlier.started) or _now())
        write_json(folder.record, record.as_json())
        try:
            yield
        except InputError:
            if earlier is None and not _has_begun(folder):  # free the name
                shutil.rmtree(folder.path)
            raise
        written = folder.read_record() or record
        write_json(folder.record, written.model_copy(update={"finished": _now()}).as_json())


def _has_begun(folder: RunFolder) -> bool:
    return folder.ledger.exists() or any(folder.path.glob(f"{FOLD}*/{folder.ledger.name}"))


def ran_on(folder: RunFolder, machine: dict[str, str | int | float | None]) -> None:
    """Put the machines that a claimed run works on into `run.json`, in place of the one that its command started on."""
    record = folder.read_record()
    assert record is not None, "it is claimed"
    write_json(folder.record, record.model_copy(update={"machine": machine}).as_json())


def check_free(folder: RunFolder, *, resume: bool) -> None:
    """Check the name of a new run before its data, which may take minutes, is read. Changes nothing.

    Raises InputError if the name is taken on this machine, or its folder cannot be written or is in another's hands.
    """
    if resume:
        return
    _check_folder(folder)
    _check_writable(folder)
    earlier = folder.read_record()
    if earlier is not None:
        _refuse_taken(folder, earlier)


def check_claim(folder: RunFolder, asked: Asked, *, resume: bool, growing: str | None = None) -> None:
    """Check a claim, and write nothing. Raises InputError as `claim` does."""
    _check_folder(folder)
    _check_writable(folder)
    if folder.home is not None and not resume:
        _check_home(folder, asked)
    earlier = folder.read_record()
    if earlier is not None:
        _check(folder, earlier, asked, resume=resume, growing=growing)


def _check_folder(folder: RunFolder) -> None:
    """Refuse a folder of other files."""
    if folder.path.exists() and not folder.record.exists() and set(os.listdir(folder.path)) - {folder.lock.name}:
        raise InputError(f"--name {folder.name}: {folder.path} is there and is no run; choose another --name")


def _check_writable(folder: RunFolder) -> None:
    """Refuse a folder that cannot be made or written, or that another process holds. Changes nothing."""
    there = next(path for path in (folder.path.absolute(), *folder.path.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise InputError(f"{_option(folder)}: {folder.path} cannot be written: {there} is no folder to write in")
    if folder.lock.exists():
        with _locked(folder):
            pass


def _option(folder: RunFolder) -> str:
    """The option that says where the folder is."""
    inside = folder.path.parent
    if folder.whole is not None or inside == RUNS:
        return f"--name {folder.whole or folder.name}"
    return f"--storage {inside}"


@contextmanager
def _locked(folder: RunFolder) -> Iterator[TextIO]:
    """Lock a folder on this machine. The file's text is the owner of the last lease of the folder's home.

    Raises InputError if another process holds the lock, or the folder cannot be written.
    """
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
        lock = folder.lock.open("a+")
    except OSError as error:
        raise InputError(f"{_option(folder)}: {folder.path} cannot be written: {error.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"--name {folder.name}: another process is working on this run") from None
        lock.seek(0)
        yield lock


def _check_home(folder: RunFolder, asked: Asked) -> None:
    """Raise InputError if a new run's home already has a run of this name."""
    content = folder.store.read(folder.record.name)
    if content is not None:
        earlier = RunRecord.parsed(content, folder.place_of(folder.record.name))
        _check(folder, earlier, asked, resume=False, growing=None)


def _cut_short(folder: RunFolder, asked: Asked) -> bool:
    """Whether a search ended with fewer trials than were asked for, as --time makes it."""
    if not isinstance(asked, AskedToTune):
        return False
    ended = sum(entry.stage == "search" for entry in read_entries(folder.ledger))
    return ended < asked.trials * len(asked.architectures)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")


def _record(
    folder: RunFolder, asked: Asked, size: SizeRecord | None, *, command: str | None, started: str
) -> RunRecord:
    """The content of `run.json` for this command, version and machine."""
    return RunRecord(
        schema_number=SCHEMA,
        command=command or shlex.join(["reeltune", *sys.argv[1:]]),
        versions=machine.versions(),
        commit=machine.commit(),
        machine=machine.description(),
        asked=asked,
        size=size,
        storage=None if folder.home is None else folder.home.where,
        started=started,
    )


def _check(folder: RunFolder, earlier: RunRecord, asked: Asked, *, resume: bool, growing: str | None) -> None:
    """Raise InputError if the name is taken, or if a resume asks for something else than the run was started with."""
    if not resume:
        _refuse_taken(folder, earlier)
    name, finished = folder.name, earlier.finished is not None
    if folder.home is None and earlier.storage:
        start, sign, query = earlier.storage.partition("?")
        raise InputError(
            f"--resume: run {name} is kept in {start}{sign}{query}; "
            f"add --storage '{start.rpartition('/')[0]}{sign}{query}'"
        )
    _check_sources(folder, earlier.asked, asked)
    was, now = earlier.asked.as_json(), asked.as_json()
    sharded = now.get("shard") is not None  # then a fit is the same on any number of workers
    for key in sorted(now, key=lambda key: key == "test_hash"):  # last: it differs because something else does
        unsaid = key == "bf16" and was.get(key) is None  # by an earlier version
        if key != growing and now[key] != was.get(key) and not unsaid and not (key == "workers_per_trial" and sharded):
            raise InputError(
                f"--resume: {key} was {was.get(key)!r} in run {name} and is {now[key]!r} now; "
                "a run goes on with what it was started with"
            )
    if growing is not None and now[growing] < was[growing]:
        raise InputError(
            f"--resume: --{growing} was {was[growing]} in run {name}; it can grow, not shrink to {now[growing]}"
        )
    if finished and (growing is None or now[growing] == was[growing]) and not _cut_short(folder, earlier.asked):
        more = f"; it takes more --{growing} than {was[growing]}" if growing else ""
        raise InputError(f"--resume: run {name} is finished{more}")


def _refuse_taken(folder: RunFolder, earlier: RunRecord) -> NoReturn:
    finished = earlier.finished is not None
    way_out = "choose another --name" if finished else "add --resume to go on with it, or choose another --name"
    raise InputError(
        f"--name {folder.name}: there is {'a' if finished else 'an unfinished'} run of this name; {way_out}"
    )


def _check_sources(folder: RunFolder, earlier: Asked, asked: Asked) -> None:
    """Raise InputError if the source of an own architecture has changed."""
    for name, was in earlier.sources.items():
        if asked.sources.get(name, was) != was:
            raise InputError(
                f"--resume: the source of {name} has changed since run {folder.name} was started; a run goes on with "
                f"what it was started with: a copy is in {folder.source(name)}"
            )
