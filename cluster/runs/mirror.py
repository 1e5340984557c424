"""Fetches a run's folder from the object store that is its home, and mirrors it there while a command works.

Object stores cannot append, so the driver writes the ledger and event files to this machine's disk. Workers write to
the store directly.
"""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from reeltune.cluster.runs.folder import FOLD, RunFolder
from reeltune.cluster.runs.lease import Lease
from reeltune.cluster.runs.record import RunRecord
from reeltune.cluster.runs.storage import Stamp, Store, replace
from reeltune.cluster.session.interrupt import interrupt
from reeltune.trainables.errors import InputError, StorageFailed

HERE = ("tune",)  # only on this disk: nothing is resumed from it
THERE = ("held_out", "states", "fits")  # only in the store: workers write them, on whichever node they are
EVERY = 10.0  # seconds between two scans for changes; the end of a trial starts one at once
SHARE = 9  # but the wait after a scan is at least this many times its duration, up to EVERY
LAST = 5.0  # seconds for the last scan of a command that is asked to end, out of the 20 that it may have in all
AT_ONCE = 16  # files fetched at once
UNKNOWN = Stamp(size=-1, changed=0)


@contextmanager
def mirrored(folder: RunFolder, *, dead: str, resume: bool, say: Callable[[str], None]) -> Iterator[str]:
    """Hold the lease of a run's home and mirror the folder to it; yields the lease's owner, "" without a home.

    With `resume`, first fetch the store's copy if that is farther than the folder. `dead` is the owner of a lease
    whose process is known to have ended. Raises InputError if another process works on the run. If the store fails,
    or another process takes the run, interrupts the main thread and then raises StorageFailed.
    """
    if folder.home is None:
        yield ""
        return
    lease = Lease(folder.home)
    lease.take(dead=dead, say=say)
    mirror = Mirror(folder, folder.home, lease)
    try:
        if resume:
            _begin(folder, folder.home, mirror)
    except BaseException:
        lease.release()
        raise
    try:
        with mirror:
            yield lease.owner
    except InputError:
        if not folder.path.exists():  # nothing had begun: free the name in the store too
            _discard(folder.home, folder.ledger.name)
        raise


def _begin(folder: RunFolder, home: Store, mirror: "Mirror") -> None:
    if home.read(folder.record.name) is None:
        return
    caught_up = catch_up(folder, home)
    mirror.sent = stamps(folder.path) if caught_up else {name: UNKNOWN for name in home.files() if _fetched(name)}


def catch_up(folder: RunFolder, home: Store) -> bool:
    """Fetch the store's copy of a run if it is farther than the folder; whether it was.

    Raises InputError if they are two different searches.
    """
    there = home.read(folder.record.name)
    if there is None or (folder.record.exists() and not _behind(folder, home, there)):
        return False
    fetch(home, folder.path)
    return True


def _behind(folder: RunFolder, home: Store, record: bytes) -> bool:
    """Whether the store's run is farther than the folder's. Raises InputError if they are two different searches."""
    here = _whole(folder.ledger.read_bytes() if folder.ledger.exists() else b"")
    there = _whole(home.read(folder.ledger.name) or b"")
    if not here.startswith(there) and not there.startswith(here):
        raise InputError(f"--resume: {folder.path} and {home.where} hold two different searches; move one of them away")
    if len(here) != len(there):
        return len(there) > len(here)
    mine, kept = folder.read_record(), RunRecord.parsed(record, home.below(folder.record.name).where)
    return (mine is None or mine.finished is None) and kept.finished is not None


def _discard(home: Store, ledger: str) -> None:
    names = home.names()
    if ledger not in names:
        for name in names:
            home.remove(name)


def _whole(ledger: bytes) -> bytes:
    return ledger[: ledger.rfind(b"\n") + 1]


def _fetched(name: str) -> bool:
    parts = name.split("/")
    if parts[0] in (*HERE, *THERE) or parts[0].startswith(FOLD):
        return False
    return not any(part.startswith(".") for part in parts)


def fetch(store: Store, folder: Path, *, skip: tuple[str, ...] = ()) -> None:
    """Copy the changed files of a store to a folder, except below `skip`, and remove files that the store lacks."""
    files = {name: stamp for name, stamp in store.files().items() if _fetched(name)}
    there = {name: stamp for name, stamp in files.items() if name.split("/")[0] not in skip}
    here = stamps(folder)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        changed = [name for name, stamp in there.items() if here.get(name) != stamp]
        list(pool.map(lambda name: _fetch(store, name, there[name], folder / name), changed))
    for name in here:
        if _fetched(name) and name not in files:
            (folder / name).unlink()


def _fetch(store: Store, name: str, stamp: Stamp, path: Path) -> None:
    content = store.read(name)
    if content is None:
        return
    before = path.read_bytes() if path.exists() else b""
    if before and content.startswith(before):
        with path.open("ab") as file:  # in place, since TensorBoard keeps the file open
            file.write(content[len(before) :])
    else:
        replace(path, content)
    os.utime(path, ns=(stamp.changed, stamp.changed))


def stamps(folder: Path) -> dict[str, Stamp]:
    """The files of a run's folder that are mirrored, with their stamps, by path below the folder."""
    found = {}
    for parent, folders, files in os.walk(folder):
        own = [name for name in folders if not name.startswith(".")]
        if parent == str(folder):  # the run of a fold is mirrored by itself
            own = [name for name in own if name not in HERE and not name.startswith(FOLD)]
        folders[:] = own
        for name in files:
            path = Path(parent, name)
            if not name.startswith(".") and path.suffix not in (".tmp", ".lock"):
                with suppress(FileNotFoundError):
                    about = path.stat()
                    found[path.relative_to(folder).as_posix()] = Stamp(size=about.st_size, changed=about.st_mtime_ns)
    return found


class Mirror:
    """A thread that uploads the changes in a folder to its home, and renews the lease."""

    def __init__(self, folder: RunFolder, home: Store, lease: Lease) -> None:
        self.folder, self.home, self.lease = folder, home, lease
        self.sent: dict[str, Stamp] = {}
        self._renewed = time.monotonic()
        self._failed: Exception | None = None
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mirror", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        told = kind is not None and issubclass(kind, KeyboardInterrupt)
        self._thread.join(LAST if told else None)
        # A trial may have been the first to find that the store fails: then `error` says so.
        failed = error if isinstance(error, StorageFailed) else self._failed if kind is None or told else None
        if failed is not None:
            raise StorageFailed(f"{failed}; {self.folder.path} on this machine has all of it") from error
        if self._thread.is_alive():
            print(f"the last changes are in {self.folder.path} alone: {self.home.where} is slow", file=sys.stderr)

    def _run(self) -> None:
        try:
            while not self._ending.is_set():
                start = time.monotonic()
                self.look()
                self._wait(min(EVERY, SHARE * (time.monotonic() - start)))
            self.look()
            self.lease.release()
        except (StorageFailed, OSError) as error:
            self._failed = error
            while not interrupt() and not self._ending.wait(1):
                pass

    def look(self) -> None:
        """Upload what changed, `run.json` last: when the store's `run.json` says finished, all files are there."""
        self._renew()
        if not self.folder.lock.exists():
            return  # somebody removed the folder: keep the store's copy
        files = stamps(self.folder.path)
        changed = [name for name in files if files[name] != self.sent.get(name)]
        for name in sorted(changed, key=lambda name: name == self.folder.record.name):
            self._send(name, files[name])
        for name in self.sent.keys() - files.keys():
            self.home.remove(name)
            del self.sent[name]

    def _send(self, name: str, stamp: Stamp) -> None:
        if time.monotonic() > self._renewed + EVERY:
            self._renew()
        with suppress(FileNotFoundError):
            self.home.write(name, (self.folder.path / name).read_bytes())
            self.sent[name] = stamp

    def _renew(self) -> None:
        self.lease.renew()
        self._renewed = time.monotonic()

    def _wait(self, least: float) -> None:
        """Wait for EVERY seconds, or until the command ends, or, after `least` seconds, until a trial has ended."""
        start = time.monotonic()
        while time.monotonic() < start + EVERY and not self._ending.wait(1):
            if time.monotonic() > start + least and self._ledger_grew():
                return

    def _ledger_grew(self) -> bool:
        ledger, sent = self.folder.ledger, self.sent.get(self.folder.ledger.name)
        return ledger.exists() and (sent is None or ledger.stat().st_size != sent.size)
