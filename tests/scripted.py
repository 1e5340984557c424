"""Fits that do as they are told, by which a lane's real workers are hurt."""

import os
import signal
import time
from types import SimpleNamespace

import torch
import torch.distributed as dist

from reeltune.cluster.data_parallel.mailbox import Failure
from reeltune.cluster.runs.fit_states import Snapshots


class Scripted:
    """Counts, a word at a time. At the word `at`, the rank `rank` (or every one) does `act`.

    With `late`, it does so when the others are through with the word.
    """

    def __init__(self, order, device, *, store):
        self.order, self.states = order, Snapshots(store)
        self.rank = dist.get_rank() if dist.is_initialized() else 0
        state = self.states.load(order["name"], order) or {"said": 0, "weights": torch.zeros(order.get("numbers", 1))}
        self.said, self.weights = state["said"], state["weights"]

    def next(self):
        self.said += 1
        self.weights += 1
        acts = self.said == self.order.get("at") and self.order.get("rank", self.rank) == self.rank
        if acts and not self.order.get("late"):
            ACTS[self.order["act"]](self.order)
        if dist.is_initialized():
            dist.all_reduce(torch.zeros(1))
        if acts:
            ACTS[self.order["act"]](self.order)
        time.sleep(self.order.get("pause", 0.0))
        done = self.said == self.order["words"]
        if self.rank == 0 and not done:
            self.states.save(self.order["name"], self.order, {"said": self.said, "weights": self.weights})
        return SimpleNamespace(
            done=done, progress=self.said / self.order["words"], said=self.said, sum=float(self.weights.sum())
        )


def stop(order):
    raise ValueError("as told")


def die(order):
    os.kill(os.getpid(), signal.SIGKILL)


def die_once(order):
    try:
        os.close(os.open(order["mark"], os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return
    die(order)


def hang(order):
    time.sleep(10_000)


def note(order):
    os.close(os.open(order["mark"], os.O_CREAT))


ACTS = {"stop": stop, "die": die, "die once": die_once, "hang": hang, "note": note}


class Lost:
    """What no worker can load."""

    def __reduce__(self):
        return missing, ()


def missing():
    raise ModuleNotFoundError("No module named 'nowhere'")


def told(lane_said):
    """The words of a fit, to its end or failure."""
    words = []
    while not words or (not isinstance(words[-1], Failure) and not words[-1].done):
        words.append(lane_said())
    return words
