"""The ensemble of the chosen architectures: weights, ratings and bundle. It is judged like an architecture."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import reduce

import numpy as np
import torch

from reeltune.cluster.data_parallel.orders import FitOrder, Fitted
from reeltune.cluster.judging.outcome import Searched
from reeltune.cluster.judging.scores import Scored, noise_of, of_values
from reeltune.cluster.runs import out_of_fold
from reeltune.cluster.runs.folder import RunFolder
from reeltune.cluster.search.choice import Choice, often
from reeltune.cluster.search.trial_fit import KEPT
from reeltune.trainables.architectures import ENSEMBLE, ensemble
from reeltune.trainables.data import Rows, fold
from reeltune.trainables.data.prepared import Prepared
from reeltune.trainables.scoring.decoders import Decoder


def with_ensemble(searched: Searched, prepared: Prepared, folder: RunFolder) -> Searched:
    """Add the ensemble to the choices, if there are at least two architectures to average.

    Its weights are fitted to the ratings that the confirmations gave the rows they held out, so its validation error
    is on the same rows as the architectures'. In a search on a sample these are the folds that all members have. An
    architecture that lost a confirmation or a refit is left out.
    """
    found = {name: held_out_ratings(searched, name, folder) for name in searched.complete() if name in searched.choices}
    members = {name: ratings for name, ratings in found.items() if ratings is not None}
    if len(members) < 2:
        return searched
    choice = _choice(members, searched, prepared)
    architectures = [*searched.architectures, ENSEMBLE]
    return replace(searched, architectures=architectures, choices={**searched.choices, ENSEMBLE: choice})


def held_out_ratings(
    searched: Searched, name: str, folder: RunFolder, *, by: Decoder | None = None
) -> dict[int, np.ndarray] | None:
    """An architecture's ratings of the held-out rows, by fold and each of shape (rows,); None if a fold was lost.

    They are those that the ensemble takes, or by this decoder of KEPT. In a search on a sample they need not be of
    more folds than the first ones (see `often`).
    """
    choice = searched.choices[name]
    if len(choice.trials) < often(searched.ledger, name):
        return None
    found = zip(choice.by_fold, (out_of_fold.read(folder.store, trial) for trial in choice.trials), strict=True)
    place = KEPT.index(by or searched.averaged(name))
    ratings = {number: each[place] for number, each in found if each is not None}
    return ratings if len(ratings) == len(choice.trials) else None


def common_folds(members: Iterable[Mapping[int, np.ndarray]]) -> list[int]:
    """The numbers of the folds that all of these ratings have, in order."""
    return sorted(set.intersection(*map(set, members)))


def stacked(members: Iterable[Mapping[int, np.ndarray]], folds: Iterable[int]) -> np.ndarray:
    """The ratings of these folds, one fold after the other, shape (members, rows)."""
    numbers = list(folds)
    return np.stack([np.concatenate([ratings[number] for number in numbers]) for ratings in members])


def held_out_rows(prepared: Prepared, folds: Iterable[int]) -> Rows:
    """The rows that the confirmations of these folds held out, one fold after the other."""
    parts, kind = prepared.split, prepared.asked.split
    return reduce(Rows.joined, (fold(parts.train, parts.validation, number, kind=kind)[1] for number in folds))


def _choice(members: dict[str, dict[int, np.ndarray]], searched: Searched, prepared: Prepared) -> Choice:
    """Weights fitted on all rows that each member held out; metrics by cross-fitting.

    So no row is rated by weights that it shaped.
    """
    numbers = common_folds(members.values())
    rows, predictions = held_out_rows(prepared, numbers), stacked(members.values(), numbers)
    honest = ensemble.cross_fitted(predictions, rows.ratings, rows.number, seed=searched.seed, often=rows.weights)
    objective = searched.objective
    noise = noise_of(honest, rows, prepared.shape, objective=objective)

    def measured(ratings: np.ndarray, held_out: Rows) -> dict[str, float | None]:
        found = of_values(ratings, held_out, prepared.shape, objective=objective, temperature=noise)
        return found.metrics.by_name()

    metrics = measured(honest, rows)
    weights = ensemble.weights(predictions, rows.ratings, rows.weights)
    lengths = [len(next(iter(members.values()))[number]) for number in numbers]
    folds = np.split(np.arange(len(rows)), np.cumsum(lengths)[:-1])
    return Choice(
        config={"weights": dict(zip(members, weights.tolist(), strict=True))},
        value=objective.of(metrics),
        metrics=metrics,
        temperature=noise,
        by_fold={
            number: objective.of(measured(honest[each], rows.take(each)))
            for number, each in zip(numbers, folds, strict=True)
        },
    )


def score(searched: Searched, members: dict[str, list[Scored]], rows: Rows, prepared: Prepared) -> Scored:
    """Score the ensemble of all refits: average each architecture's seeds, then the architectures, weighted."""
    weights = {name: weight for name, weight in searched.choices[ENSEMBLE].config["weights"].items() if weight > 0}
    each = {name: np.mean([fit.averaged.astype(np.float64) for fit in members[name]], axis=0) for name in weights}
    values = sum((weight * each[name] for name, weight in weights.items()), np.zeros(len(rows)))
    noise = searched.temperature(ENSEMBLE)
    return of_values(values, rows, prepared.shape, objective=searched.objective, temperature=noise)


def packed(
    searched: Searched, refits: dict[str, list[tuple[FitOrder, Fitted]]]
) -> tuple[ensemble.Config, dict[str, torch.Tensor]]:
    """The bundle's configuration and its tensors by name, of the members with a nonzero weight."""
    weights = {n: weight for n, weight in searched.choices[ENSEMBLE].config["weights"].items() if weight > 0}
    members = {
        name: ensemble.Member(
            weight=weight,
            config=refits[name][0][0].config,
            fits=len(refits[name]),
            decoder=searched.averaged(name),
            temperature=searched.temperature(name),
        )
        for name, weight in weights.items()
    }
    fits = {name: [fitted.weights for _, fitted in refits[name]] for name in members}
    config = ensemble.Config.model_validate({"members": members}, context={"registry": searched.registry})
    return config, ensemble.packed(fits)


def packed_priors(searched: Searched, refits: dict[str, list[tuple[FitOrder, Fitted]]]) -> dict[str, torch.Tensor]:
    """The priors of the members' rows by name; none without an ensemble, or if a fit of a member has none."""
    if ENSEMBLE not in searched.choices:
        return {}
    weights = searched.choices[ENSEMBLE].config["weights"]
    fits = {name: [fitted.priors for _, fitted in refits[name]] for name, weight in weights.items() if weight > 0}
    return ensemble.packed(fits) if all(all(priors) for priors in fits.values()) else {}
