"""Lets one process at a time work on a run in an object store, whose `.lease.json` names the holder and is renewed.

This is best effort, as an object store has no lock. Two processes that start within the same second, or a holder that
is suspended for a minute between its check and its write, can both believe for a moment that they hold the run.
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
STALE = 60.0  # seconds without a renewal after which a holder counts as dead; it renews about every 10 s
SETTLE = 2.0  # seconds after which processes that took the lease at once all see the last one's


class Lease:
    """The right to work on a run. `owner` is a random id, by which the lease of a dead process is recognised."""

    def __init__(self, store: Store) -> None:
        self.store, self.owner, self._renewals = store, uuid.uuid4().hex, 0

    def take(self, *, dead: str, say: Callable[[str], None]) -> None:
        """Take the lease if it is free, if its owner is `dead`, or if nobody renews it for STALE seconds.

        Watches the lease for renewals instead of comparing times, since two machines' clocks may differ. Raises
        InputError if another process holds it.
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
        """Renew the lease. Raises StorageFailed if another process has taken it."""
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
