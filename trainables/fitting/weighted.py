"""Whether a fit can count rows by their weights: checked before anything starts."""

from collections.abc import Iterable

from reeltune.trainables.architectures.source import file_of
from reeltune.trainables.config import FitConfig
from reeltune.trainables.data.columns import COLUMN_OPTIONS
from reeltune.trainables.data.prepared import Prepared
from reeltune.trainables.errors import InputError
from reeltune.trainables.model import Architecture, has_row_losses


def check_weights(fits: Iterable[tuple[Architecture, FitConfig]], prepared: Prepared) -> None:
    """Raise InputError where the rows have weights and one of these fits would not know of them."""
    if not prepared.ratings.weighted:
        return
    option = f"{COLUMN_OPTIONS['weight']} {prepared.ratings.columns['weight']}"
    for architecture, config in fits:
        if not has_row_losses(architecture.Model):
            name = file_of(architecture) or architecture.__name__.rpartition(".")[2]
            raise InputError(
                f"{option}: {name} has the mean loss of a batch alone; give its Model `row_losses(output, ratings)`, "
                "the loss of each row (docs/own-architectures.md), or leave it or the weights out"
            )
        if not config.takes_weights:
            raise InputError(f"{option}: {_setting(config)} takes no weights; leave one of the two out")


def _setting(config: FitConfig) -> str:
    """The setting with which a configuration takes no weights."""
    for name, field in type(config).model_fields.items():
        if config.model_copy(update={name: field.default}).takes_weights:
            return f"{name} = {getattr(config, name)!r}"
    return "this configuration"
