"""The fits that are ordered once a search has chosen: its refits, the baseline's, and one for its temperature."""

from dataclasses import replace
from typing import Any

from reeltune.cluster.data_parallel.orders import FitOrder
from reeltune.cluster.judging.baseline import KEY, Baseline
from reeltune.cluster.judging.outcome import CALIBRATION
from reeltune.cluster.search.choice import SEEDS, Choice
from reeltune.trainables.architectures.parts.losses import ClassHeadConfig
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data.prepared import Prepared


def refits(
    choices: dict[str, Choice], prepared: Prepared, *, seed: int, baseline: Baseline
) -> dict[tuple[str, int], FitOrder]:
    """The baseline's fits and each architecture's, by name and seed."""
    wanted = {name: (name, choice.config) for name, choice in choices.items()}
    if baseline.kind == "reference":
        reference = ARCHITECTURES[baseline.name].reference(prepared.shape).model_dump()
        wanted = {KEY: (baseline.name, reference), **wanted}
    return refits_of(wanted, seed=seed)


def refits_of(wanted: dict[str, tuple[str, dict[str, Any]]], *, seed: int) -> dict[tuple[str, int], FitOrder]:
    """Fits of architectures and configurations, by name and place of the seed; the same fit is done once."""
    orders: dict[tuple[str, int], FitOrder] = {}
    for name, (architecture, config) in wanted.items():
        for place in range(SEEDS):
            same = (
                o for o in orders.values() if (o.architecture, o.config, o.seed) == (architecture, config, seed + place)
            )
            order = FitOrder(
                key=f"{name}, seed {seed + place}",
                architecture=architecture,
                config=config,
                seed=seed + place,
                rows="fitting",
            )
            orders[name, place] = next(same, order)
    return orders


def calibrations(orders: dict[tuple[str, int], FitOrder]) -> list[FitOrder]:
    """A fit of the baseline on training rows alone, for its temperature, if it has a class head."""
    refit = orders.get((KEY, 0))
    if refit is None or not issubclass(ARCHITECTURES[refit.architecture].Config, ClassHeadConfig):
        return []
    return [replace(refit, key=CALIBRATION, rows="training")]
