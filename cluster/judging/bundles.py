"""Writes a run's model bundles: those of its refits, and the ensemble's."""

import shutil

import torch

from reeltune.cluster.data_parallel.orders import FitOrder, Fitted
from reeltune.cluster.judging.ensemble import packed, packed_priors
from reeltune.cluster.judging.outcome import Searched
from reeltune.cluster.judging.spread import spread
from reeltune.cluster.report.words import baseline_error, baseline_label
from reeltune.cluster.runs.answer import ArchitectureResult, Result
from reeltune.cluster.runs.folder import RunFolder
from reeltune.trainables.architectures import ENSEMBLE, ensemble
from reeltune.trainables.bundle import describe, save
from reeltune.trainables.config import FitConfig
from reeltune.trainables.data.prepared import Prepared
from reeltune.trainables.description import Judged, fitted_on
from reeltune.trainables.scoring.metric_table import Objective


def write_bundles(
    refits: dict[str, list[tuple[FitOrder, Fitted]]],
    result: Result,
    searched: Searched,
    prepared: Prepared,
    folder: RunFolder,
    *,
    look: int,
) -> None:
    """Write the bundles of the first seed's refits, and that of the ensemble of all refits.

    `look` is which look at the test rows gave the result, counting from 1.
    """
    kept: dict[str, tuple[FitConfig, dict[str, torch.Tensor]]] = {
        name: (searched.registry[name].Config.model_validate(order.config), fitted.weights)
        for name, [(order, fitted), *_] in refits.items()
        if name in searched.choices
    }
    if ENSEMBLE in searched.choices:
        kept[ENSEMBLE] = packed(searched, refits)
    for name in {*searched.architectures, ENSEMBLE} - kept.keys():  # what else is in the folder is the user's
        if folder.model(name).is_dir():  # left by this search before its resume; now that refit is lost
            shutil.rmtree(folder.model(name))
    priors = {name: fits[0][1].priors for name, fits in refits.items()} | {ENSEMBLE: packed_priors(searched, refits)}
    fitting = prepared.split.fitting
    data = fitted_on(prepared, len(fitting))
    for name, (config, weights) in kept.items():
        members = config.members if isinstance(config, ensemble.Config) else (name,)
        sources = {each: searched.registry.sources[each] for each in members if each in searched.registry.sources}
        description = describe(
            name,
            config,
            prepared.shape.scale,
            decoder=searched.decoder,
            temperature=searched.temperature(name),
            seed=searched.seed,
            data=prepared.ratings.name,
            metric=searched.metric,
            metrics={"validation": result.architectures[name].validation, "test": result.architectures[name].test},
            sources=sources,
            fitted_on=data,
            judged=_judged(result.architectures[name], result, searched.objective, look),
            spread=spread(searched, name, prepared, folder),
        )
        users, items = prepared.ratings.users, prepared.ratings.items
        save(
            folder.model(name), description, weights, users, items, fitted=fitting, sources=sources, priors=priors[name]
        )


def _judged(found: ArchitectureResult, result: Result, objective: Objective, look: int) -> Judged | None:
    """The verdict, as the bundle keeps it; None where there is none."""
    against = baseline_error(result, objective.decoder)
    if found.test is None or found.verdict is None or against is None:
        return None
    return Judged(
        metric=objective.label,
        error=objective.of(found.test),
        baseline=baseline_label(result.baseline),
        baseline_error=against,
        gain=found.gain,
        ci95=found.ci95,
        verdict=found.verdict,
        look=look,
    )
