"""The fits to do once a search has chosen: its refits, the baseline's, and one for the baseline's temperature."""

from dataclasses import replace

from reeltune.cluster.data_parallel.orders import FitOrder
from reeltune.cluster.judging.baseline import KEY, Baseline
from reeltune.cluster.judging.outcome import CALIBRATION
from reeltune.cluster.search.choice import SEEDS, Choice
from reeltune.trainables.architectures.heads import has_classes
from reeltune.trainables.architectures.registry import SHIPPED, Registry
from reeltune.trainables.config import Configuration, Shard
from reeltune.trainables.data.prepared import Prepared
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.scoring.metric_table import METRICS, Metric


def refits(
    choices: dict[str, Choice],
    prepared: Prepared,
    *,
    seed: int,
    baseline: Baseline,
    registry: Registry = SHIPPED,
    shard: Shard | None = None,
) -> dict[tuple[str, int], FitOrder]:
    """The baseline's refits and each architecture's, by name and number of the seed, from 0."""
    wanted = {name: (name, choice.config) for name, choice in choices.items()}
    if baseline.kind == "reference":
        reference = registry[baseline.name].reference(prepared.shape).as_json()
        wanted = {KEY: (baseline.name, reference), **wanted}
    return refits_of(wanted, seed=seed, shard=shard)


def refits_of(
    wanted: dict[str, tuple[str, Configuration]], *, seed: int, shard: Shard | None = None
) -> dict[tuple[str, int], FitOrder]:
    """Refits of (architecture, configuration) pairs, by name and number of the seed; equal fits share one order."""
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
                shard=shard,
            )
            orders[name, place] = next(same, order)
    return orders


def calibrations(
    orders: dict[tuple[str, int], FitOrder], shape: Shape, registry: Registry = SHIPPED, *, metric: Metric = "mse"
) -> list[FitOrder]:
    """The baseline's fit on training rows only, to fit a temperature on validation rows.

    None if there is none to fit: the baseline has a scalar head, and the metric is none of probabilities.
    """
    refit = orders.get((KEY, 0))
    if refit is None:
        return []
    probabilities = METRICS[metric].probabilities or has_classes(registry[refit.architecture], refit.config, shape)
    if not probabilities:
        return []
    return [replace(refit, key=CALIBRATION, rows="training")]
