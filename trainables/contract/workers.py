"""The clause on two workers: real processes, which talk over the loopback, fit what one fits."""

import datetime
import tempfile
import warnings
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing
from torch import Tensor

from reeltune.trainables.architectures.registry import Registry
from reeltune.trainables.contract import worlds
from reeltune.trainables.contract.subject import Broken, Subject, expect, rated, weights
from reeltune.trainables.fitting.sharded import ShardedFit, why_not_sharded

STEPS = 12
PATIENCE = datetime.timedelta(seconds=60)  # for workers that send each other different things, and would wait for ever
SETTINGS: dict[str, object] = {"batch_size": 33, "epochs": 2, "learning_rate": 1e-2}  # shared unevenly: 17 and 16 rows


def two_workers_fit_what_one_fits(subject: Subject) -> None:
    """Without what may be dropped: workers drop different vectors. Also with sharded users, if the model takes that."""
    alone, together = _steps(subject), _sharded(subject)
    with tempfile.TemporaryDirectory() as folder:
        meeting = f"{folder}/meeting"
        try:
            multiprocessing.spawn(_work, args=(meeting, folder, subject.registry, subject.name), nprocs=2)
        except multiprocessing.ProcessRaisedException as error:
            raise Broken(f"a worker failed: {str(error).strip().splitlines()[-1]}") from error
        first, second = (torch.load(Path(folder, f"{rank}.pt"), weights_only=True) for rank in range(2))
        ratings = torch.load(Path(folder, "ratings.pt"), weights_only=True)
    for key, value in alone.items():
        expect(torch.equal(first[key], second[key]), f"two workers have different values of {key}")
        far = (first[key].float() - value.float()).abs().max().item() if value.numel() else 0.0
        expect(far <= 1e-5, f"on two workers {key} differs from one worker's by up to {far:g}")
    if together is not None:
        far = (ratings - together).abs().max().item()
        expect(
            far <= 1e-5,
            f"with sharded users two workers rate otherwise than one, by up to {far:g}: `see` has the rows of a "
            "worker's own users, and `everyone.rows()` of `shard` all",
        )


def _sharded(subject: Subject) -> Tensor | None:
    """The ratings of all pairs after some steps with sharded users; None if the model does not take that.

    With several workers, on the first of them.
    """
    rows, shape = worlds.two_tastes(side=24)
    config = subject.config(shape, {**SETTINGS, **subject.shares})
    if why_not_sharded(subject.architecture, config) is not None:
        return None
    fit = ShardedFit(subject.architecture, config, shape, rows, seed=3)
    for _ in range(min(STEPS, fit.steps)):
        fit.advance()
    users, items = torch.cartesian_prod(torch.arange(1, shape.users), torch.arange(1, shape.items)).unbind(1)
    whole, _ = fit.whole()
    return rated(whole, users, items) if fit.rank == 0 else torch.zeros(0)


def _steps(subject: Subject) -> dict[str, Tensor]:
    rows, shape = worlds.two_tastes(side=24)
    fit = subject.fit(rows, shape, {**SETTINGS, **subject.shares}, seed=3)
    for _ in range(min(STEPS, fit.steps)):
        fit.advance()
    return weights(fit)


def _work(rank: int, meeting: str, folder: str, registry: Registry, name: str) -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", FutureWarning)  # torch's, on how reeltune makes its DDP
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2, timeout=PATIENCE)
    subject = Subject(registry=registry, name=name)
    torch.save(_steps(subject), Path(folder, f"{rank}.pt"))
    ratings = _sharded(subject)
    if rank == 0:
        torch.save(ratings, Path(folder, "ratings.pt"))
    dist.destroy_process_group()
