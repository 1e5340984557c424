"""One process at a time on a run in an object store: an object there says who works on it, and is renewed.

This is best effort. An object store has no lock: two that start within the same second, or a holder that sleeps
for a minute between looking and writing, can both believe that the run is theirs for a moment.
"""

import json
import os
import socket
import time
import uuid
from collections.abc import Callable

from reeltune.cluster.runs.storage import Store
from reeltune.trainables.errors import InputError, StorageFailed

NAME = ".lease.json"
STALE = 60.0  # seconds without a renewal after which a holder is taken for dead; it renews every few seconds
SETTLE = 2.0  # seconds after which the last of several that took it at once is seen by all


class Lease:
    """The right to work on a run. `owner` is a word of one's own, by which the lease of a dead process is known."""

    def __init__(self, store: Store) -> None:
        self.store, self.owner, self._renewals = store, uuid.uuid4().hex, 0

    def take(self, *, dead: str, say: Callable[[str], None]) -> None:
        """Take it, from nobody, from `dead`, or from one that renews no more. Raises InputError where another holds it.

        Whether one lives is seen by watching it: clocks of two machines need not agree.
        """
        held = self._read()
        if held is not None and held["owner"] != dead:
            who = f"{held['host']} (process {held['process']})"
            say(f"{who} was working on this run last; waiting up to {STALE:.0f} s to see whether it still is")
            if self._renewed(held):
                raise InputError(f"--storage {self.store.where}: {who} is working on this run")
        self._write()
        time.sleep(SETTLE)
        self._check()

    def renew(self) -> None:
        """Say that one is still there. Raises StorageFailed where another has taken it."""
        self._check()
        self._write()

    def release(self) -> None:
        held = self._read()
        if held is not None and held["owner"] == self.owner:
            self.store.remove(NAME)

    def _renewed(self, held: dict[str, object]) -> bool:
        end = time.monotonic() + STALE
        while time.monotonic() < end:
            time.sleep(1)
            now = self._read()
            if now != held:
                return now is not None
        return False

    def _check(self) -> None:
        held = self._read()
        if held is not None and held["owner"] != self.owner:
            raise StorageFailed(f"storage {self.store.where}: {held['host']} works on this run now")

    def _read(self) -> dict[str, object] | None:
        content = self.store.read(NAME)
        return None if content is None else json.loads(content)

    def _write(self) -> None:
        self._renewals += 1
        held = {"owner": self.owner, "host": socket.gethostname(), "process": os.getpid(), "renewals": self._renewals}
        self.store.write(NAME, json.dumps(held).encode())
