"""`reeltune export`: writes a fitted model as a program that needs no reeltune."""

from pathlib import Path

from reeltune.cluster.runs.stored import Stored
from reeltune.trainables.architectures.kept_source import NO_SOURCE, OwnSource
from reeltune.trainables.bundle import load_own
from reeltune.trainables.exported import Exported, check_target, export
from reeltune.trainables.scoring.decoders import Decoder


class ExportDescription(Stored):
    """What `export --json` prints."""

    output: str
    ids: str
    weights: str | None  # a file beside the output, where the weights are too large for it
    inputs: list[str]
    decoder: str

    @classmethod
    def of(cls, done: Exported) -> "ExportDescription":
        return cls(
            output=str(done.program),
            ids=str(done.ids),
            weights=None if done.weights is None else str(done.weights),
            inputs=list(done.inputs),
            decoder=done.decoder,
        )


def export_bundle(
    model: Path, output: Path, *, to: str, decoder: Decoder | None = None, own: OwnSource = NO_SOURCE
) -> ExportDescription:
    """Write a bundle's model to `output`. Raises InputError as `load_own` and `exported.export`."""
    check_target(to, output)
    return ExportDescription.of(export(load_own(model, own), output, to=to, decoder=decoder))
