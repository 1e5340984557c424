"""The ensemble of what the search chose: its fits, weights, ratings and bundle. It is judged like an architecture."""

from dataclasses import asdict, replace

import numpy as np
import torch

from cluster import judged
from cluster.dealer import Choice
from cluster.judged import Scored
from cluster.prepared import Prepared
from cluster.searched import Searched
from cluster.train_group import FitOrder, Fitted
from trainables import ensemble
from trainables.data import Rows


def orders(choices: dict[str, Choice], *, seed: int) -> dict[str, FitOrder]:
    """A fit of each choice on training rows alone, by whose validation predictions the weights are fitted.

    One seed: with weights by three, the ensemble's error on MovieLens-100k changes by 0.0001.
    """
    if len(choices) < 2:
        return {}
    return {
        name: FitOrder(key=f"{name}, for the ensemble", architecture=name, config=choice.config, seed=seed)
        for name, choice in choices.items()
    }


def with_ensemble(searched: Searched, prepared: Prepared) -> Searched:
    """The search's outcome with the ensemble as one more choice, where there are two architectures to average."""
    complete = searched.complete()
    members = [n for n, o in searched.held_out.items() if n in complete and isinstance(searched.fitted[o.key], Fitted)]
    if len(members) < 2:
        return searched
    choice = _choice({name: held_out(searched, name, prepared) for name in members}, searched, prepared)
    architectures = [*searched.architectures, ensemble.NAME]
    return replace(searched, architectures=architectures, choices={**searched.choices, ensemble.NAME: choice})


def held_out(searched: Searched, name: str, prepared: Prepared) -> np.ndarray:
    """The validation rows' ratings by an architecture that was not trained on them."""
    order = searched.held_out[name]
    came = searched.fitted[order.key]
    assert isinstance(came, Fitted)
    scored = judged.score(
        order,
        came,
        prepared.split.validation,
        prepared.shape,
        decoder=searched.decoder,
        temperature=searched.temperature(name),
        averaged=searched.averaged(name),
    )
    return scored.averaged


def _choice(members: dict[str, np.ndarray], searched: Searched, prepared: Prepared) -> Choice:
    """Weights by all validation rows; metrics by weights that each row had no part in."""
    rows, predictions = prepared.split.validation, np.stack(list(members.values()))
    honest = ensemble.cross_fitted(predictions, rows.ratings, seed=searched.seed)
    metrics = judged.of_values(honest, rows, prepared.shape, decoder=searched.decoder).metrics
    weights = ensemble.weights(predictions, rows.ratings)
    return Choice(
        config={"weights": dict(zip(members, weights.tolist(), strict=True))},
        value=metrics.of(searched.decoder),
        metrics=asdict(metrics),
        temperature=1.0,
    )


def score(searched: Searched, members: dict[str, list[Scored]], rows: Rows, prepared: Prepared) -> Scored:
    """The ensemble of all refits: each architecture's seeds are averaged, and then the architectures."""
    weights = searched.choices[ensemble.NAME].config["weights"]
    each = {name: np.mean([fit.averaged.astype(np.float64) for fit in members[name]], axis=0) for name in weights}
    values = sum((weight * each[name] for name, weight in weights.items()), np.zeros(len(rows)))
    return judged.of_values(values, rows, prepared.shape, decoder=searched.decoder)


def packed(
    searched: Searched, refits: dict[str, list[tuple[FitOrder, Fitted]]]
) -> tuple[ensemble.Config, dict[str, torch.Tensor]]:
    """What the bundle holds: configuration and weights of the members that have a say."""
    weights = {n: weight for n, weight in searched.choices[ensemble.NAME].config["weights"].items() if weight > 0}
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
    return ensemble.Config(members=members), ensemble.packed(fits)
