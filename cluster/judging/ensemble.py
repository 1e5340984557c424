"""The ensemble of the chosen architectures: weights, ratings and bundle. It is judged like an architecture."""

from dataclasses import replace
from functools import reduce

import numpy as np
import torch

from reeltune.cluster.data_parallel.orders import FitOrder, Fitted
from reeltune.cluster.judging.outcome import Searched
from reeltune.cluster.judging.scores import Scored, noise_of, of_values
from reeltune.cluster.runs import out_of_fold
from reeltune.cluster.runs.folder import RunFolder
from reeltune.cluster.search.choice import SEEDS, Choice
from reeltune.cluster.search.trial_fit import KEPT
from reeltune.trainables.architectures import ENSEMBLE, ensemble
from reeltune.trainables.data import Rows, fold
from reeltune.trainables.data.prepared import Prepared
from reeltune.trainables.scoring.decoders import Decoder


def with_ensemble(searched: Searched, prepared: Prepared, folder: RunFolder) -> Searched:
    """Add the ensemble to the choices, if there are at least two architectures to average.

    Its weights are fitted to the ratings that the confirmations gave the rows they held out, so its validation error
    is on the same rows as the architectures'. An architecture that lacks a confirmation or a refit is left out.
    """
    found = {name: held_out_ratings(searched, name, folder) for name in searched.complete() if name in searched.choices}
    members = {name: ratings for name, ratings in found.items() if ratings is not None}
    if len(members) < 2:
        return searched
    choice = _choice(members, held_out_rows(prepared), searched, prepared)
    architectures = [*searched.architectures, ENSEMBLE]
    return replace(searched, architectures=architectures, choices={**searched.choices, ENSEMBLE: choice})


def held_out_ratings(
    searched: Searched, name: str, folder: RunFolder, *, by: Decoder | None = None
) -> np.ndarray | None:
    """An architecture's ratings of the held-out rows, shape (rows,), fold after fold; None if a fold is missing.

    They are those that the ensemble takes, or by this decoder of KEPT.
    """
    found = [out_of_fold.read(folder.store, trial) for trial in searched.choices[name].trials]
    ratings = [each for each in found if each is not None]
    if len(ratings) < SEEDS:
        return None
    place = KEPT.index(by or searched.averaged(name))
    return np.concatenate([each[place] for each in ratings])


def held_out_rows(prepared: Prepared) -> Rows:
    """The rows that the confirmations held out, fold after fold."""
    return reduce(Rows.joined, _folds(prepared))


def _folds(prepared: Prepared) -> list[Rows]:
    parts, kind = prepared.split, prepared.asked.split
    return [fold(parts.train, parts.validation, 1 + number, kind=kind)[1] for number in range(SEEDS)]


def _choice(members: dict[str, np.ndarray], rows: Rows, searched: Searched, prepared: Prepared) -> Choice:
    """Weights fitted on all held-out rows; metrics by cross-fitting, so that no row is rated by weights it shaped."""
    predictions = np.stack(list(members.values()))
    honest = ensemble.cross_fitted(predictions, rows.ratings, rows.number, seed=searched.seed, often=rows.weights)
    objective = searched.objective
    noise = noise_of(honest, rows, prepared.shape, objective=objective)

    def measured(ratings: np.ndarray, held_out: Rows) -> dict[str, float | None]:
        found = of_values(ratings, held_out, prepared.shape, objective=objective, temperature=noise)
        return found.metrics.by_name()

    metrics = measured(honest, rows)
    weights = ensemble.weights(predictions, rows.ratings, rows.weights)
    folds = np.split(np.arange(len(rows)), np.cumsum([len(each) for each in _folds(prepared)])[:-1])
    return Choice(
        config={"weights": dict(zip(members, weights.tolist(), strict=True))},
        value=objective.of(metrics),
        metrics=metrics,
        temperature=noise,
        by_fold={
            number: objective.of(measured(honest[each], rows.take(each))) for number, each in enumerate(folds, start=1)
        },
    )


def score(searched: Searched, members: dict[str, list[Scored]], rows: Rows, prepared: Prepared) -> Scored:
    """Score the ensemble of all refits: average each architecture's seeds, then the architectures, weighted."""
    weights = searched.choices[ENSEMBLE].config["weights"]
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
