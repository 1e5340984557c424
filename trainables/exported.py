"""A fitted model as a program that needs no reeltune: PyTorch's (`torch.export`), or ONNX.

It maps the indices of n pairs to n ratings, with the decoder and the clipping to the scale inside. A JSON file beside
it has the index of each id.
"""

import json
import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib.util import find_spec
from io import StringIO
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from reeltune.trainables.data.ids import Ids
from reeltune.trainables.errors import InputError
from reeltune.trainables.model import RatingModel
from reeltune.trainables.predictor import Predictor
from reeltune.trainables.scoring.decoders import Decoder, decode
from reeltune.trainables.version import __version__

SUFFIXES = {"torch": ".pt2", "onnx": ".onnx"}
SCHEMA = 1  # of the file of ids
INPUTS = ("user", "item", "time")
RATING = "rating"
OLDEST = (2, 13)  # PyTorch whose exporters the tests have run with
MOST_INSIDE = 1_500_000_000  # bytes of weights in an ONNX file itself: protobuf takes less than 2 GiB
UNTRACED = (RuntimeError, ValueError, TypeError, AssertionError, NotImplementedError)  # what PyTorch's exporters raise


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What was written: the program, the file of ids, and a file of weights where they are too large for the first."""

    program: Path
    ids: Path
    weights: Path | None
    inputs: tuple[str, ...]
    decoder: Decoder


class Rated(nn.Module):
    """A model and its decoder: indices of shape (n,), and times in seconds if it is timed, to ratings of shape (n,)."""

    def __init__(self, predictor: Predictor, decoder: Decoder) -> None:
        super().__init__()
        self.model: RatingModel = predictor.model.served()
        self.scale, self.decoder = predictor.scale, decoder
        self.temperature = predictor.description.temperature

    def forward(self, user: Tensor, item: Tensor, time: Tensor | None = None) -> Tensor:
        output = self.model(*self.model.inputs(user, item, time))
        return decode(output, self.model.grid, self.scale, decoder=self.decoder, temperature=self.temperature)


def check_target(to: str, output: Path) -> None:
    """Raise InputError, before any work, where the program cannot be written: nothing is ever replaced."""
    if not output.name.endswith(SUFFIXES[to]):
        raise InputError(f"-o {output}: expected a name that ends in {SUFFIXES[to]}, as --to {to} has")
    if not output.absolute().parent.is_dir():
        raise InputError(f"-o {output}: there is no folder {output.parent}")
    if not os.access(output.absolute().parent, os.W_OK | os.X_OK):
        raise InputError(f"-o {output}: the folder {output.parent} cannot be written")
    for file in (output, _ids_file(output), _weights_file(output)):
        if file.exists():
            raise InputError(f"-o {output}: {file} is there already: remove it, or name another")
    release = tuple(int(part) for part in torch.__version__.split(".")[:2])
    if release < OLDEST:
        raise InputError(f"--to {to}: needs PyTorch {OLDEST[0]}.{OLDEST[1]} or newer; found {torch.__version__}")
    lacking = [name for name in ("onnx", "onnxscript") if to == "onnx" and find_spec(name) is None]
    if lacking:
        raise InputError(f"--to onnx: needs {' and '.join(lacking)}: pip install 'reeltune[export]'")


def export(predictor: Predictor, output: Path, *, to: str, decoder: Decoder | None = None) -> Exported:
    """Write the program to `output`, and the ids beside it; `to` is a key of SUFFIXES.

    Raises InputError as `check_target`, and where `torch.export` cannot trace the model.
    """
    check_target(to, output)
    chosen = decoder or predictor.description.decoder
    traced = program(predictor, chosen)
    inputs = INPUTS if predictor.timed else INPUTS[:2]
    unfinished = Path(tempfile.mkdtemp(dir=output.absolute().parent, prefix=f".tmp-{output.name}-"))
    try:
        file = unfinished / output.name
        if to == "torch":
            with _quiet():
                torch.export.save(traced, file)
        else:
            _save_onnx(traced, file, inputs)
        _write_ids(predictor, unfinished / _ids_file(output).name, inputs, chosen)
        # The program comes last: where it is, the others are too.
        files = (_ids_file(output), _weights_file(output), output)
        written = [each for each in files if (unfinished / each.name).exists()]
        for each in written:
            os.replace(unfinished / each.name, each)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    weights = _weights_file(output) if _weights_file(output) in written else None
    return Exported(program=output, ids=_ids_file(output), weights=weights, inputs=inputs, decoder=chosen)


def program(predictor: Predictor, decoder: Decoder) -> ExportedProgram:
    """The model and its decoder, traced for any number of pairs. Raises InputError where it cannot be traced."""
    rated = Rated(predictor, decoder).eval()
    # Tensors of their own: of one tensor for two inputs the program would take one input.
    inputs = tuple(torch.zeros(2, dtype=torch.int64) for _ in range(3 if predictor.timed else 2))
    pairs = {0: Dim("pairs")}
    try:
        with _quiet(), torch.no_grad():
            return torch.export.export(rated, inputs, dynamic_shapes=tuple(pairs for _ in inputs))
    except UNTRACED as error:
        raise InputError(
            f"{predictor.description.architecture}: torch.export cannot trace this model, whose way through `forward` "
            f"may not hang on the values of tensors: {_reason(error)}"
        ) from None


def _save_onnx(traced: ExportedProgram, file: Path, inputs: tuple[str, ...]) -> None:
    """Write it for ONNX. Raises InputError where ONNX lacks something that the model does."""
    size = sum(tensor.nbytes for tensor in traced.state_dict.values())
    try:
        with _quiet():
            plain = traced.run_decompositions({torch.ops.aten.searchsorted.Tensor: _search})
            found = torch.onnx.export(plain, input_names=inputs, output_names=[RATING], dynamo=True, verbose=False)
            assert found is not None
            found.save(file, external_data=size > MOST_INSIDE)
    except UNTRACED as error:
        raise InputError(f"--to onnx: cannot say this model in ONNX (--to torch can): {_reason(error)}") from None


def _reason(error: BaseException) -> str:
    """The first line of an error, or of the one that it comes from."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def _search(ascending: Tensor, values: Tensor) -> Tensor:
    """`torch.searchsorted`, which ONNX lacks, by bisection: for each value how many numbers are below it."""
    low = torch.zeros_like(values)
    high = torch.full_like(values, len(ascending))
    for _ in range(len(ascending).bit_length()):
        middle = (low + high) // 2
        below = (ascending[middle.clamp(max=len(ascending) - 1)] < values) & (middle < high)
        low, high = torch.where(below, middle + 1, low), torch.where(below, high, middle)
    return low


def _write_ids(predictor: Predictor, file: Path, inputs: tuple[str, ...], decoder: Decoder) -> None:
    content = {
        "schema": SCHEMA,
        "reeltune": __version__,
        "architecture": predictor.description.architecture,
        "inputs": inputs,
        "output": RATING,
        "decoder": decoder,
        "low": predictor.scale.low,
        "high": predictor.scale.high,
        "unknown": 0,
        "users": _indices(predictor.users),
        "items": _indices(predictor.items),
    }
    file.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def _indices(ids: Ids) -> dict[str, int]:
    return {each: index for index, each in enumerate(ids.text.tolist(), 1)}


def _ids_file(output: Path) -> Path:
    return output.with_name(f"{output.name}.ids.json")


def _weights_file(output: Path) -> Path:
    """Where `torch.onnx` puts weights that are too large for the program's own file."""
    return output.with_name(f"{output.name}.data")


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what PyTorch's exporters log, print and warn of: packages that they miss, pages on what has no trace."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
