"""The states of running fits in storage, from which they go on when their process, node or driver has died."""

import hashlib
import io
import json
import os
import pickle
from contextlib import suppress
from typing import Any

import torch

from reeltune.cluster.runs.storage import Store

ZIP = b"PK\x03\x04"  # how torch's files begin; its older format was a bare pickle
DIGEST = hashlib.sha256().digest_size


class Snapshots:
    """The last two states of each fit, by its name.

    A file begins with the digest of the rest, so that a half-written one is none, and the state before it is
    taken. Nothing in them is unpickled but tensors and plain values.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._numbers: dict[str, int] = {}

    def save(self, name: str, order: dict[str, Any], state: dict[str, Any]) -> None:
        """Keep a state of the fit of this name, in place of the last but one. Raises StorageFailed."""
        number = self._next(name)
        buffer = io.BytesIO()
        torch.save({"number": number, "order": _fingerprint(order), "state": state}, buffer)
        content = buffer.getvalue()
        self.store.write(_slot(name, number), hashlib.sha256(content).digest() + content)
        self._numbers[name] = number

    def load(self, name: str, order: dict[str, Any]) -> dict[str, Any] | None:
        """The latest whole state of a fit, on the CPU; None if there is none, or only of another order."""
        found = [kept for kept in self._kept(name) if kept["order"] == _fingerprint(order)]
        return max(found, key=lambda kept: kept["number"])["state"] if found else None

    def forget(self, name: str) -> None:
        for number in (0, 1):
            self.store.remove(_slot(name, number))
        self._numbers.pop(name, None)

    def clear(self) -> None:
        """Forget all of them."""
        for name in self.store.names():
            self.store.remove(name)
        with suppress(OSError):
            os.rmdir(self.store.where)  # an object store has no folders

    def _next(self, name: str) -> int:
        if name not in self._numbers:
            self._numbers[name] = max((kept["number"] for kept in self._kept(name)), default=-1)
        return self._numbers[name] + 1

    def _kept(self, name: str) -> list[dict[str, Any]]:
        return [kept for number in (0, 1) if (kept := _whole(self.store.read(_slot(name, number)))) is not None]


def _slot(name: str, number: int) -> str:
    return f"{name}.state{number % 2}"


def _whole(content: bytes | None) -> dict[str, Any] | None:
    if content is None or content[DIGEST : DIGEST + len(ZIP)] != ZIP:
        return None
    if hashlib.sha256(content[DIGEST:]).digest() != content[:DIGEST]:
        return None
    try:
        return torch.load(io.BytesIO(content[DIGEST:]), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError):  # whole, and not one of ours
        return None


def _fingerprint(order: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(order, sort_keys=True).encode()).hexdigest()
