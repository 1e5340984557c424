"""Two workers end where one would: real processes, talking over the loopback."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing
from torch import nn

from reeltune.trainables.architectures.parts.batch_norm import BatchNorm
from reeltune.trainables.data import split
from reeltune.trainables.fitting import loop
from reeltune.trainables.fitting.fit import Fit, on_device
from reeltune.trainables.scoring.metrics import add_up, from_sums, sums
from tests.models import MODELS, dropping
from tests.worlds import STARS, config_of, shape_of, two_tastes

WEIGHTED = "weighted"
# Every model by batches that two workers share unevenly, and some by even ones.
CASES = [*((name, 33) for name in MODELS), ("pmf", 64), ("embedding_nn", 64), ("svdpp", 64), ("pmf", 33, WEIGHTED)]
STEPS = 12
ODD = 101  # rows measured: two workers take 51 and 50


def fitted(name, batch_size, rows="plain"):
    """A few steps of a fit, its metrics on an odd number of rows, on one row, and the reports of its loop."""
    data = two_tastes(side=24)
    if rows == WEIGHTED:
        weights = np.random.default_rng(0).exponential(size=len(data.rows))
        data = replace(data, rows=replace(data.rows, weights=weights))
    parts, shape = split(data.rows, seed=0), shape_of(data)
    # Workers drop different vectors.
    settings = {"epochs": 2, "learning_rate": 1e-2, **dropping(name, 0)}
    config = config_of(name, batch_size=batch_size, **settings)
    fit = Fit(MODELS[name], config, shape, parts.train, seed=3)
    for _ in range(min(STEPS, fit.steps - 1)):  # what is solved has its only step left for the loop
        fit.advance()
    held_out = on_device(data.rows.take(np.arange(ODD)), fit.device)
    metrics = [loop.evaluate(fit, rows, decoder="argmax") for rows in (held_out, held_out.take(slice(0, 1)))]
    weights = {key: value.clone() for key, value in fit.model.state_dict().items()}
    reports = list(loop.run(fit, validation=parts.validation, marks=(0.7,)))
    return {"weights": weights, "metrics": metrics, "reports": reports}


def summed(rank):
    """The sums of this worker's part of 101 predictions: 70 rows or 31, or all; in eighths, which add up exactly."""
    output = torch.randint(8, 41, (ODD,), generator=torch.Generator().manual_seed(0)) / 8
    ratings = torch.randint(1, 6, (ODD,), generator=torch.Generator().manual_seed(1)).float()
    part = {0: slice(0, 70), 1: slice(70, ODD), None: slice(0, ODD)}[rank]
    return sums(output[part], ratings[part], None, STARS, decoder="argmax", temperature=1.0)


def normalised(norm, part):
    """Outputs, gradients of the inputs, and remembered statistics after one pass in training."""
    every = torch.randn(33, 4, generator=torch.Generator().manual_seed(0)) * 3 + 2
    values = every[part].requires_grad_()
    output = norm(values)
    output.pow(3).sum().backward()
    return {"output": output.detach(), "gradient": values.grad, **norm.state_dict()}


def many(kind):
    """More rows than 16 bits count to, far from 0 beside their spread."""
    return (torch.randn(601, 4, generator=torch.Generator().manual_seed(0)) + 8).to(kind)


def work(rank, meeting, folder):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)
    added = from_sums(add_up(summed(rank)), scalar=True)
    halves = BatchNorm(4)
    output = halves(many(torch.bfloat16)[rank * 301 : 301 + rank * 300])
    torch.save({"output": output.detach(), **halves.state_dict()}, f"{folder}/half{rank}.pt")
    torch.save(normalised(BatchNorm(4), slice(rank * 20, 20 + rank * 13)), f"{folder}/norm{rank}.pt")
    torch.save([added, *(fitted(*case) for case in CASES)], f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where two workers have left what they found."""
    folder = tmp_path_factory.mktemp("workers")
    meeting = f"{folder}/meeting"
    multiprocessing.spawn(work, args=(meeting, str(folder)), nprocs=2)
    return folder


@pytest.fixture(scope="module")
def two(folder):
    """What each of two workers has: added metrics, then the fit of every case."""
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(2)]


@pytest.fixture(scope="module")
def one():
    return [from_sums(summed(None), scalar=True), *(fitted(*case) for case in CASES)]


EVERY = pytest.mark.parametrize("case", range(1, len(CASES) + 1), ids=[" by ".join(map(str, case)) for case in CASES])


@EVERY
def test_two_workers_end_with_the_weights_of_one(one, two, case):
    for key, alone in one[case]["weights"].items():
        first, second = (worker[case]["weights"][key] for worker in two)
        assert torch.equal(first, second), key
        assert torch.allclose(first.float(), alone.float(), atol=1e-5, rtol=0), key


def test_batch_norm_over_uneven_workers_is_torchs_over_all_rows(folder):
    """20 and 13 rows: forward, backward, and what is remembered."""
    alone = normalised(nn.BatchNorm1d(4), slice(None))
    first, second = (torch.load(folder / f"norm{rank}.pt", weights_only=True) for rank in range(2))
    for key in ("output", "gradient"):
        assert torch.allclose(torch.cat([first[key], second[key]]), alone[key], atol=1e-4), key
    for key in ("running_mean", "running_var", "num_batches_tracked"):
        assert torch.equal(first[key], second[key])
        assert torch.allclose(first[key], alone[key], atol=1e-5), key


def test_batch_norm_of_16_bits_sums_over_workers_in_32(folder):
    alone = nn.BatchNorm1d(4)
    output = alone(many(torch.bfloat16).float()).detach()
    first, second = (torch.load(folder / f"half{rank}.pt", weights_only=True) for rank in range(2))
    found = torch.cat([first["output"], second["output"]])
    assert found.dtype == torch.bfloat16
    assert torch.allclose(found.float(), output, atol=0.02)
    for key in ("running_mean", "running_var"):
        assert torch.allclose(first[key], alone.state_dict()[key], rtol=1e-4), key


def test_metrics_added_up_over_uneven_parts_are_exactly_those_of_the_whole(one, two):
    assert two[0][0] == two[1][0] == one[0]


@EVERY
def test_metrics_over_uneven_shares_are_those_of_all_rows(one, two, case):
    assert two[0][case]["metrics"] == two[1][case]["metrics"]
    for found, alone in zip(two[0][case]["metrics"], one[case]["metrics"], strict=True):
        assert found.of("mean") == pytest.approx(alone.of("mean"), abs=1e-4)
        assert found.accuracy == pytest.approx(alone.accuracy, abs=1e-9)


@EVERY
def test_every_worker_gives_the_same_reports(one, two, case):
    first, second = (worker[case]["reports"] for worker in two)
    assert first == second
    alone = one[case]["reports"]
    assert [report.step for report in first] == [report.step for report in alone]
    for found, expected in zip(first, alone, strict=True):
        assert found.train_loss == pytest.approx(expected.train_loss, rel=1e-2)
