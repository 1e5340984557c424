"""The simple predictors: the mean of all ratings, damped means (`bias`) and the tuned `pmf`; and the best of them.

Where probabilities are judged, the frequencies of the observed ratings take the place of their mean.

On small, sparse data a matrix factorisation can be worse than damped means, and then it is easily beaten. So every
result also has the gain over the best simple predictor. Which one that is, validation rows decide.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import torch

from reeltune.cluster.judging.baseline import PMF
from reeltune.cluster.judging.outcome import Searched
from reeltune.cluster.judging.scores import Scored, mean_metrics, noise_of, of_values, scored
from reeltune.cluster.runs.answer import SimplePredictor, SimplePredictors
from reeltune.cluster.search.choice import SEEDS, comparable
from reeltune.trainables.architectures import bias
from reeltune.trainables.data import Rows, fold
from reeltune.trainables.data.prepared import Prepared
from reeltune.trainables.data.scale import Scale
from reeltune.trainables.data.tensors import on_device
from reeltune.trainables.fitting.threads import one_thread
from reeltune.trainables.scoring.metrics import predict

MEAN, FREQUENCIES, BIAS = "mean", "frequencies", "bias"
DAMPINGS = (1.0, 5.0, 25.0)  # tried for users and items, if the search did not tune `bias`
SECONDS_PER_MILLION = 5.0  # ratings, to compare them all on the folds of the confirmations
Config = Mapping[str, Any] | None


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A simple predictor: its configuration (the mean has none), and its error on each fold of the confirmations."""

    config: Config
    by_fold: Mapping[int, float]
    temperature: float = 1.0  # mean over the folds, as a choice has it


@dataclass(frozen=True, kw_only=True)
class Simple:
    """The simple predictors that were compared, by name, and their errors on validation rows; the best is `best`."""

    candidates: dict[str, Candidate]
    validation: dict[str, float]

    @property
    def best(self) -> str:
        return min(self.validation, key=lambda name: self.validation[name])

    def without(self, names: Collection[str]) -> "Simple":
        """Those that are none of these. The mean, or the frequencies, cannot be."""
        return Simple(
            candidates={name: each for name, each in self.candidates.items() if name not in names},
            validation={name: error for name, error in self.validation.items() if name not in names},
        )


def simple_predictors(searched: Searched, prepared: Prepared) -> Simple:
    """Compare the simple predictors on the rows that the confirmations held out.

    `bias` and `pmf` are as the search chose them. Without a searched `bias` damped means are fitted here, with the
    best of a few dampings (`seconds_to_compare`). Without a searched `pmf` there is none to compare.
    """
    complete = searched.complete()
    tuned = {name: searched.choices[name] for name in (BIAS, PMF) if name in searched.choices and name in complete}
    configs: list[Config] = [None] if BIAS in tuned else [None, *_dampings()]
    mean, *damped = _measured(configs, searched, prepared)
    found = {FREQUENCIES if searched.objective.measure.probabilities else MEAN: mean}
    if damped:
        found[BIAS] = min(damped, key=lambda candidate: float(np.mean(list(candidate.by_fold.values()))))
    found |= {
        name: Candidate(config=choice.config, by_fold=choice.by_fold, temperature=choice.temperature)
        for name, choice in tuned.items()
    }
    values = comparable({name: candidate.by_fold for name, candidate in found.items()})
    return Simple(candidates={name: found[name] for name in values}, validation=values)


def seconds_to_compare(searched: Searched, prepared: Prepared) -> float:
    """About how long that takes; 0 if the search has tuned `bias`."""
    ratings = len(prepared.split.train) + len(prepared.split.validation)
    return 0.0 if BIAS in searched.choices else SECONDS_PER_MILLION * ratings / 1e6


def _dampings() -> Iterator[dict[str, float]]:
    for user_damping, item_damping in product(DAMPINGS, DAMPINGS):
        yield {"user_damping": user_damping, "item_damping": item_damping}


def _measured(configs: list[Config], searched: Searched, prepared: Prepared) -> list[Candidate]:
    """Each configuration's error on each fold of the confirmations, by the metric that is searched for."""
    parts, kind = prepared.split, prepared.asked.split
    found: list[dict[int, tuple[float, float]]] = [{} for _ in configs]
    for number in range(1, 1 + SEEDS):
        train, held_out = fold(parts.train, parts.validation, number, kind=kind)
        for config, by_fold in zip(configs, found, strict=True):
            scored, noise = _scored(config, train, held_out, searched, prepared)
            by_fold[number] = searched.objective.of(scored.metrics.by_name()), noise
    return [
        Candidate(
            config=config,
            by_fold={number: error for number, (error, _) in by_fold.items()},
            temperature=float(np.exp(np.mean(np.log([noise for _, noise in by_fold.values()])))),
        )
        for config, by_fold in zip(configs, found, strict=True)
    ]


def simple_scores(
    simple: Simple, scores: dict[str, list[Scored]], rows: Rows, searched: Searched, prepared: Prepared
) -> dict[str, list[Scored]]:
    """The scores on these rows of the simple predictors, fitted on training and validation rows.

    Those that the search chose keep the scores of their refits.
    """
    return {
        name: scores[name]
        if name in scores
        else [_scored(candidate.config, prepared.split.fitting, rows, searched, prepared, candidate.temperature)[0]]
        for name, candidate in simple.candidates.items()
    }


def described(simple: Simple, scores: dict[str, list[Scored]]) -> SimplePredictors:
    """What `verdict.json` says of the simple predictors, from their scores on the test rows."""
    return SimplePredictors(
        best=simple.best,
        compared={
            name: SimplePredictor(
                config=dict(candidate.config) if candidate.config is not None else None,
                validation=simple.validation[name],
                test=mean_metrics(scores[name]),
            )
            for name, candidate in simple.candidates.items()
        },
    )


def _scored(
    config: Config,
    train: Rows,
    rows: Rows,
    searched: Searched,
    prepared: Prepared,
    temperature: float | None = None,
) -> tuple[Scored, float]:
    """Score the mean (without a configuration), or damped means, fitted on `train`; also the temperature.

    Without one, it is fitted on `rows`, as that of a trial on the rows that the trial held out.
    """
    shape, objective = prepared.shape, searched.objective
    if config is None and objective.measure.probabilities:
        logits, grid = _frequencies(train, shape.scale)
        return scored(logits.expand(len(rows), -1), grid, rows, shape, objective=objective, temperature=1.0), 1.0
    if config is None:
        values = np.full(len(rows), _mean(train))
    else:
        values = _rated(bias.Config.model_validate(config), train, rows, prepared)
    temperature = noise_of(values, rows, shape, objective=objective) if temperature is None else temperature
    return of_values(values, rows, shape, objective=objective, temperature=temperature), temperature


def _mean(train: Rows) -> float:
    if train.weights is not None:
        return float(np.average(train.ratings, weights=train.weights))
    return float(train.ratings.mean(dtype=np.float64))


def _frequencies(train: Rows, scale: Scale) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits, shape (1, values), and values of the observed ratings: log-frequencies, each value counted once more.

    Laplace's rule: a value that no row of `train` has must not be impossible.
    """
    counts = np.bincount(scale.nearest(train.ratings), weights=train.weights, minlength=len(scale.values)) + 1.0
    return torch.tensor(np.log(counts / counts.sum()))[None], torch.tensor(scale.values, dtype=torch.float64)


def _rated(config: bias.Config, train: Rows, rows: Rows, prepared: Prepared) -> np.ndarray:
    with one_thread():  # as in a worker: the same digits on every machine
        model = bias.Model(config, prepared.shape)
        model.see(on_device(train, torch.device("cpu")))
        pairs = on_device(rows, torch.device("cpu"))
        return predict(model, pairs.users, pairs.items).double().numpy()
