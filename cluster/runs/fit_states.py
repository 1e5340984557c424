"""Checkpoints of running fits, from which they go on after their process, node or driver has died."""

import hashlib
import io
import json
import os
import pickle
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import torch

from reeltune.cluster.runs.storage import OpenFile, Store

ZIP = b"PK\x03\x04"  # first bytes of torch's files; its older format, a bare pickle, is refused
DIGEST = hashlib.sha256().digest_size
SAVING = 0.02  # the share of a fit's time that checkpoints may take: that of a large model takes seconds
FitState = dict[str, Any]  # tensors and plain values, as torch saves them


class Snapshots:
    """The last two checkpoints of each fit, by the fit's name.

    A file begins with the digest of the rest. If it does not match, the file is half written and the checkpoint
    before it is used. Only tensors and plain values are unpickled.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._numbers: dict[str, int] = {}

    def save(self, name: str, order: Mapping[str, object], state: FitState, *, number: int | None = None) -> None:
        """Write a checkpoint of a fit over its last but one. Raises StorageFailed if the store keeps failing.

        Without a number it gets the next. A file that belongs to others is given theirs.
        """
        number = self._next(name) if number is None else number
        kept = {"number": number, "order": _fingerprint(order), "state": state}

        def fill(file: OpenFile) -> None:
            file.write(bytes(DIGEST))  # its place
            torch.save(kept, file)
            file.seek(DIGEST)
            digest = hashlib.file_digest(file, "sha256").digest()
            file.seek(0)
            file.write(digest)

        self.store.write_by(_slot(name, number), fill)  # the state of a large fit is not to be in memory twice
        self._numbers[name] = number

    def load(self, name: str, order: Mapping[str, object], *, number: int | None = None) -> FitState | None:
        """The latest whole checkpoint of a fit, or the one of a number, its tensors on the CPU.

        None if there is none of this order.
        """
        found = [kept for kept in self._of(name, order) if number in (None, kept["number"])]
        return max(found, key=lambda kept: kept["number"])["state"] if found else None

    def numbers(self, name: str, order: Mapping[str, object]) -> list[int]:
        """Of a fit's whole checkpoints, the latest first."""
        return sorted((kept["number"] for kept in self._of(name, order)), reverse=True)

    def forget(self, name: str) -> None:
        """Remove a fit's checkpoints: its own files, and those of its parts, whose names begin with its and a dot."""
        for file in self.store.names():
            if file.startswith(f"{name}."):
                self.store.remove(file)
        self._numbers.pop(name, None)

    def clear(self) -> None:
        """Remove the checkpoints of all fits."""
        for name in self.store.names():
            self.store.remove(name)
        with suppress(OSError):
            os.rmdir(self.store.where)  # fails for an object store, which has no folders

    def _next(self, name: str) -> int:
        if name not in self._numbers:
            self._numbers[name] = max((kept["number"] for kept in self._kept(name)), default=-1)
        return self._numbers[name] + 1

    def _of(self, name: str, order: Mapping[str, object]) -> list[FitState]:
        return [kept for kept in self._kept(name) if kept["order"] == _fingerprint(order)]

    def _kept(self, name: str) -> list[FitState]:
        return [kept for number in (0, 1) if (kept := _whole(self.store.read(_slot(name, number)))) is not None]


def pause(least: float, *, took: float) -> float:
    """Seconds between two checkpoints of which one takes so long: at least so many."""
    return max(least, took / SAVING)


def _slot(name: str, number: int) -> str:
    return f"{name}.state{number % 2}"


def _whole(content: bytes | None) -> FitState | None:
    if content is None or content[DIGEST : DIGEST + len(ZIP)] != ZIP:
        return None
    if hashlib.sha256(memoryview(content)[DIGEST:]).digest() != content[:DIGEST]:
        return None
    try:
        return torch.load(io.BytesIO(content[DIGEST:]), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError):  # whole, but not written by `save`
        return None


def _fingerprint(order: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(order, sort_keys=True).encode()).hexdigest()
