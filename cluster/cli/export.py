"""`reeltune export`."""

from pathlib import Path
from typing import Annotated

import typer

from reeltune.cluster.api.checks import DECODERS, EXPORTS, SeenData, either
from reeltune.cluster.cli import options as opt


def export(
    model: Annotated[str, typer.Argument(help="A model bundle: its folder or its URI."), SeenData()],
    to: Annotated[str, typer.Option(help=f"What the program is for: {either(EXPORTS)}.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The file to write: .pt2 for torch, .onnx for onnx.")],
    decoder: Annotated[
        str | None,
        typer.Option(help=f"What turns a prediction into a rating: {either(DECODERS)}. [default: the model's own]"),
    ] = None,
    architecture: opt.Source = None,
    changed_source: opt.ChangedSource = None,
    as_json: opt.Json = False,
) -> int:
    """Write a trained model as a program for PyTorch or ONNX, which rates pairs without reeltune."""
    from reeltune.cluster.api.options import export_asked
    from reeltune.cluster.cli import output as show
    from reeltune.cluster.commands.export import export_bundle
    from reeltune.cluster.runs.find import model_folder

    target, chosen = export_asked(to, decoder)
    own = opt.own_source(architecture, changed_source)
    done = export_bundle(model_folder(model), output, to=target, decoder=chosen, own=own)
    show.print_json(done) if as_json else show.exported(done)
    return 0
