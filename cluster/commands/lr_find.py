"""`reeltune lr-find`: the learning-rate range test and its plot."""

from collections.abc import Callable
from pathlib import Path

from reeltune.cluster.commands.train_options import TrainOptions, configured, resolved
from reeltune.trainables.data.prepared import prepare
from reeltune.trainables.errors import InputError
from reeltune.trainables.fitting.range_test import RangeTest, range_test
from reeltune.trainables.fitting.threads import one_thread
from reeltune.trainables.fitting.weighted import check_weights
from reeltune.trainables.writable import obstacle

PICTURES = (".png", ".svg", ".pdf")


def lr_find(options: TrainOptions, picture: Path, say: Callable[[str], None]) -> RangeTest:
    """Run the range test on training rows and write its plot; `say` gets what the data is and how it was read.

    Raises InputError if the picture cannot be written.
    """
    if picture.suffix not in PICTURES:
        raise InputError(f"-o {picture}: expected a name that ends in {' or '.join(PICTURES)}")
    if (why := obstacle(picture)) is not None:
        raise InputError(f"-o {picture}: {why}; name another file")
    options, registry = resolved(options)
    prepared = prepare(options.data)
    say(prepared.summary())
    config = configured(options, prepared.shape, registry)
    check_weights([(registry[options.architecture], config)], prepared)
    with one_thread():  # as the fit that the rate is for: more threads only wait for each other in such small steps
        found = range_test(
            registry[options.architecture], config, prepared.shape, prepared.split.train, seed=options.seed
        )
    _plot(found, options.architecture, picture)
    return found


def _plot(found: RangeTest, name: str, picture: Path) -> None:
    from matplotlib.figure import Figure  # takes a second to load; without pyplot, whose backend may be a notebook's

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(found.rates, found.losses, color="black")
    axes.axvline(found.valley, color="black", linestyle="--", label=f"valley: {found.valley:.1e}")
    axes.set(xscale="log", xlabel="learning rate", ylabel="training loss (smoothed)", title=name)
    axes.legend()
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, dpi=120)
