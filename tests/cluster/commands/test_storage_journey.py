"""Whole searches whose home is a real S3 server, on the real command line: killed, moved, cut off from it."""

import json
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from reeltune.cluster.runs import lease
from reeltune.cluster.runs.folder import Ledger
from reeltune.cluster.search.choice import FINALISTS, SEEDS
from tests import heads, inside, s3

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[3]
HEADS_ALONE = ("--port", "--dashboard-port", "--ray-client-server-port")
SEARCH = ["tune", "bias", "pmf", "--smoke-test", "--no-ensemble", "--name", "mine"]
TRIALS = 2 * 2


@pytest.fixture(scope="module")
def ray_that_knows_the_store(one_ray, s3_port):
    """The one Ray, started anew: its workers have the store's credentials, which a Ray of before may not have seen."""
    one_ray.end()
    one_ray.start()


@pytest.fixture
def reeltune(ray_that_knows_the_store, monkeypatch):
    """A command in this process, which takes who holds a run for dead after 5 s. Its folder may be another."""
    monkeypatch.setattr(lease, "STALE", 5.0)

    def reeltune(*words, cwd):
        monkeypatch.chdir(cwd)
        with inside.ray_stays(lean=True):
            return inside.reeltune(*words)

    return reeltune


@pytest.fixture
def start(tmp_path):
    """Starts a command, which is gone after the test."""
    begun = []

    def begin(*words, cwd=tmp_path):
        command = [sys.executable, "-m", "reeltune", *words]
        begun.append(subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return begun[-1]

    yield begin
    for process in begun:
        if process.poll() is None:
            end_at_once(process)


def lines(store):
    return (store.read("trials.jsonl") or b"").count(b"\n")


def until(holds, process):
    end = time.monotonic() + 400
    while not holds():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.1)


def end_at_once(process):
    """As by kill -9 of the whole machine: Ray's own processes outlive a killed driver by a minute."""
    family = [process, *psutil.Process(process.pid).children(recursive=True)]
    for one in family:
        with suppress(psutil.NoSuchProcess):
            one.kill()
    process.communicate(timeout=60)


def whole(ledger):
    """Whether a ledger holds each trial, and each confirmation, once."""
    entries = Ledger(ledger).entries
    names = [entry.trial for entry in entries]
    assert len(set(names)) == len(names)
    assert sum(entry.stage == "search" for entry in entries) == TRIALS
    assert sum(entry.stage == "confirm" for entry in entries) == min(FINALISTS, TRIALS // 2) * SEEDS * 2
    return entries


def test_a_search_that_is_killed_goes_on_elsewhere_from_the_store_alone(s3_port, bucket, tmp_path, start, reeltune):
    where, home = s3.uri(s3_port, bucket), s3.store(s3_port, bucket).below("mine")
    words = [*SEARCH, "--concurrent", "1", "--storage", where, "--json"]
    for place in ("here", "there"):
        (tmp_path / place).mkdir()
    first = start(*words, cwd=tmp_path / "here")
    until(lambda: lines(home) >= 2, first)
    end_at_once(first)
    kept = home.read("trials.jsonl")
    shutil.rmtree(tmp_path / "here")
    done = reeltune(*words, "--resume", cwd=tmp_path / "there")
    assert done.returncode == 0, done.stderr
    assert "was working on this run last; waiting up to 5 s" in done.stderr
    ledger = tmp_path / "there" / "runs" / "mine" / "trials.jsonl"
    assert ledger.read_bytes().startswith(kept)
    assert home.read("trials.jsonl") == ledger.read_bytes()
    whole(ledger)
    result = json.loads(done.stdout)
    assert result["run"] == home.where
    assert json.loads(home.read("run.json"))["finished"]
    assert ".lease.json" not in home.names()
    assert not [name for name in home.names() if name.startswith("tune/")]
    again = inside.reeltune("verdict", home.where, "--json")
    assert json.loads(again.stdout)["architectures"].keys() == result["architectures"].keys()


@contextmanager
def one_more_node(address):
    """A node with one CPU that has joined the cluster at this address."""
    options = [option for option in heads.PORTS if option not in HEADS_ALONE]
    ports = zip(options, heads.free_ports(len(options)), strict=True)
    words = [word for option, port in ports for word in (option, str(port))]
    words += ["--min-worker-port", "0", "--max-worker-port", "0", "--num-cpus", "1", "--disable-usage-stats", "--block"]
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--address", address, *words]
    process = subprocess.Popen(command, env=heads.environment(PYTHONPATH=str(ROOT)), stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        heads.kill(process)


def test_nodes_of_a_cluster_write_to_the_store_and_leave_nothing_on_a_disk(s3_port, bucket, tmp_path):
    where, home = s3.uri(s3_port, bucket), s3.store(s3_port, bucket).below("mine")
    (tmp_path / "head").mkdir()
    with heads.head_node(tmp_path / "head", cpus=1, PYTHONPATH=str(ROOT)) as head, one_more_node(head.gcs):
        # Two at a time need both nodes.
        words = [*SEARCH, "--storage", where, "--address", head.gcs, "--concurrent", "2", "--json"]
        command = [sys.executable, "-m", "reeltune", *words]
        variables = heads.environment(PYTHONPATH=str(ROOT))
        done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    entries = whole(tmp_path / "runs" / "mine" / "trials.jsonl")
    confirmed = {f"held_out/{entry.trial}.npy" for entry in entries if entry.stage == "confirm"}
    assert confirmed <= set(home.names())
    assert not (tmp_path / "runs" / "mine" / "held_out").exists()
    assert not [name for name in home.names() if name.startswith((".probe", ".check"))]


def test_a_store_that_comes_back_read_only_ends_the_search_and_is_gone_on_with(
    s3_port, bucket, tmp_path, start, reeltune
):
    with s3.proxied(s3_port) as proxy:
        words = [*SEARCH, "--concurrent", "1", "--storage", s3.uri(proxy.port, bucket), "--json"]
        home = s3.store(s3_port, bucket).below("mine")
        search = start(*words)
        until(lambda: lines(home) >= 1, search)
        proxy.fault = "read-only"
        _, errors = search.communicate(timeout=200)
        assert search.returncode == 1
        last = errors.splitlines()[-1]
        assert last.startswith("error: storage s3://")
        assert "ACCESS_DENIED" in last
        assert "runs/mine on this machine has all of it" in last
        assert last.endswith("--resume")
        assert lines(home) >= 1
        proxy.fault = None
        kept = Ledger(tmp_path / "runs" / "mine" / "trials.jsonl").entries
        done = reeltune(*words, "--resume", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert whole(tmp_path / "runs" / "mine" / "trials.jsonl")[: len(kept)] == kept


def test_a_search_told_to_end_while_the_store_hangs_ends_in_time(s3_port, bucket, start):
    with s3.proxied(s3_port) as proxy:
        words = [*SEARCH, "--trials", "400", "--concurrent", "1", "--storage", s3.uri(proxy.port, bucket)]
        search = start(*words)
        until(lambda: lines(s3.store(s3_port, bucket).below("mine")) >= 1, search)
        proxy.fault = "hung"
        told = time.monotonic()
        search.send_signal(signal.SIGTERM)
        _, errors = search.communicate(timeout=60)
        assert time.monotonic() - told < 50  # promised are 20 s, on a machine that does nothing else
        assert search.returncode == 143
        assert "the last changes are in runs/mine alone" in errors
        assert errors.splitlines()[-1].endswith("--resume")
