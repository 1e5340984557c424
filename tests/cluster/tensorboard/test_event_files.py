"""TensorBoard's event files of a real search, read by TensorBoard itself: its reader and a running server."""

import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from reeltune.cluster.runs.folder import RunFolder
from reeltune.cluster.session.slots import Slots
from reeltune.cluster.tensorboard.event_files import TAGS, TensorBoard
from reeltune.cluster.tensorboard.hparams import GAIN, METRICS, STATE, STATES, VALUE, Drawn, experiment, start
from reeltune.cluster.tracking.tracker import EpochPoint, FitEnd, TrackedFit
from reeltune.search_spaces import Space
from reeltune.trainables.architectures.table import ARCHITECTURES
from tests.boards import Server, events_of, named
from tests.searches import searched

STATUSES = {"done": "STATUS_SUCCESS", "stopped": "STATUS_UNKNOWN", "failed": "STATUS_FAILURE"}


@pytest.fixture(scope="module")
def done(finished_search):
    folder, ledger = finished_search
    return RunFolder(folder), ledger


def value_of(run, trial, tag):
    return [point.value for point in events_of(run.path, trial).Scalars(tag)]


def test_each_fit_has_one_event_file_with_short_tags_and_a_point_for_each_epoch(done):
    run, ledger = done
    for entry in ledger.of("confirm", "pmf"):
        assert len(list((run.tensorboard / named(entry.trial)).iterdir())) == 1
        events = events_of(run.path, entry.trial)
        assert set(events.Tags()["scalars"]) == {*TAGS, VALUE, STATE}
        points = events.Scalars("argmax_mse/validation")
        assert [point.step for point in points] == list(range(1, entry.config["epochs"] + 1))
        assert points[-1].value == pytest.approx(entry.value, rel=1e-6)


def test_every_trials_value_and_state_are_the_ledgers(done):
    run, ledger = done
    assert {entry.state for entry in ledger.entries} == set(STATES)
    for entry in ledger.entries:
        assert value_of(run, entry.trial, STATE) == [STATES[entry.state]]
        if entry.value is not None:
            assert value_of(run, entry.trial, VALUE) == [pytest.approx(entry.value, rel=1e-6)]


@pytest.fixture(scope="module")
def server(done):
    run, ledger = done
    server = Server(run)
    until = time.monotonic() + 60
    while len(server.groups()) < len(ledger.entries) and time.monotonic() < until:
        time.sleep(0.2)
    yield server
    server.end(signal.SIGTERM)


def domain_of(info):
    bounds = info.get("domainInterval")
    return (bounds["minValue"], bounds["maxValue"]) if bounds else info["domainDiscrete"]


def test_the_hparams_tab_knows_the_union_of_all_that_is_searched_and_its_bounds(server):
    experiment = server.ask("data/plugin/hparams/experiment", experimentName="")
    domains = {info["name"]: domain_of(info) for info in experiment["hparamInfos"]}
    assert domains == {
        "architecture": ["classifier", "pmf"],
        "stage": ["confirm", "search"],
        "factors": [8, 50],  # trial 0 is the reference
        "batch_size": [32, 48, 64],
        "epochs": (3, 9),
        "weight_decay": [0.01, 100],
        "learning_rate": [0.0001, 0.005, 10],
        "loss": ["cross_entropy", "spread_cross_entropy"],
        "label_width": (0.5, 1.0),
    }
    assert [info["name"]["tag"] for info in experiment["metricInfos"]] == list(METRICS)


def test_each_trial_is_one_session_with_its_hyperparameters_metrics_and_status(server, done):
    run, ledger = done
    groups = {group["name"]: group for group in server.groups()}
    assert groups.keys() == {named(entry.trial) for entry in ledger.entries}
    for entry in ledger.entries:
        group = groups[named(entry.trial)]
        [session] = group["sessions"]
        assert session["status"] == STATUSES[entry.state]
        assert session["endTimeSecs"] >= session["startTimeSecs"] > 0
        hparams = dict(group["hparams"])
        assert (hparams.pop("architecture"), hparams.pop("stage")) == (entry.architecture, entry.stage)
        assert hparams.pop("run") == run.name
        assert hparams == {name: entry.config[name] for name in hparams}
        metrics = {metric["name"]["tag"]: metric["value"] for metric in group["metricValues"]}
        assert metrics[STATE] == STATES[entry.state]
        assert metrics.get(VALUE) == (None if entry.value is None else pytest.approx(entry.value, rel=1e-6))


def test_a_parameter_that_means_nothing_beside_the_others_is_absent(server):
    for group in server.groups():
        hparams = group["hparams"]
        assert ("label_width" in hparams) == (hparams.get("loss") == "spread_cross_entropy")
        assert ("loss" in hparams) == (hparams["architecture"] == "classifier")


def test_architectures_are_filtered_by_name_and_states_by_number(server, done):
    _, ledger = done
    of_pmf = server.groups({"hparam": "architecture", "filterDiscrete": ["pmf"]})
    assert {group["name"] for group in of_pmf} == {named(e.trial) for e in ledger.entries if e.architecture == "pmf"}
    metric = {"metric": {"group": "", "tag": STATE}, "filterInterval": {"minValue": 1, "maxValue": 2}}
    others = {named(e.trial) for e in ledger.entries if e.state != "done"}
    assert {group["name"] for group in server.groups(metric)} == others


def test_the_scalars_of_every_trial_are_served(server, done):
    _, ledger = done
    tags = server.ask("data/plugin/scalars/tags")
    of_search = {"best", "best/classifier", "best/pmf"}
    assert {named(entry.trial) for entry in ledger.entries} | of_search == set(tags), "and no run without curves"


def test_the_best_so_far_is_a_curve_of_all_and_of_each_architecture(done):
    run, ledger = done
    for name in ("pmf", "classifier"):
        ended = [entry.value if entry.state == "done" else None for entry in ledger.of("search", name)]
        points = events_of(run.path, f"best/{name}").Scalars("best/validation_error")
        for point in points:
            lowest = min(value for value in ended[: point.step] if value is not None)
            assert point.value == pytest.approx(lowest, rel=1e-6)
        assert points[-1].step == len(ended)
    both = events_of(run.path, "best").Scalars("best/validation_error")
    assert both[-1].step == 24


def test_a_search_trial_has_its_gain_over_the_reference_on_the_same_rows(done):
    run, ledger = done
    entries = ledger.of("search", "pmf")
    reference = next(place for place, entry in enumerate(entries) if entry.number == 0)
    for entry in entries[reference:]:
        gain = [] if entry.value is None else [pytest.approx(entries[reference].value - entry.value, abs=1e-6)]
        assert value_of(run, entry.trial, GAIN) == gain


def test_what_matters_most_is_among_the_first_five_columns(server):
    experiment = server.ask("data/plugin/hparams/experiment", experimentName="")
    first = [info["name"] for info in experiment["hparamInfos"] if info.get("differs")]
    assert first == ["architecture", "epochs", "factors", "learning_rate", "weight_decay"]
    assert [info["name"]["tag"] for info in experiment["metricInfos"]][:2] == [VALUE, GAIN]


def copied(run, path, *, earlier=False):
    """The event files of a run as another one's; as those of a version that had the columns of HParams at the top."""
    shutil.copytree(run.tensorboard, path / "tensorboard")
    for file in (path / "tensorboard" / "best").glob("*.experiment"):
        if earlier:
            file.rename(path / "tensorboard" / file.name)
    (path / "run.json").write_text("{}")
    return RunFolder(path)


def test_several_runs_stand_side_by_side_each_trial_for_itself(done, tmp_path):
    _, ledger = done
    both = [copied(done[0], tmp_path / "one"), copied(done[0], tmp_path / "two", earlier=True)]
    server = Server(*both)
    until = time.monotonic() + 60
    while len(groups := server.groups()) < 2 * len(ledger.entries) and time.monotonic() < until:
        time.sleep(0.2)
    assert {group["name"] for group in groups} == {
        f"{run.name}/{named(entry.trial)}" for run in both for entry in ledger.entries
    }
    assert {len(group["sessions"]) for group in groups} == {1}, "nothing is averaged"
    columns = server.ask("data/plugin/hparams/experiment", experimentName="")["hparamInfos"]
    domains = {info["name"]: domain_of(info) for info in columns}
    assert domains["epochs"] == (3, 9)
    assert domains["run"] == ["one", "two"]
    assert [info["name"] for info in columns if info.get("differs")][-1] == "run"
    late = both[1].tensorboard / "refits" / "pmf-seed-42"
    late.parent.mkdir(exist_ok=True)
    shutil.copytree(both[0].tensorboard / named("pmf-000"), late)
    until = time.monotonic() + 60
    while "two/refits/pmf-seed-42" not in (tags := server.ask("data/plugin/scalars/tags")) and time.monotonic() < until:
        time.sleep(0.5)
    assert "two/refits/pmf-seed-42" in tags, "a run that goes on is shown as it does"
    assert "." not in server.ask("data/runs")
    server.end(signal.SIGTERM)


def refused(run, *options):
    command = [sys.executable, "-m", "reeltune", "board", str(run.path), *options]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.count("\n") == 1
    return ended.stderr


def test_a_taken_port_is_named(done, tmp_path):
    run = RunFolder(shutil.copytree(done[0].path, tmp_path / "run"))
    run.record.write_text("{}")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"--port {port}: " in refused(run, "--port", str(port))


def test_a_run_without_event_files_is_refused_in_one_line(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    assert "nothing to show: no event files there" in refused(RunFolder(tmp_path))


def test_a_search_taken_up_again_keeps_finished_sessions_and_begins_cut_off_ones_anew(resources, small, tmp_path):
    run = RunFolder(tmp_path)
    space = "[pmf]\nonly = true\nbatch_size = 64\n[pmf.epochs]\nlow = 3\nhigh = 4"
    one = Slots(count=1, cpus=1, gpus=0)
    ledger = searched(small, tmp_path, space=space, trials=2, taken=one)
    before = {path: path.read_bytes() for path in run.tensorboard.rglob("events.*")}
    # As if the driver had died within the last trial: its file is there, its line in the ledger is not.
    *lines, _ = run.ledger.read_text().splitlines(keepends=True)
    run.ledger.write_text("".join(lines))
    cut_off = ledger.entries[-1].trial
    searched(small, tmp_path, space=space, trials=2, taken=one)
    after = {path: path.read_bytes() for path in run.tensorboard.rglob("events.*")}
    assert len(after) == len(before)
    again = {path for path in before if before[path] != after.get(path)}
    best = run.tensorboard / "best"
    assert {path.parent for path in again} == {best, best / "pmf", run.tensorboard / named(cut_off)}
    assert value_of(run, cut_off, STATE) == [STATES["done"]]
    epochs = ledger.entries[-1].config["epochs"]
    assert len(value_of(run, cut_off, "loss/train")) == epochs


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_what_is_searched_is_shown_on_the_loopback_address_before_any_trial_ends(done, tmp_path, number, code):
    """And the server ends quietly."""
    (tmp_path / "tensorboard").mkdir()
    for file in (done[0].tensorboard / "best").glob("events.*.experiment"):
        shutil.copy(file, tmp_path / "tensorboard")
    server = Server(RunFolder(tmp_path))
    assert server.address.startswith("http://127.0.0.1:")
    assert len(server.ask("data/plugin/hparams/experiment", experimentName="")["hparamInfos"]) == 9
    assert server.end(number) == "Ctrl-C ends it\n"
    assert server.process.returncode == code


def test_the_tab_takes_every_parameter_of_every_architecture(small):
    _, _, shape = small
    every = {}
    for name, architecture in ARCHITECTURES.items():  # somebody's own space may name any of them
        reference = architecture.reference(shape).model_dump()
        every[name] = Drawn(space=Space(architecture=name, parameters={}, fixed=reference), reference=reference)
    assert experiment(every).ByteSize() > 0
    for name, one in every.items():
        fit = TrackedFit(name=f"{name}-000", architecture=name, stage="search", config=one.reference)
        assert start(fit, one, run="one").ByteSize() > 0


def points(*epochs):
    return [EpochPoint(epoch=n, train_loss=1 / n, learning_rate=0.1, mse=None, argmax_mse=None) for n in epochs]


def scalars_of(folder):
    events = EventAccumulator(str(folder))
    events.Reload()
    return {tag: [event.step for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_a_fit_that_is_in_no_search_has_its_curves_and_no_session(tmp_path):
    board = TensorBoard(tmp_path)
    fit = TrackedFit(name="refits/pmf-seed-42", architecture="pmf", stage="refit", config={})
    board.began(fit)
    board.update(fit.name, points(1, 2))
    board.ended(fit.name, FitEnd(state="done", epochs=2))
    assert scalars_of(tmp_path / fit.name) == {"loss/train": [1, 2], "learning_rate": [1, 2]}


def test_epochs_that_a_crash_repeats_are_written_once_and_a_fit_that_begins_again_starts_its_file_anew(tmp_path):
    board = TensorBoard(tmp_path)
    fit = TrackedFit(name="pmf", architecture="pmf", stage="train", config={})
    board.began(fit)
    board.update(fit.name, points(1, 2))
    board.update(fit.name, points(1, 2, 3))
    board.close()
    assert scalars_of(tmp_path / "pmf")["loss/train"] == [1, 2, 3]
    board.began(fit)
    board.update(fit.name, points(1))
    board.close()
    assert scalars_of(tmp_path / "pmf")["loss/train"] == [1]
