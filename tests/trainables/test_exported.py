"""Models as programs for PyTorch and ONNX, which give what `predict` gives, without reeltune."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import reeltune as rt
from reeltune.cluster.api.checks import EXPORTS
from reeltune.trainables import bundle, exported
from reeltune.trainables.architectures import ENSEMBLE, ensemble
from reeltune.trainables.architectures.parts.days import DAY
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data import load_data
from reeltune.trainables.errors import InputError
from reeltune.trainables.fitting import loop
from reeltune.trainables.fitting.fit import Fit
from reeltune.trainables.folding.prior import learnt
from reeltune.trainables.scoring.decoders import DECODERS
from tests import inside
from tests.worlds import shape_of, small_config

pytestmark = pytest.mark.skipif(
    tuple(map(int, torch.__version__.split(".")[:2])) < exported.OLDEST, reason="of this PyTorch nothing is exported"
)
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "using-the-model.md").read_text()
[EXAMPLE] = re.findall(r"```python\n(import json\n.+?)```", PAGE, re.S)
WITH_TIME = {"day": "svdpp", "residual": "svdpp_ordinal"}  # by what `time` is

MEMBERS = ("svdpp", "classifier")  # of the ensemble
FOLDING = ("pmf", "svdpp_classifier")  # bundles with priors


@pytest.fixture(scope="module")
def data():
    return load_data("synthetic:users=30,items=20,ratings=400")


@pytest.fixture(scope="module")
def bundle_of(tmp_path_factory, data):
    """The folder of a model's bundle, by its name: an architecture's, an ensemble's, or what its `time` is."""
    folder, fits = tmp_path_factory.mktemp("models"), {}

    def fitted(name):
        if name not in fits:
            settings = {"time": name} if name in WITH_TIME else {}
            of = WITH_TIME.get(name, name)
            fits[name] = Fit(ARCHITECTURES[of], small_config(of, **settings), shape_of(data), data.rows, seed=1)
            list(loop.run(fits[name]))
        return fits[name]

    def state(name):
        return fitted(name).model.served().state_dict()

    def config(name):
        if name != ENSEMBLE:
            return fitted(name).config
        about = {"weight": 0.5, "temperature": 1.3, "decoder": "median"}
        members = {each: {**about, "config": fitted(each).config.model_dump()} for each in MEMBERS}
        return ensemble.Config.model_validate({"members": members})

    def bundle_of(name):
        if not (folder / name).exists():
            weights = ensemble.packed({each: [state(each)] for each in MEMBERS}) if name == ENSEMBLE else state(name)
            about = {"decoder": "mean", "temperature": 1.3, "seed": 1, "data": data.name, "metrics": {}}
            description = bundle.describe(WITH_TIME.get(name, name), config(name), shape_of(data).scale, **about)
            priors = learnt(fitted(name).model, fitted(name).rows, seed=1) if name in FOLDING else None
            bundle.save(folder / name, description, weights, data.users, data.items, fitted=data.rows, priors=priors)
        return folder / name

    return bundle_of


def ratings_of(program, pairs, times):
    """What an exported program rates these pairs of ids, looked up in the file beside it."""
    ids = json.loads(program.with_name(f"{program.name}.ids.json").read_text())
    index = {kind: np.array([ids[f"{kind}s"].get(each, 0) for each in pairs[kind]]) for kind in ("user", "item")}
    columns = {**index, "time": times}
    given = {name: columns[name].astype(np.int64) for name in ids["inputs"]}
    if program.suffix == ".onnx":
        from onnxruntime import InferenceSession

        [found] = InferenceSession(program).run(["rating"], given)
        return found
    with torch.no_grad():
        return torch.export.load(program).module()(*map(torch.from_numpy, given.values())).numpy()


def compared(model, program, data):
    """Ratings by the program and by the model, of all fitted pairs, of unknown ids, of one pair and of none."""
    rows = data.rows
    users = np.append(data.users.text[rows.users - 1], ["nobody", "nobody", "u1"])
    items = np.append(data.items.text[rows.items - 1], ["i1", "nothing", "nothing"])
    # The last second of each day, which in numbers of 32 bits would be the next day's first.
    times = np.append(rows.timestamps // DAY * DAY + DAY - 1, [1_500_000_000] * 3)
    for some in (slice(None), slice(1), slice(0)):
        pairs = {"user": users[some], "item": items[some]}
        found = ratings_of(program, pairs, times[some])
        expected = model.predict(pairs["user"], pairs["item"], times[some] if model.timed else None)
        yield found, expected


def check(model, program, data):
    for found, expected in compared(model, program, data):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_what_can_be_asked_for_is_what_there_is():
    assert set(EXPORTS) == exported.SUFFIXES.keys()


@pytest.fixture(scope="module")
def in_onnx(tmp_path_factory, bundle_of):
    """A model, and its program for ONNX as the command line writes it."""
    pytest.importorskip("onnxscript", reason="of the extra `export`")
    output = tmp_path_factory.mktemp("onnx") / "model.onnx"
    done = inside.reeltune("export", str(bundle_of("svdpp")), "--to", "onnx", "-o", str(output))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"model in {output}, by the decoder mean",
        f"indices of users and items in {output}.ids.json",
        "inputs: user, item (int64, one number for each pair); output: rating (float32)",
    ]
    return rt.load(bundle_of("svdpp")), output


def test_a_program_for_onnx_rates_pairs_as_predict_does(in_onnx, data):
    check(*in_onnx, data)


def test_the_example_of_the_page_rates_pairs_without_reeltune(in_onnx):
    model, output = in_onnx
    code = f"{EXAMPLE}\nimport sys\nassert not {{'reeltune', 'torch'}} & set(sys.modules)\n"
    code = code.replace('"196"', '"u1"').replace('"Heat (1995)"', '"i1"')
    done = subprocess.run([sys.executable, "-c", code], cwd=output.parent, capture_output=True, text=True, check=True)
    found = [float(number) for number in re.findall(r"\d+\.\d+", done.stdout)]
    assert found == pytest.approx(model.predict(["u1", "nobody"], ["i1", "i1"]), abs=1e-4)


def test_nothing_is_replaced_and_no_folder_made(in_onnx, bundle_of, tmp_path):
    model, output = in_onnx
    for change, said in [
        (output, f"{output} is there already: remove it, or name another"),
        (output.with_suffix(".pt2"), "expected a name that ends in .onnx, as --to onnx has"),
        (tmp_path / "no" / "model.onnx", f"there is no folder {tmp_path / 'no'}"),
    ]:
        with pytest.raises(InputError, match=re.escape(said)):
            model.export(change, to="onnx")
    (tmp_path / "model.pt2.ids.json").write_text("mine")
    done = inside.reeltune("export", str(bundle_of("svdpp")), "--to", "torch", "-o", str(tmp_path / "model.pt2"))
    assert done.returncode == 2
    assert "model.pt2.ids.json is there already" in done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["model.pt2.ids.json"]
    with pytest.raises(InputError, match="--to 'tea': expected torch or onnx"):
        model.export(tmp_path / "model.pt2", to="tea")


@pytest.mark.slow
def test_weights_too_large_for_the_file_go_beside_it(bundle_of, data, tmp_path, monkeypatch):
    pytest.importorskip("onnxscript", reason="of the extra `export`")
    monkeypatch.setattr(exported, "MOST_INSIDE", 10)
    model = rt.load(bundle_of("bias"))
    done = model.export(tmp_path / "model.onnx", to="onnx")
    assert done.weights == tmp_path / "model.onnx.data"
    check(model, done.program, data)


def test_a_model_that_cannot_be_traced_is_one_line(bundle_of, tmp_path, capfd):
    model = rt.load(bundle_of("residual"))
    with pytest.raises(InputError, match=r"svdpp_ordinal: torch\.export cannot trace this model, whose way") as caught:
        model.export(tmp_path / "model.pt2", to="torch")
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["pmf", pytest.param("svdpp_classifier", marks=pytest.mark.slow)])
def test_a_program_for_pytorch_rates_new_users_too_as_predict_does(name, bundle_of, data, tmp_path):
    model = rt.load(bundle_of(name)).fold_in(user={"i1": 5, "i2": 1})
    done = model.export(tmp_path / "model.pt2", to="torch")
    assert (done.inputs, done.weights) == (("user", "item"), None)
    check(model, done.program, data)
    found = ratings_of(done.program, {"user": ["new user"], "item": ["i3"]}, None)
    assert found == pytest.approx(model.predict("new user", "i3"), abs=1e-5)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("to", EXPORTS)
@pytest.mark.parametrize("name", [*ARCHITECTURES, ENSEMBLE, "day"])
def test_every_architecture_and_decoder_rates_as_predict_does(bundle_of, data, tmp_path, name, to):
    model = rt.load(bundle_of(name))
    for decoder in DECODERS:
        done = model.export(tmp_path / f"{decoder}{exported.SUFFIXES[to]}", to=to, decoder=decoder)
        model.description = model.description.model_copy(update={"decoder": decoder})
        check(model, done.program, data)
