"""A bundle that cannot be used is one sentence, and the one in use still answers."""

import asyncio
import json
import shutil
import time

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

from reeltune.cluster.serving.holder import Holder, look_every
from reeltune.cluster.serving.options import ServeOptions
from reeltune.cluster.serving.schemas import PredictRequest
from reeltune.trainables.errors import InputError
from tests import s3
from tests.served import bundle_at

PAIR = PredictRequest(pairs=[{"user": "u1", "item": "i1"}])


def described(folder, **changes):
    """Write other values in a bundle's description; None takes one out."""
    content = json.loads((folder / "config.json").read_text()) | changes
    (folder / "config.json").write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


def truncated(folder):
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])


def changed(folder):
    weights = load_file(folder / "model.safetensors")
    save_file({name: tensor + 1 for name, tensor in weights.items()}, folder / "model.safetensors")


def foreign(folder):
    bundle_at(folder.with_name("other"), "pmf")
    shutil.copy(folder.with_name("other") / "model.safetensors", folder)


def without_hashes(break_it):
    """A description that does not say what the files should be, as somebody would write who tampers with a bundle."""

    def broken(folder):
        break_it(folder)
        described(folder, files=None)

    return broken


def pickled(folder):
    torch.save({"weight": torch.zeros(3)}, folder / "model.safetensors")


def other_columns(folder):
    pd.DataFrame({"name": ["a"]}).to_parquet(folder / "users.parquet")


def nested(folder):
    (folder / "config.json").write_text("[" * 100_000)


BROKEN = {
    "gone": (shutil.rmtree, "no model bundle"),
    "truncated": (truncated, "not the file that was saved"),
    "changed": (changed, "not the file that was saved"),
    "foreign": (foreign, "not the file that was saved"),
    "a file gone": (lambda folder: (folder / "items.parquet").unlink(), "No such file"),
    "no JSON": (lambda folder: (folder / "config.json").write_text("{"), "config.json: "),
    "nested": (nested, "config.json: "),
    "an array": (lambda folder: (folder / "config.json").write_text("[]"), "config.json: "),
    "of the future": (lambda folder: described(folder, format=99), "a newer version wrote this bundle: upgrade"),
    "unknown": (lambda folder: described(folder, architecture="os.system"), "no architecture 'os.system' here"),
    "other settings": (lambda folder: described(folder, config={"factors": -1}), "config.json: config: "),
    "truncated, no hash": (without_hashes(truncated), "not this bundle's weights"),
    "foreign, no hash": (without_hashes(foreign), "not this bundle's weights"),
    "pickled, no hash": (without_hashes(pickled), "not this bundle's weights"),
    "other columns, no hash": (without_hashes(other_columns), "users.parquet: "),
}


@pytest.fixture
def link(bundles, tmp_path):
    """A bundle of the test's own."""
    return shutil.copytree(bundles[0], tmp_path / "model")


def held(folder):
    said = []
    return Holder(ServeOptions(model=str(folder), host="127.0.0.1", port=0, drain=1), said.append), said


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_bundle_is_one_sentence_and_changes_nothing(link, how):
    break_it, sentence = BROKEN[how]
    holder, said = held(link)
    before = holder.answers.predict([PAIR])
    break_it(link)
    assert holder.look(ask=True) == "failed"
    assert sentence in said[0]
    assert "\n" not in said[0]
    assert holder.answers.predict([PAIR]) == before
    with pytest.raises(InputError, match=r"."):
        held(link)


def test_another_bundle_takes_over_and_the_same_one_does_not(link, bundles):
    holder, said = held(link)
    first = holder.answers.name
    assert holder.look(ask=True) == "unchanged"
    shutil.rmtree(link)
    shutil.copytree(bundles[1], link)
    assert holder.look(ask=False) == "swapped"
    assert holder.answers.name != first
    assert said == [
        f"reload: {link} is still the bundle {first}",
        f"reload: the bundle {holder.answers.name} answers now, in place of {first}",
    ]


def test_a_look_that_nobody_asked_for_says_what_fails_once(link):
    holder, said = held(link)
    assert holder.look(ask=False) == "none"
    described(link, format=99)
    assert [holder.look(ask=False) for _ in range(3)] == ["failed"] * 3
    assert len(said) == 1
    assert holder.look(ask=True) == "failed"
    assert len(said) == 2


def test_a_bundle_that_is_whole_again_is_taken(link, bundles):
    holder, said = held(link)
    kept = (link / "config.json").read_text()
    described(link, format=99)
    holder.look(ask=False)
    (link / "config.json").write_text(kept)
    assert holder.look(ask=False) == "unchanged"
    assert len(said) == 1


def test_a_service_looks_again_and_again_by_itself(link, bundles):
    holder, said = held(link)

    async def until_swapped():
        looking = asyncio.create_task(look_every(holder, 0.01))
        shutil.rmtree(link)
        shutil.copytree(bundles[1], link)
        while holder.last_reload != "swapped":
            await asyncio.sleep(0.01)
        looking.cancel()

    asyncio.run(until_swapped())
    assert f"reload: the bundle {holder.answers.name} answers now, in place of " in said[-1]


def test_a_look_that_fails_as_nobody_expects_is_logged_and_others_follow(link, bundles, caplog, monkeypatch):
    holder, _ = held(link)
    looks = iter([lambda: 1 / 0])
    name_there = holder._name_there
    monkeypatch.setattr(holder, "_name_there", lambda: next(looks, name_there)())

    async def until_swapped():
        looking = asyncio.create_task(look_every(holder, 0.01))
        shutil.rmtree(link)
        shutil.copytree(bundles[1], link)
        while holder.last_reload != "swapped":
            assert not looking.done()
            await asyncio.sleep(0.01)
        looking.cancel()

    asyncio.run(until_swapped())
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [ZeroDivisionError]


def test_what_came_of_a_look_is_told(link):
    holder, _ = held(link)
    told = []
    holder.told = told.append
    holder.look(ask=True)
    assert told == ["unchanged"]


def test_a_vector_of_numbers_that_are_none_is_no_model(link):
    """Weights that a tamperer has made NaN: JSON has no such rating."""
    weights = load_file(link / "model.safetensors")
    save_file({name: tensor * np.nan for name, tensor in weights.items()}, link / "model.safetensors")
    described(link, files=None)
    with pytest.raises(InputError, match="its ratings are no numbers"):
        held(link)


def uploaded(bundle, store):
    for file in bundle.iterdir():
        store.write(file.name, file.read_bytes())


@pytest.mark.slow
def test_a_bundle_in_an_object_store_is_looked_at_there(bundles, s3_port, bucket):
    store = s3.store(s3_port, bucket)
    uploaded(bundles[0], store)
    holder, said = held(s3.uri(s3_port, bucket))
    first = holder.answers.name
    assert holder.look(ask=False) == "none"
    time.sleep(1.1)  # S3 dates its objects by the second
    uploaded(bundles[1], store)
    assert holder.look(ask=False) == "swapped"
    assert said == [f"reload: the bundle {holder.answers.name} answers now, in place of {first}"]
    time.sleep(1.1)
    store.write("config.json", b"{}")
    assert holder.look(ask=False) == "failed"
    assert holder.answers.predict([PAIR])[0].predictions
