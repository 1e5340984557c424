"""Whether the data has the timestamps that a configuration needs: checked before anything starts."""

from collections.abc import Iterable

from reeltune.trainables.config import FitConfig
from reeltune.trainables.data.prepared import Prepared
from reeltune.trainables.errors import InputError


def check_times(configs: Iterable[FitConfig], prepared: Prepared) -> None:
    """Raise InputError where one of these is `timed` and a pair of the data has no timestamp."""
    fitted, tested = prepared.ratings.timed, prepared.split.test.timed
    if fitted and tested:
        return
    place = f"the test rows of {prepared.ratings.name}" if fitted else prepared.ratings.name
    untimed = "" if fitted else prepared.ratings.untimed
    why = f": {untimed}" if untimed else f", and {place} have none"
    for config in configs:
        if config.timed:
            what, way_out = _reason(config)
            raise InputError(f"{what} needs timestamps{why}; {way_out}")


def _reason(config: FitConfig) -> tuple[str, str]:
    """The setting that makes a configuration look at times, and what to do about it."""
    for name, field in type(config).model_fields.items():
        if not config.model_copy(update={name: field.default}).timed:
            return f"{name} = {getattr(config, name)!r}", f"use {name} = {field.default!r}"
    return "this architecture", "choose another"
