"""Our AdamW against torch's own: real fits end alike, bit for bit, and ours goes on from a checkpoint of either."""

import io

import pytest
import torch

from reeltune.trainables.adamw import AdamW
from reeltune.trainables.architectures.parts.residual import BETAS, RATE, one_cycle
from reeltune.trainables.errors import FitFailed
from reeltune.trainables.fitting.fit import Fit
from tests.models import MODELS, TRAINED, dropping
from tests.worlds import small_config


def with_torchs(fit):
    """The same fit, with the optimiser of torch in place of ours."""
    ours = fit.optimizer
    fit.optimizer = torch.optim.AdamW(ours.param_groups, lr=ours.lr, fused=True)
    fit.optimizer.lr = ours.lr
    return fit


def through_a_file(state):
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def advanced(fit, step):
    while fit.step < step:
        fit.advance()
    return fit


def same(first, second):
    """Whether two states of models or optimisers have the same names and, bit for bit, the same tensors."""
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    return first == second


@pytest.fixture
def new_fit(small_world, small_shape):
    return lambda name: Fit(
        MODELS[name], small_config(name, **dropping(name, 0.3)), small_shape, small_world.rows, seed=7
    )


@pytest.mark.parametrize("name", TRAINED)
def test_a_fit_is_that_of_torchs_optimiser_bit_for_bit(new_fit, name):
    ours, torchs = new_fit(name), with_torchs(new_fit(name))
    losses = [[fit.advance() for _ in range(fit.steps)] for fit in (ours, torchs)]
    assert torch.equal(*map(torch.stack, losses))
    assert same(ours.model.state_dict(), torchs.model.state_dict())
    assert same(ours.optimizer.state_dict()["state"], torchs.optimizer.state_dict()["state"])
    groups = zip(ours.optimizer.param_groups, torchs.optimizer.param_groups, strict=True)
    assert all(own.items() <= {**theirs, "params": own["params"]}.items() for own, theirs in groups)


@pytest.mark.parametrize("name", ["svdpp_classifier"])  # has several groups, one of them with a rate of its own
@pytest.mark.parametrize("writer", [with_torchs, lambda fit: fit], ids=["torch's", "ours"])
def test_a_fit_goes_on_from_a_checkpoint_of_either(new_fit, name, writer):
    through = advanced(new_fit(name), 12)
    assert len(through.optimizer.param_groups) > 1
    state = through_a_file(advanced(writer(new_fit(name)), 7).state())
    resumed = new_fit(name)
    resumed.load_state(state)
    advanced(resumed, 12)
    assert same(through.model.state_dict(), resumed.model.state_dict())


def test_a_parameter_without_a_gradient_stays_as_it_is():
    still, moved = (torch.nn.Parameter(torch.ones(2)) for _ in range(2))
    optimizer = AdamW(
        [{"params": [still, moved], "weight_decay": 0.5}], lr=0.1, betas=(0.9, 0.99), eps=1e-5, fused=True
    )
    moved.sum().backward()
    optimizer.step()
    assert torch.equal(still, torch.ones(2))
    assert (moved < 1).all()
    assert list(optimizer.state_dict()["state"]) == [1]
    optimizer.zero_grad()
    assert moved.grad is None


@pytest.mark.parametrize("given", [iter, tuple, lambda every: every[0]], ids=["an iterator", "a tuple", "one alone"])
def test_a_groups_parameters_may_be_whatever_torchs_optimiser_takes(given):
    ours, torchs = (torch.nn.Parameter(torch.ones(2)) for _ in range(2))
    constants = {"lr": 0.1, "betas": (0.9, 0.99), "eps": 1e-5, "fused": True}
    pairs = [
        (ours, AdamW([{"params": given([ours]), "weight_decay": 0.5}], **constants)),
        (torchs, torch.optim.AdamW([{"params": given([torchs]), "weight_decay": 0.5}], **constants)),
    ]
    for parameter, optimizer in pairs:
        for _ in range(3):
            optimizer.zero_grad()
            parameter.square().sum().backward()
            optimizer.step()
    assert torch.equal(ours, torchs)
    assert (ours < 1).all()


def test_a_sparse_gradient_is_refused_at_the_first_step():
    table = torch.nn.Embedding(4, 2, sparse=True)
    groups = [{"params": [table.weight], "weight_decay": 0.0}]
    optimizer = AdamW(groups, lr=0.1, betas=(0.9, 0.99), eps=1e-5, fused=True)
    table(torch.tensor([1])).sum().backward()
    with pytest.raises(FitFailed, match=r"need dense gradients; .* without sparse=True"):
        optimizer.step()


@pytest.mark.parametrize("steps", [12, 13, 240])
def test_the_network_of_residuals_is_trained_as_by_torchs_optimiser_and_schedule(steps):
    torch.manual_seed(1)
    inputs, targets = torch.randn(50, 3), torch.randn(50)
    start = torch.nn.Linear(3, 1)
    ours, torchs = ([torch.nn.Parameter(each.detach().clone()) for each in start.parameters()] for _ in range(2))
    optimizer = AdamW([{"params": ours, "weight_decay": 0.01}], lr=RATE, betas=BETAS, eps=1e-8, fused=False)
    theirs = torch.optim.AdamW(torchs, lr=RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(theirs, RATE, total_steps=steps)
    for step in range(steps):
        rate, momentum = one_cycle(step, steps)
        assert (rate, (momentum, BETAS[1])) == (theirs.param_groups[0]["lr"], theirs.param_groups[0]["betas"])
        optimizer.param_groups[0].update(lr=rate, betas=(momentum, BETAS[1]))
        for (weight, bias), each in ((ours, optimizer), (torchs, theirs)):
            each.zero_grad()
            ((inputs @ weight.T)[:, 0] + bias - targets).square().mean().backward()
            each.step()
        schedule.step()
    assert all(map(torch.equal, ours, torchs))
