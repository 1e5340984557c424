import json
import os
import pickle
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from reeltune import load
from reeltune.trainables import bundle
from reeltune.trainables.architectures.registry import resolve
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data import Ids
from reeltune.trainables.description import Judged
from reeltune.trainables.errors import InputError
from reeltune.trainables.fitting import loop
from reeltune.trainables.fitting.fit import Fit
from reeltune.trainables.scoring.decoders import DECODERS, decode
from reeltune.trainables.scoring.metrics import predict
from tests import two_towers
from tests.worlds import config_of, shape_of

EVERY = pytest.mark.parametrize("name", ARCHITECTURES)
FILES = ["config.json", "items.parquet", "model.safetensors", "users.parquet"]
ALL = ["README.md", *FILES]
STANDING = Judged(
    metric="argmax-MSE",
    error=0.76,
    baseline="baseline (pmf, reference)",
    baseline_error=0.81,
    gain=0.05,
    ci95=(0.04, 0.06),
    verdict="beats",
    look=1,
)


def fitted(name, data):
    config = config_of(name, batch_size=128, epochs=1)
    fit = Fit(ARCHITECTURES[name], config, shape_of(data), data.rows, seed=1)
    list(loop.run(fit))
    return fit


def described(name, fit, **changes):
    settings = {"decoder": "mean", "temperature": 1.5, "seed": 1, "data": "two tastes", "metrics": {"test": None}}
    return bundle.describe(name, fit.config, fit.shape.scale, **{**settings, **changes})


def saved(path, name, data, *, users=None, items=None, **changes):
    fit = fitted(name, data)
    weights = fit.model.served().state_dict()
    bundle.save(
        path, described(name, fit, **changes), weights, users or data.users, items or data.items, fitted=data.rows
    )
    return fit


@pytest.fixture
def bundled(tmp_path, small_world):
    """The folder of a pmf's bundle."""
    saved(tmp_path / "model", "pmf", small_world)
    return tmp_path / "model"


def refused(path):
    with pytest.raises(InputError) as caught:
        load(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@EVERY
def test_a_bundle_predicts_by_own_ids_what_the_model_did(tmp_path, small_world, name):
    fit = saved(tmp_path / "model", name, small_world)
    loaded = load(tmp_path / "model")
    rows = small_world.rows
    users, items = small_world.users.text[rows.users - 1], small_world.items.text[rows.items - 1]
    output = predict(fit.model, torch.tensor(rows.users).long(), torch.tensor(rows.items).long())
    for decoder in DECODERS:
        expected = decode(output, fit.model.grid, fit.shape.scale, decoder=decoder, temperature=1.5).numpy()
        assert np.array_equal(loaded.predict(users, items, decoder=decoder), expected)
    assert np.array_equal(loaded.predict(users, items), loaded.predict(users, items, decoder="mean"))


def test_the_description_comes_back_as_it_was(tmp_path, small_world):
    fit = saved(tmp_path / "model", "classifier", small_world, metrics={"test": {"rmse": 0.9, "log_loss": None}})
    loaded = load(str(tmp_path / "model"))
    assert loaded.scale == fit.shape.scale
    expected = described("classifier", fit, metrics={"test": {"rmse": 0.9, "log_loss": None}})
    assert loaded.description.model_copy(update={"files": {}}) == expected


def test_whole_numbers_are_ids_as_their_text(tmp_path, small_world):
    users = Ids(np.arange(100, 140).astype(str))
    saved(tmp_path / "model", "pmf", small_world, users=users)
    loaded = load(tmp_path / "model")
    by_text = loaded.predict(["100", "139"], ["i0", "i1"])
    for numbers in ([100, 139], np.array([100, 139]), pd.Series([100.0, 139.0])):
        assert np.array_equal(loaded.predict(numbers, ["i0", "i1"]), by_text)


def test_unknown_ids_get_the_unknown_vector_and_are_counted(bundled):
    loaded = load(bundled)
    users, items = ["u1", "stranger", "7"], ["i1", "i1", "never seen"]
    assert loaded.unknown(users, items) == (2, 1)
    by_index = loaded.predict_indices(np.array([2, 0, 0]), np.array([2, 2, 0]))
    first = loaded.users.encode(["u1"])[0], loaded.items.encode(["i1"])[0]
    by_index = loaded.predict_indices(np.array([first[0], 0, 0]), np.array([first[1], first[1], 0]))
    assert np.array_equal(loaded.predict(users, items), by_index)


def test_no_pairs_are_no_ratings(bundled):
    assert load(bundled).predict([], []).shape == (0,)


def test_users_and_items_come_in_pairs(bundled):
    with pytest.raises(InputError, match="2 users and 1 items make no pairs: give as many of both"):
        load(bundled).predict(["u1", "u2"], ["i1"])
    with pytest.raises(InputError, match="3 times and 2 pairs: give as many of both"):
        bundle.load(bundled).predict(["u1", "u2"], ["i1", "i2"], np.arange(3))


def test_a_bundle_is_five_files_without_a_pickle(bundled):
    assert sorted(file.name for file in bundled.iterdir()) == ALL
    header = int.from_bytes((bundled / "model.safetensors").read_bytes()[:8], "little")
    assert set(json.loads((bundled / "model.safetensors").read_bytes()[8 : 8 + header])) >= {"users.weight"}
    assert json.loads((bundled / "config.json").read_text())["architecture"] == "pmf"
    assert (bundled / "users.parquet").read_bytes()[:4] == b"PAR1"
    assert [file.name for file in bundled.parent.iterdir()] == ["model"]


class Planted:
    """Whoever unpickles it leaves a mark."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (open, (str(self.mark), "w"))


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("form", [pickle.dump, torch.save], ids=["pickle", "torch"])
def test_a_planted_pickle_in_a_bundle_is_refused_and_not_run(bundled, tmp_path, file, form):
    mark = tmp_path / "mark"
    with (bundled / file).open("wb") as planted:
        form(Planted(mark), planted)
    assert file in refused(bundled)
    assert not mark.exists()


def test_others_may_read_a_bundle(bundled):
    assert bundled.stat().st_mode & 0o777 == 0o755
    assert {file.stat().st_mode & 0o044 for file in bundled.iterdir()} == {0o044}


def test_a_new_bundle_replaces_the_older_one(bundled, small_world):
    saved(bundled, "embedding_nn", small_world)
    assert load(bundled).description.architecture == "embedding_nn"
    assert sorted(file.name for file in bundled.iterdir()) == ALL


def test_a_new_bundle_replaces_the_one_that_a_link_leads_to(bundled, small_world):
    link = bundled.with_name("current")
    link.symlink_to("model")
    saved(link, "embedding_nn", small_world)
    assert os.readlink(link) == "model"
    assert load(bundled).description.architecture == "embedding_nn"
    assert sorted(file.name for file in bundled.parent.iterdir()) == ["current", "model"]


def test_failing_at_the_last_move_leaves_the_older_bundle_whole(bundled, small_world, monkeypatch):
    before = {file.name: file.read_bytes() for file in bundled.iterdir()}
    faults, move = [OSError("no more moves")], os.replace

    def failing(source, target):
        if Path(target) == bundled and faults:
            raise faults.pop()
        move(source, target)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(OSError, match="no more moves"):
        saved(bundled, "embedding_nn", small_world)
    assert {file.name: file.read_bytes() for file in bundled.iterdir()} == before
    assert [file.name for file in bundled.parent.iterdir()] == ["model"]


def test_an_id_that_no_fitted_row_has_is_counted_as_unknown_too(tmp_path, small_world):
    known = Ids([*small_world.users.text, "of a side table"])
    saved(tmp_path / "model", "bias", replace(small_world, users=known), users=known)
    assert load(tmp_path / "model").unknown(["u1", "of a side table"], ["i1", "i1"]) == (1, 0)


@pytest.mark.parametrize("fault", ["weights", "ids"])
def test_failing_half_way_leaves_the_older_bundle_whole(bundled, small_world, fault):
    fit = fitted("embedding_nn", small_world)
    weights, users = fit.model.served().state_dict(), small_world.users
    before = {file.name: file.read_bytes() for file in bundled.iterdir()}
    if fault == "weights":
        weights["twice"] = weights["users.weight"]  # safetensors refuses one tensor under two names
    else:
        users = None
    with pytest.raises((RuntimeError, AttributeError)):
        bundle.save(bundled, described("embedding_nn", fit), weights, users, small_world.items, fitted=small_world.rows)
    assert {file.name: file.read_bytes() for file in bundled.iterdir()} == before
    assert [file.name for file in bundled.parent.iterdir()] == ["model"]


def own_bundle(folder, data, line, other):
    """The fit of a stranger's model with another line in place of one, and its file. Its bundle is in the folder."""
    text = Path(two_towers.__file__).read_text()
    assert line in text
    file = folder / "stranger.py"
    file.write_text(text.replace(line, other))
    _, registry = resolve([str(file)])
    fit = Fit(registry["stranger"], registry["stranger"].Config(epochs=1), shape_of(data), data.rows, seed=1)
    list(loop.run(fit))
    description, weights = described("stranger", fit, sources=registry.sources), bundle.served_weights(fit.model)
    bundle.save(
        folder / "model", description, weights, data.users, data.items, fitted=data.rows, sources=registry.sources
    )
    return fit, file


def test_weights_that_two_parts_of_a_model_share_are_kept(tmp_path, small_world):
    start = "nn.init.zeros_(self.user_tower[-1].weight)"
    fit, file = own_bundle(tmp_path, small_world, start, "self.item_tower[-1].weight = self.user_tower[-1].weight")
    loaded = bundle.load(tmp_path / "model", architecture=file)
    every = np.arange(1, 31)
    output = predict(fit.model, torch.tensor(every), torch.tensor(every))
    expected = decode(output, None, fit.shape.scale, decoder="mean", temperature=1.5).numpy()
    assert np.array_equal(loaded.predict_indices(every, every), expected)


def test_an_error_of_a_models_own_is_not_called_broken_weights(tmp_path, small_world):
    line = "        self.config = config\n"
    _, file = own_bundle(tmp_path, small_world, line, line)
    file.write_text(file.read_text().replace(line, f'{line}        raise RuntimeError("no such device")\n'))
    with pytest.raises(RuntimeError, match=r"^no such device$"):
        bundle.load(tmp_path / "model", architecture=file, changed_source="allow")


def test_loading_draws_no_random_numbers_of_the_callers(bundled):
    torch.manual_seed(1)
    load(bundled)
    drawn = torch.rand(3)
    torch.manual_seed(1)
    assert torch.equal(drawn, torch.rand(3))


def test_a_loaded_model_does_not_train(bundled):
    assert not load(bundled).model.training


def test_a_folder_without_a_bundle_is_an_input_error(tmp_path):
    assert refused(tmp_path / "nothing").endswith("no model bundle (nothing is there)")
    (tmp_path / "file").write_text("x")
    assert refused(tmp_path / "file").endswith("no model bundle (it has no config.json)")


def test_the_bundles_of_a_run_are_named_to_who_gives_the_run_or_another_name_in_it(bundled, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(bundled, tmp_path / "runs" / "mine" / "models" / "pmf")
    for given in ("mine", "runs/mine", "runs/mine/models/svdpp"):
        assert refused(Path(given)) == f"{given}: no model bundle; in runs/mine/models there are pmf"


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("content", [None, b"", b"{"], ids=["missing", "empty", "broken"])
def test_a_bundle_with_a_broken_file_is_an_input_error_that_names_it(bundled, file, content):
    (bundled / file).unlink()
    if content is not None:
        (bundled / file).write_bytes(content)
    assert file in refused(bundled)


def test_a_bundle_of_another_make_is_an_input_error(bundled):
    content = json.loads((bundled / "config.json").read_text())
    (bundled / "config.json").write_text(json.dumps({**content, "architecture": "svd"}))
    assert f"no architecture 'svd' here; there are {', '.join(ARCHITECTURES)}" in refused(bundled)


def rewritten(path, **changes):
    """Change fields of a bundle's description; None takes one away."""
    content = json.loads((path / "config.json").read_text()) | changes
    (path / "config.json").write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


def test_what_a_later_version_says_besides_is_ignored(bundled):
    expected = load(bundled).predict(["u1"], ["i1"])
    rewritten(bundled, colour="red", fitted_on=None, judged={**STANDING.model_dump(), "colour": "red"})
    assert np.array_equal(load(bundled).predict(["u1"], ["i1"]), expected)
    assert load(bundled).description.judged == STANDING


def test_a_later_format_is_refused_with_the_way_out(bundled):
    rewritten(bundled, format=4, values="in another form")
    assert "format: a newer version wrote this bundle: upgrade reeltune" in refused(bundled)


SINCE_FORMAT_3 = ("python", "torch", "date", "about", "timed", "fitted_on", "judged", "files")


def test_a_bundle_of_format_2_is_read(bundled):
    expected = load(bundled).predict(["u1"], ["i1"])
    rewritten(bundled, format=2, sources=None, **dict.fromkeys(SINCE_FORMAT_3))
    (bundled / "README.md").unlink()
    assert np.array_equal(load(bundled).predict(["u1"], ["i1"]), expected)


# Bundles that earlier versions wrote, and what these gave for each pair: the first of format 1, which count no ratings
# and whose classifier has `labels`, and the last (svdpp).
FORMAT_1 = Path(__file__).parent / "format_1"


@pytest.mark.parametrize("name", ["pmf", "classifier", "svdpp"])
def test_a_bundle_of_format_1_rates_pairs_as_its_version_did(name):
    loaded, pairs = load(FORMAT_1 / name), pd.read_csv(FORMAT_1 / f"{name}.csv")
    assert loaded.description.format == 1
    np.testing.assert_allclose(loaded.predict(pairs["user"], pairs["item"]), pairs["rating"], atol=1e-6)
    assert loaded.unknown(["u1", "stranger"], ["i1", "never"]) == (1, 1)


@pytest.mark.parametrize("file", [name for name in FILES if name != "config.json"])
def test_a_file_that_was_changed_is_named(bundled, file):
    content = bytearray((bundled / file).read_bytes())
    content[len(content) // 2] ^= 1
    (bundled / file).write_bytes(content)
    assert f"{file}: not the file that was saved in this bundle: its SHA-256 is" in refused(bundled)


def test_priors_that_are_gone_or_changed_are_named(tmp_path, small_world):
    fit, path = fitted("pmf", small_world), tmp_path / "model"
    priors = {"users.mean": torch.zeros(3)}
    weights = fit.model.served().state_dict()
    users, items = small_world.users, small_world.items
    bundle.save(path, described("pmf", fit), weights, users, items, fitted=small_world.rows, priors=priors)
    assert load(path).priors.keys() == priors.keys()
    (path / "priors.safetensors").unlink()
    assert "priors.safetensors: No such file" in refused(path)


def test_weights_of_another_shape_are_an_input_error(bundled, tmp_path, two_tastes):
    saved(tmp_path / "other", "pmf", two_tastes)
    (tmp_path / "other" / "model.safetensors").replace(bundled / "model.safetensors")
    assert "model.safetensors: not the file that was saved in this bundle" in refused(bundled)
    rewritten(bundled, format=2, files=None)
    assert "not this bundle's weights" in refused(bundled)


@pytest.mark.parametrize(
    ("name", "content"),
    [("c.toml", "factors = 8\n"), ("c.json", '{"factors": 8}'), ("c.json", '{"config": {"factors": 8}, "seed": 1}')],
)
def test_a_configuration_is_read_from_toml_and_json(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    assert bundle.config_of(tmp_path / name) == {"factors": 8}


def test_a_configuration_is_read_from_a_bundle(bundled):
    assert bundle.config_of(bundled) == ARCHITECTURES["pmf"].Config(batch_size=128, epochs=1).model_dump()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("c.toml", b"factors =", "no TOML or JSON"),
        ("c.json", b"{", "no TOML or JSON"),
        ("c.json", b"\xff\xfe", "no TOML or JSON"),
        ("c.json", b"[1]", "expected a table of settings; found list"),
    ],
)
def test_a_file_that_is_no_configuration_is_an_input_error(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=said):
        bundle.config_of(tmp_path / name)
    with pytest.raises(InputError, match="no such file"):
        bundle.config_of(tmp_path / "other.json")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"config": {"width": 3}}, "config: no option 'width'"),
        ({"format": 0}, "format: must be 1 to 3; found 0"),
        ({"decoder": "mode"}, "decoder: must be one of argmax, mean, .*; found 'mode'"),
        ({"values": []}, "values: List should have at least 2 items"),
    ],
)
def test_a_description_that_another_version_wrote_is_refused_in_one_line(bundled, change, said):
    file = bundled / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(InputError, match=said):
        load(bundled)


def test_a_description_that_is_no_text_is_refused(bundled):
    (bundled / "config.json").write_bytes(b"\xff\xfe{")
    with pytest.raises(InputError, match=r"config\.json"):
        load(bundled)


def test_ids_without_their_column_are_refused(bundled):
    pd.DataFrame({"name": ["a"]}).to_parquet(bundled / "users.parquet")
    with pytest.raises(InputError, match=r"users\.parquet"):
        load(bundled)


FULL = """
import resource, sys
from pathlib import Path
import torch
from reeltune.trainables import bundle

resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    bundle._write({"weights": torch.zeros(1000)}, Path("weights"))
except OSError as error:
    print(error)
"""


def test_weights_that_cannot_be_written_are_an_error_of_the_system(tmp_path):
    done = subprocess.run([sys.executable, "-c", FULL], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "[Errno 27] File too large: 'weights'\n"
