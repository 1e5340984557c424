"""A Gaussian process in time for each user's residuals: predictions of ratings given seconds apart err alike.

The residuals of models that were not fitted on them are modelled, for each user, as draws from

    GP(0, Σ_l [s_l + c_l cos²(q_i, q_j)] exp(-|t_i - t_j| / l)) + noise of variance v

with lengths l from seconds to a season and item vectors q (Rasmussen & Williams 2006, chapter 2). The variances
s, c >= 0 are fitted to the products of pairs of a user's residuals (method of moments, non-negative least squares).
Users who give all items of a page the same rating are not Gaussian. So a small network, whose inputs are the rating
predicted without time and the process's mean and variance, corrects the sum of the first two.

All of a user's fitted ratings are used. Under a random split some are later than the rating to predict.
"""

import itertools
import math
from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reeltune.trainables.adamw import AdamW

LENGTHS = (1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7)  # seconds: from a page of items to a season
MOST = 400  # ratings of a user in one process; a longer history is cut up in time
LEAST_NOISE = 0.05  # the least noise, as a share of the residuals' variance
# A kernel's squared norm over all pairs counts the pairs that tell its variance: of 100 its standard error is a tenth
# of the residuals' variance. Of fewer, or of a thousandth of what others have, the variance is noise, of any size.
LEAST_PAIRS, LEAST_SHARE = 100.0, 1e-3
FEWEST = 20  # ratings to learn from
LEAST_SPREAD = 0.01  # of the network's inputs, as a share of the residuals' deviation, or of their variance
SEEN = 4.0  # standard deviations, beyond which the network's inputs are clipped
HIDDEN, EPOCHS, BATCH, RATE = 24, 12, 1024, 1e-2
BETAS, WEIGHT_DECAY = (0.95, 0.999), 0.01  # as `torch.optim.AdamW` and `OneCycleLR` have them


class Residuals(nn.Module):
    """Corrects ratings by their time, once `learn` has fitted it."""

    times: Tensor
    items: Tensor
    residuals: Tensor
    offsets: Tensor
    plain: Tensor
    similar: Tensor
    noise: Tensor
    centre: Tensor
    spread: Tensor

    def __init__(self, users: int, ratings: int) -> None:
        super().__init__()
        self.register_buffer("offsets", torch.zeros(users + 1, dtype=torch.int64))  # where each user's history starts
        self.register_buffer("times", torch.zeros(ratings, dtype=torch.int64))
        self.register_buffer("items", torch.zeros(ratings, dtype=torch.int64))
        self.register_buffer("residuals", torch.zeros(ratings))
        self.register_buffer("plain", torch.zeros(len(LENGTHS)))
        self.register_buffer("similar", torch.zeros(len(LENGTHS)))
        self.register_buffer("noise", torch.zeros(()))  # 0 until it has learnt
        self.register_buffer("centre", torch.zeros(3))
        self.register_buffer("spread", torch.ones(3))
        self.network = nn.Sequential(
            *(nn.Linear(3, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, 1))
        ).requires_grad_(False)

    @property
    def learnt(self) -> bool:
        """Whether there is anything to correct by."""
        return bool(self.noise)

    @torch.no_grad()
    def learn(self, users: Tensor, items: Tensor, times: Tensor, ratings: Tensor, held_out: Tensor, q: Tensor) -> None:
        """Fit to rated pairs, of which models that were not fitted on them predict `held_out`; all of shape (ratings,).

        `q` are item vectors, shape (items, width). Draws random numbers. Without anything to correct by, `learnt` stays
        False.
        """
        order = torch.from_numpy(np.lexsort((times.cpu().numpy(), users.cpu().numpy()))).to(users.device)
        self.times.copy_(times[order])
        self.items.copy_(items[order])
        self.residuals.copy_((ratings - held_out)[order])
        counts = torch.bincount(users, minlength=len(self.offsets) - 1)
        torch.cumsum(counts, 0, out=self.offsets[1:])
        unit = F.normalize(q, dim=1)
        self._find_variances(unit)
        if not self.learnt:
            return
        mean, variance = self._left_out(unit)
        self._train(held_out[order], mean, variance)

    @torch.no_grad()
    def correction(self, users: Tensor, items: Tensor, times: Tensor, ratings: Tensor, q: Tensor) -> Tensor:
        """What to add to ratings predicted without time, shape (pairs,); 0 for users without fitted ratings."""
        correction = torch.zeros_like(ratings)
        unit = F.normalize(q, dim=1)
        for block, pairs in self._blocks_of(users, times):
            mean, variance = self._predict(block, items[pairs], times[pairs], unit)
            correction[pairs] = self._corrected(ratings[pairs], mean, variance)
        return correction

    def _find_variances(self, unit: Tensor) -> None:
        """Regress the product of each two residuals of a user on the kernels between them."""
        count = 2 * len(LENGTHS)
        gram, moments = np.zeros((count, count)), np.zeros(count)
        for block in self._blocks():
            kernels = self._kernels(block, self.items[block], self.times[block], unit)
            upper = torch.triu_indices(kernels.shape[1], kernels.shape[1], 1)
            pairs = kernels[:, upper[0], upper[1]]
            products = self.residuals[block][upper[0]] * self.residuals[block][upper[1]]
            gram += (pairs @ pairs.T).double().cpu().numpy()
            moments += (pairs @ products).double().cpu().numpy()
        total = float(self.residuals.double().square().mean())
        found = variances(gram, moments, most=(1 - LEAST_NOISE) * total)
        if not found.any():
            return
        self.plain.copy_(torch.from_numpy(found[: len(LENGTHS)]))
        self.similar.copy_(torch.from_numpy(found[len(LENGTHS) :]))
        self.noise.fill_(total - found.sum())

    def _left_out(self, unit: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of each residual given the user's others (Rasmussen & Williams 2006, 5.12)."""
        mean, variance = torch.zeros_like(self.residuals), torch.zeros_like(self.residuals)
        for block in self._blocks():
            inverse = torch.cholesky_inverse(self._root(block, unit))
            variance[block] = 1 / inverse.diagonal()
            mean[block] = self.residuals[block] - inverse @ self.residuals[block] * variance[block]
        return mean, variance

    def _predict(self, block: slice, items: Tensor, times: Tensor, unit: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance, both of shape (pairs,), at these times given the residuals of a block."""
        cross = self._covariance(block, items, times, unit)
        whitened = torch.linalg.solve_triangular(
            self._root(block, unit), torch.cat([cross.T, self.residuals[block, None]], 1), upper=False
        )
        prior = self.plain.sum() + self.similar.sum() + self.noise
        return whitened[:, :-1].T @ whitened[:, -1], prior - whitened[:, :-1].square().sum(0)

    def _root(self, block: slice, unit: Tensor) -> Tensor:
        """The lower Cholesky factor of the covariance of a block's residuals, with noise."""
        covariance = self._covariance(block, self.items[block], self.times[block], unit)
        covariance.diagonal().add_(self.noise)
        return torch.linalg.cholesky(covariance)

    def _covariance(self, block: slice, items: Tensor, times: Tensor, unit: Tensor) -> Tensor:
        """The covariance, without noise, of pairs (rows) with the ratings of a block (columns)."""
        apart, alike = self._apart_and_alike(block, items, times, unit)
        total = torch.zeros_like(alike)
        for length, plain, similar in zip(LENGTHS, self.plain.tolist(), self.similar.tolist(), strict=True):
            if plain or similar:
                total += torch.exp(-apart / length) * (plain + similar * alike)
        return total

    def _kernels(self, block: slice, items: Tensor, times: Tensor, unit: Tensor) -> Tensor:
        """Each term of the covariance at variance 1: shape (2 · lengths, pairs, ratings)."""
        apart, alike = self._apart_and_alike(block, items, times, unit)
        plain = torch.stack([torch.exp(-apart / length) for length in LENGTHS])
        return torch.cat([plain, plain * alike])

    def _apart_and_alike(self, block: slice, items: Tensor, times: Tensor, unit: Tensor) -> tuple[Tensor, Tensor]:
        """Seconds between pairs (rows) and a block's ratings (columns), and cos² of their items: a covariance."""
        apart = (times[:, None] - self.times[block]).abs().float()
        return apart, (unit[items] @ unit[self.items[block]].T).square()

    def _train(self, ratings: Tensor, mean: Tensor, variance: Tensor) -> None:
        """Train the network to predict the residuals less the process's mean."""
        inputs = torch.stack([ratings, mean, variance], 1)
        self.centre.copy_(inputs.mean(0))
        deviation = float(self.residuals.square().mean().sqrt())
        least = LEAST_SPREAD * inputs.new_tensor([deviation, deviation, deviation**2])
        spread = inputs.std(0)
        # The network has learnt nothing of an input that hardly varied, so it is to be 0 wherever it is asked for.
        self.spread.copy_(spread.where(spread > least, torch.inf))
        self.spread[1] = spread[1].maximum(least[1])
        inputs = self._scaled(inputs)
        left = (self.residuals - mean) / self.spread[1]
        batch = min(BATCH, len(left))
        steps = EPOCHS * (len(left) // batch)
        for layer in self.network:
            if isinstance(layer, nn.Linear):
                layer.reset_parameters()
        with torch.enable_grad():
            self.network.requires_grad_(True)
            groups = [{"params": list(self.network.parameters()), "weight_decay": WEIGHT_DECAY}]
            optimizer = AdamW(groups, lr=RATE, betas=BETAS, eps=1e-8, fused=False)
            for step, rows in enumerate(_batches(len(left), batch, left.device)):
                rate, momentum = one_cycle(step, steps)
                optimizer.param_groups[0].update(lr=rate, betas=(momentum, BETAS[1]))
                optimizer.zero_grad()
                F.mse_loss(self.network(inputs[rows])[:, 0], left[rows]).backward()
                optimizer.step()
            self.network.requires_grad_(False)

    def _corrected(self, ratings: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        """The process's mean with the network's correction, shape (pairs,)."""
        inputs = self._scaled(torch.stack([ratings, mean, variance], 1))
        return mean + self.spread[1] * self.network(inputs)[:, 0]

    def _scaled(self, inputs: Tensor) -> Tensor:
        """The inputs in standard deviations, clipped to where the network was trained."""
        return ((inputs - self.centre) / self.spread).clamp(-SEEN, SEEN)

    def _blocks(self) -> Iterator[slice]:
        """Each user's history, in blocks of at most MOST ratings."""
        for start, end in zip(self.offsets[:-1].tolist(), self.offsets[1:].tolist(), strict=True):
            if start < end:
                yield from _cut(start, end)

    def _blocks_of(self, users: Tensor, times: Tensor) -> Iterator[tuple[slice, Tensor]]:
        """Blocks of histories, each with the places of the pairs that fall in it by user and time."""
        order = torch.argsort(users, stable=True)
        distinct, counts = users[order].unique_consecutive(return_counts=True)
        for user, places in zip(distinct.tolist(), order.split(counts.tolist()), strict=True):
            start, end = self.offsets[user : user + 2].tolist()
            if start == end:
                continue
            blocks = list(_cut(start, end))
            ends = self.times[[block.stop - 1 for block in blocks]]
            block_of = torch.searchsorted(ends, times[places]).clamp(max=len(blocks) - 1)
            for number, block in enumerate(blocks):
                inside = places[block_of == number]
                if len(inside):
                    yield block, inside


def variances(gram: np.ndarray, moments: np.ndarray, *, most: float) -> np.ndarray:
    """The x ≥ 0 with Σx ≤ `most` that minimises xᵀ gram x - 2 moments·x; shape (kernels,)."""
    from scipy.optimize import nnls  # half a second to load

    found = np.zeros(len(moments))
    pairs = gram.diagonal()
    told = np.flatnonzero(pairs >= max(LEAST_PAIRS, LEAST_SHARE * pairs.max()))
    if not len(told):
        return found
    # Lengths between which no time differences lie have the same kernels. Solve in the axes that differ.
    sizes, axes = np.linalg.eigh(gram[np.ix_(told, told)])
    kept = sizes > 1e-6 * sizes[-1]
    root = np.sqrt(sizes[kept])[:, None] * axes[:, kept].T
    target = (axes[:, kept].T @ moments[told]) / np.sqrt(sizes[kept])
    found[told], _ = nnls(root, target)
    if found.sum() > most:  # then Σx = most at the optimum: a row of great weight asks for it
        weight = 1e3 * np.sqrt(sizes[-1])
        found[told], _ = nnls(np.vstack([root, np.full(len(told), weight)]), np.append(target, weight * most))
        found *= most / found.sum()
    return found


def one_cycle(step: int, steps: int) -> tuple[float, float]:
    """The network's learning rate and first momentum at a step, counted from 0: those of torch's `OneCycleLR`."""
    peak = 0.3 * steps - 1
    if step <= peak:
        return _cosine(RATE / 25, RATE, step / peak), _cosine(BETAS[0], 0.85, step / peak)
    share = (step - peak) / (steps - 1 - peak)
    return _cosine(RATE, RATE / 25 / 1e4, share), _cosine(0.85, BETAS[0], share)


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) / 2 * (math.cos(math.pi * share) + 1)


def _cut(start: int, end: int) -> Iterator[slice]:
    """A history in blocks of about the same size, in order of time."""
    pieces = -(-(end - start) // MOST)
    edges = np.linspace(start, end, pieces + 1).round().astype(int).tolist()
    yield from (slice(low, high) for low, high in itertools.pairwise(edges))


def _batches(rows: int, batch: int, device: torch.device) -> Iterator[Tensor]:
    """Batches of row indices for all epochs, shuffled anew in each; the rows that fill no batch are left out."""
    for _ in range(EPOCHS):
        yield from torch.randperm(rows, device=device)[: rows // batch * batch].split(batch)
