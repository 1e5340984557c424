"""AdamW (Loshchilov & Hutter 2019) by torch's own function, without what an optimiser of torch's loads."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn
from torch.optim.adamw import adamw

from reeltune.trainables.errors import FitFailed

# "params", one or any iterable of them, as torch's AdamW takes them, and their "weight_decay".
ParameterGroup = dict[str, Any]
MOMENTS = ("exp_avg", "exp_avg_sq")
DENSE = "parameters need dense gradients; make nn.Embedding and nn.EmbeddingBag without sparse=True"


class AdamW:
    """Steps and states as `torch.optim.AdamW` has them, bit for bit, whose states it reads.

    Making any optimiser of torch's own loads its compiler (`torch._dynamo`): over a second, twice that of a small fit.
    A group may be changed between steps. With `fused`, one kernel updates all parameters of a group.
    """

    def __init__(
        self, groups: Iterable[ParameterGroup], *, lr: float, betas: tuple[float, float], eps: float, fused: bool
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "eps": eps}
        self.param_groups: list[ParameterGroup] = [
            {**defaults, **group, "params": parameters_of(group)} for group in groups
        ]
        self.lr, self.fused = lr, fused
        self._moments: dict[nn.Parameter, dict[str, torch.Tensor]] = {}  # of those that have had a gradient

    def zero_grad(self) -> None:
        for parameter in self._parameters():
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Update every parameter that has a gradient. Raises FitFailed at the first step if one is sparse."""
        for group in self.param_groups:
            moved = [parameter for parameter in group["params"] if parameter.grad is not None]
            states = [self._state(parameter) for parameter in moved]
            adamw(
                moved,
                [parameter.grad for parameter in moved if parameter.grad is not None],
                [state["exp_avg"] for state in states],
                [state["exp_avg_sq"] for state in states],
                max_exp_avg_sqs=[],
                state_steps=[state["step"] for state in states],
                fused=self.fused or None,  # None: torch chooses by the device
                amsgrad=False,
                beta1=group["betas"][0],
                beta2=group["betas"][1],
                lr=group["lr"],
                weight_decay=group["weight_decay"],
                eps=group["eps"],
                maximize=False,
            )

    def state_dict(self) -> dict[str, Any]:
        """The state by each parameter's number in the order of the groups, and the groups with these numbers."""
        numbers = {parameter: number for number, parameter in enumerate(self._parameters())}
        return {
            "state": {numbers[parameter]: dict(state) for parameter, state in self._moments.items()},
            "param_groups": [
                {**group, "params": [numbers[parameter] for parameter in group["params"]]}
                for group in self.param_groups
            ],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state of the same groups, from any device."""
        parameters = self._parameters()
        self._moments = {
            parameters[number]: {name: each[name].to(self._home(parameters[number], name)) for name in each}
            for number, each in state["state"].items()
        }
        for group, saved in zip(self.param_groups, state["param_groups"], strict=True):
            group.update({name: value for name, value in saved.items() if name in group and name != "params"})

    def _parameters(self) -> list[nn.Parameter]:
        return [parameter for group in self.param_groups for parameter in group["params"]]

    def _state(self, parameter: nn.Parameter) -> dict[str, torch.Tensor]:
        if parameter not in self._moments:
            if parameter.grad is not None and parameter.grad.layout != torch.strided:
                raise FitFailed(DENSE)
            step = torch.zeros((), device=self._home(parameter, "step"))
            self._moments[parameter] = {"step": step, **{name: torch.zeros_like(parameter) for name in MOMENTS}}
        return self._moments[parameter]

    def _home(self, parameter: nn.Parameter, name: str) -> torch.device:
        """The device of a part of a parameter's state. Only the fused kernel takes a step count on a GPU."""
        return parameter.device if self.fused or name in MOMENTS else torch.device("cpu")


def parameters_of(group: ParameterGroup) -> list[nn.Parameter]:
    """The parameters of a group, which may be an iterator: that can be read once."""
    given = group["params"]
    return [given] if isinstance(given, nn.Parameter) else list(given)
