"""What a bundle says of its model: the content of its `config.json`."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from reeltune.trainables.architectures.source import Source
from reeltune.trainables.config import FitConfig
from reeltune.trainables.data.scale import Scale
from reeltune.trainables.scoring.decoders import Decoder, KnownDecoder
from reeltune.trainables.version import __version__


class Description(BaseModel):
    """The content of `config.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    format: Literal[2] = 2
    architecture: str
    config: dict[str, Any]
    values: list[float] = Field(min_length=2)  # the rating values of the training data, ascending
    step: float
    lattice: bool
    decoder: KnownDecoder
    temperature: float
    seed: int
    data: str
    metrics: dict[str, dict[str, float | None] | None] = {}
    sources: dict[str, str] = {}  # by name, the SHA-256 of the source of each architecture that is none of reeltune's
    reeltune: str = __version__

    def scale(self) -> Scale:
        return Scale(
            values=tuple(self.values),
            low=self.values[0],
            high=self.values[-1],
            step=self.step,
            lattice=self.lattice,
        )


def describe(
    architecture: str,
    config: FitConfig,
    scale: Scale,
    *,
    decoder: Decoder,
    temperature: float,
    seed: int,
    data: str,
    metrics: dict[str, dict[str, float | None] | None],
    sources: Mapping[str, Source] | None = None,
) -> Description:
    """`sources`: those of the architectures, or of the ensemble's members, that are none of reeltune's."""
    return Description(
        architecture=architecture,
        config=config.model_dump(),
        values=list(scale.values),
        step=scale.step,
        lattice=scale.lattice,
        decoder=decoder,
        temperature=temperature,
        seed=seed,
        data=data,
        metrics=metrics,
        sources={name: source.hash for name, source in (sources or {}).items()},
    )
