"""What TensorBoard shows of chosen configurations, from real bundles and a verdict's details."""

import io
import json
import urllib.request

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from reeltune.cluster.runs.folder import RunFolder
from reeltune.cluster.tensorboard import chosen as board_winners
from reeltune.trainables import bundle
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data import Ids
from reeltune.trainables.fitting import loop
from reeltune.trainables.fitting.fit import Fit
from tests.boards import Server
from tests.worlds import shape_of, small_config

ODD = ["a\ttab", "two\nlines", "\r\n", "<script>alert(1)</script>", "Amélie (2001)", "\u2028"]
SHOWN = ["a tab", "two lines", "(no title)", "<script>alert(1)</script>", "Amélie (2001)", "(no title)"]


@pytest.fixture(scope="module")
def run(tmp_path_factory, small_world):
    """A run's folder with a bundle of each architecture, and of what the ending writes what is read here."""
    folder = RunFolder(tmp_path_factory.mktemp("run"))
    titles = np.array([*ODD, *small_world.items.text[len(ODD) :]])
    shape = shape_of(small_world)
    for name, architecture in ARCHITECTURES.items():
        fit = Fit(architecture, small_config(name, epochs=1), shape, small_world.rows, seed=1)
        list(loop.run(fit))
        described = bundle.describe(
            name, fit.config, shape.scale, decoder="argmax", temperature=1.0, seed=1, data="small", metrics={}
        )
        bundle.save(
            folder.model(name),
            described,
            fit.model.served().state_dict(),
            small_world.users,
            Ids(titles),
            fitted=small_world.rows,
        )
    reliability = [
        {"low": 0.0, "high": 0.5, "count": 0, "confidence": None, "frequency": None},
        {"low": 0.5, "high": 1.0, "count": 9, "confidence": 0.7, "frequency": 0.6},
    ]
    verdict = {
        "baseline": {},
        "architectures": {name: {} for name in [*ARCHITECTURES, "never finished"]},
        "by_value": {"pmf": {"values": ["1", "2"], "confusion": [[5, 1], [0, 0]], "report": ""}},
        "probabilities": {
            "classifier": {"reliability": reliability, "ece": 0.1, "rps": 0.1, "log_loss": 1.2, "temperature": 1.0}
        },
    }
    folder.verdict.write_text(json.dumps(verdict))
    board_winners.write(folder)
    return folder


def events_of(run, name):
    events = EventAccumulator(str(run.tensorboard / "chosen" / name))
    events.Reload()
    return events


def test_figures_are_drawn_where_the_verdict_has_what_they_show(run):
    assert {name: events_of(run, name).Tags()["images"] for name in ("pmf", "classifier", "bias")} == {
        "pmf": ["confusion"],
        "classifier": ["calibration"],
        "bias": [],
    }
    for name, tag in (("pmf", "confusion"), ("classifier", "calibration")):
        [image] = events_of(run, name).Images(tag)
        pixels = np.asarray(Image.open(io.BytesIO(image.encoded_image_string)).convert("L"))
        assert (pixels < 128).sum() > 300, "something is drawn"


def test_a_confusion_matrix_is_shaded_by_row_and_labelled_by_count():
    [axes] = board_winners.confusion([[500, 500], [0, 2]], ["1", "2"]).axes
    assert axes.images[0].get_array().tolist() == [[0.5, 0.5], [0, 1]]
    assert [text.get_text() for text in axes.texts] == ["500", "500", "0", "2"]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_weights_are_histograms_by_their_names_in_the_bundle(run, name):
    tags = events_of(run, name).Tags()["histograms"]
    assert tags
    assert all(tag.startswith("weights/") for tag in tags)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_projector_has_a_title_for_each_item_and_odd_ones_stay_one_line(run, name):
    folder = run.tensorboard / "chosen" / name / "00000" / "items"
    if bundle.load(run.model(name)).model.item_vectors() is None:
        assert not folder.exists()
        return
    titles = (folder / "metadata.tsv").read_text().split("\n")[:-1]
    vectors = (folder / "tensors.tsv").read_text().splitlines()
    assert titles[: len(SHOWN)] == SHOWN
    assert len(titles) == len(vectors) == 30


def test_a_running_tensorboard_serves_the_projectors_titles(run):
    server = Server(run)
    assert "chosen/pmf" in server.ask("data/plugin/projector/runs")
    path = "data/plugin/projector/metadata?run=chosen%2Fpmf&name=items%3A00000"
    with urllib.request.urlopen(server.address + path, timeout=60) as answer:
        assert answer.read().decode().splitlines()[: len(SHOWN)] == SHOWN
    server.end(2)


def test_written_again_it_holds_nothing_twice(run):
    board_winners.write(run)
    assert len(list((run.tensorboard / "chosen" / "pmf").glob("events.*"))) == 1
    assert not (run.tensorboard / "chosen" / "never finished").exists()


@given(st.lists(st.text()))
def test_any_titles_make_a_table_of_one_column_and_a_line_each(titles):
    table = "\n".join(board_winners.labels(titles)) + "\n"
    assert table.encode().decode().split("\n")[:-1] == (board_winners.labels(titles) or [""])
    assert "\t" not in table
    assert all(line.strip() == line != "" for line in board_winners.labels(titles))


def test_of_very_many_items_the_most_rated_are_shown_in_their_order(monkeypatch):
    monkeypatch.setattr(board_winners, "MOST_ITEMS", 3)
    assert board_winners.most_rated(np.array([5, 1, 9, 0, 9])).tolist() == [0, 2, 4]
    assert board_winners.most_rated(np.array([0, 0])).tolist() == [0, 1]
