"""A Ray of one's own that nobody else can reach, and one that is joined with its token."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import ray
import yaml

from reeltune.cluster.session import session
from reeltune.cluster.session.session import _start, join
from reeltune.trainables.errors import InputError, RayNotStarted
from tests.heads import environment, free_ports, head_node

OWN = """
import json, os, psutil, subprocess, sys
from reeltune.cluster.session.session import session

STRANGER = "import sys; from ray._raylet import GcsClient; GcsClient(address=sys.argv[1])"
with session(None) as resources:
    import ray

    me = psutil.Process()
    ours = {me.pid, *(child.pid for child in me.children(recursive=True))}
    listening = [c.laddr.ip for c in psutil.net_connections("tcp") if c.status == "LISTEN" and c.pid in ours]
    arenas = ray.get(ray.remote(lambda: os.environ.get("MALLOC_ARENA_MAX")).remote())
    variables = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    address = ray.get_runtime_context().gcs_address
    stranger = subprocess.run(
        [sys.executable, "-c", STRANGER, address], env=variables, capture_output=True, text=True, check=False
    )
print(json.dumps({"cpus": resources.cpus, "arenas": arenas, "listening": listening, "stranger": stranger.stderr}))
"""
LOOKED_BEFORE = """
from reeltune.cluster.session.address import check_address
from reeltune.cluster.session.session import session
from reeltune.trainables.errors import InputError

try:
    check_address("127.0.0.1:1")
except InputError as error:
    print(error)
with session(None) as resources:
    print(resources.cpus > 0)
"""
COMMANDS = (
    "cluster_synced_files",
    "initialization_commands",
    "setup_commands",
    "head_setup_commands",
    "worker_setup_commands",
    "head_start_ray_commands",
    "worker_start_ray_commands",
)
UPDATERS = {"disable_node_updaters": True, "launch_multiple": True}
TOLD = "the cluster did not take the token, or wants one; put its token in ~/.ray/auth_token, RAY_AUTH_TOKEN or"


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """What a Ray of one's own came to, and the empty home that it was started in."""
    home = tmp_path_factory.mktemp("home")
    return json.loads(at_home(OWN, home)), home


def at_home(program, home):
    """What a program prints for a user with this home folder."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "MALLOC_"))}
    root = str(Path(__file__).parents[3])
    done = subprocess.run(
        [sys.executable, "-c", program], env={**variables, "HOME": str(home), "PYTHONPATH": root}, cwd=home,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_ray_of_our_own_listens_on_this_machine_alone(own):
    came, _ = own
    assert came["listening"]
    assert {ip.removeprefix("::ffff:") for ip in came["listening"]} == {"127.0.0.1"}


def test_nobody_without_its_token_gets_in(own):
    came, _ = own
    assert "InvalidAuthToken" in came["stranger"]


def test_it_leaves_no_token_in_the_home_folder(own):
    _, home = own
    assert list(home.iterdir()) == []


def test_its_processes_keep_memory_for_fits_in_threads(own):
    came, _ = own
    assert came["arenas"] == "1"


@pytest.fixture(scope="module")
def head(tmp_path_factory):
    """A head node without a CPU, whose autoscaler may start two nodes of two CPUs each on this machine."""
    home = tmp_path_factory.mktemp("head")
    worker = {"resources": {"CPU": 2}, "node_config": {}, "min_workers": 0, "max_workers": 2}
    (port,) = free_ports(1)
    gcs = f"{ray.util.get_node_ip_address()}:{port}"
    provider = {"type": "fake_multinode", "gcs_address": gcs, "worker_liveness_check": False, **UPDATERS}
    head = {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0}
    settings = {
        "cluster_name": "grows",
        "max_workers": 2,
        "provider": provider,
        "available_node_types": {"ray.head.default": head, "worker": worker},
        "head_node_type": "ray.head.default",
        "idle_timeout_minutes": 5,
        "upscaling_speed": 1.0,
        **{name: {} for name in ("auth", "file_mounts", "docker")},
        **{name: [] for name in COMMANDS},
    }
    (home / "grows.yaml").write_text(yaml.safe_dump(settings))
    root = str(Path(__file__).parents[3])
    with head_node(
        home, "--autoscaling-config", str(home / "grows.yaml"), "--port", str(port), cpus=0,
        RAY_FAKE_CLUSTER="1", AUTOSCALER_UPDATE_INTERVAL_S="1", PYTHONPATH=root,
    ) as head:  # fmt: skip
        yield head


def train(head, *words, **variables):
    command = [sys.executable, "-m", "reeltune", "train", "pmf", "--data", "synthetic", "--address", head.gcs, *words]
    home = {"PYTHONPATH": str(Path(__file__).parents[3]), "REELTUNE_CACHE": str(head.home / "cache")}
    return subprocess.run(
        command,
        cwd=head.home,
        env=environment(**home, **variables),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.mark.slow
def test_a_wrong_token_is_said_at_once(head):
    done = train(head, RAY_AUTH_TOKEN="ff" * 32)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert TOLD in line


MISSING = """
import sys
from reeltune.cluster.session.session import join
from reeltune.trainables.errors import InputError
try:
    join("ray://" + sys.argv[1], runtime_env={"working_dir": "gcs://_ray_pkg_0123456789abcdef.zip"})
except InputError as error:
    print(error)
"""


@pytest.mark.slow
def test_a_client_server_that_cannot_start_a_process_is_told_from_no_cluster(head):
    command = [sys.executable, "-c", MISSING, head.client]
    # The server waits so long for a client that may come back, also where it could not serve it.
    variables = environment(RAY_CLIENT_RECONNECT_GRACE_PERIOD="1")
    done = subprocess.run(command, env=variables, cwd=head.home, capture_output=True, text=True, timeout=240)
    assert (
        f"--address ray://{head.client}: the cluster's server for Ray's client could not start a process" in done.stdout
    )
    assert done.stdout.rstrip().endswith("try again if the head node is busy")


SAID = (
    "psutil.ZombieProcess: PID still exists but it's a zombie (pid=27513)",
    "RuntimeError: Starting Ray client server failed. See ray_client_server_23000.err for detailed logs.",
)


@pytest.mark.parametrize("said", SAID)
@pytest.mark.parametrize("dead", [0, 1, 2])
def test_where_a_process_of_rays_server_was_dead_at_once_another_is_asked_for(monkeypatch, dead, said):
    asked = []

    def init(**given):
        asked.append(given["address"])
        if asked.count(given["address"]) <= dead:
            raise ConnectionAbortedError(f"Traceback (most recent call last):\n  ...\n{said}")

    monkeypatch.setattr(session, "check_address", lambda *_, **__: None)
    monkeypatch.setattr(session, "ray", SimpleNamespace(init=init, shutdown=lambda: asked.append("shut down")))
    if dead < 2:
        join("ray://head:10001")
    else:
        with pytest.raises(InputError, match="could not start a process for us"):
            join("ray://head:10001")
    assert asked == ["ray://head:10001", "shut down", "ray://head:10001"][: 1 if dead == 0 else 3]


@pytest.mark.slow
def test_more_workers_than_the_autoscaler_may_bring_are_refused_with_the_arithmetic(head):
    done = train(head, "--workers", "5")
    assert done.returncode == 2
    assert "5 workers need 5 CPUs and the cluster has 0 and may grow to 4: lower --workers, or add nodes" in done.stderr


@pytest.mark.slow
def test_workers_that_the_autoscaler_may_bring_are_waited_for(head):
    done = train(head, "--workers", "3", "--name", "three")
    assert done.returncode == 0, done.stderr
    assert "waiting for 3 CPUs: the cluster has 0 and may grow to 4" in done.stderr
    assert (head.home / "runs" / "three" / "models" / "pmf" / "model.safetensors").exists()


def test_a_program_of_a_user_with_a_token_starts_a_ray_after_it_has_looked_for_a_cluster_in_vain(tmp_path):
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray/auth_token").write_text("f" * 64)
    refused, started = at_home(LOOKED_BEFORE, tmp_path).splitlines()
    assert refused.startswith("--address 127.0.0.1:1: no Ray cluster there")
    assert started == "True"


@pytest.mark.parametrize("kind", [Exception, RuntimeError])
def test_a_ray_that_does_not_start_is_one_line_with_the_folder_of_its_logs(kind, tmp_path, monkeypatch):
    def fail(**_):
        raise kind("The current node\ntimed out during startup.")

    ours, another = f"session_2026-11-30_05-47-29_349947_{os.getpid()}", "session_2026-11-30_05-51-38_729309_1"
    for name in (ours, another, ours.replace("30", "29", 1)):
        (tmp_path / "ray" / name).mkdir(parents=True)
    (tmp_path / "ray" / "session_latest").symlink_to(tmp_path / "ray" / another)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.setenv("RAY_AUTH_TOKEN", "one")
    monkeypatch.setattr(ray, "init", fail)
    with pytest.raises(RayNotStarted) as caught:
        _start(0)
    logs = tmp_path / "ray" / ours / "logs"
    said = "Ray did not start: The current node timed out during startup"
    assert str(caught.value) == f"{said}; its logs are in {logs}"


def test_another_error_of_a_start_keeps_its_traceback(monkeypatch):
    def fail(**_):
        raise ValueError("a bug")

    monkeypatch.setenv("RAY_AUTH_TOKEN", "one")
    monkeypatch.setattr(ray, "init", fail)
    with pytest.raises(ValueError, match="a bug"):
        _start(0)


BROKEN = """
import sys, ray._private.services as services
services.RAYLET_EXECUTABLE = "/bin/false"  # it dies at once, and Ray waits 30 seconds for it
sys.argv = ["reeltune", "tune", "--smoke-test", "--name", "broken"]
from reeltune.cluster.cli.app import main
main()
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_search_whose_ray_does_not_start_says_so_and_goes_on_later(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", BROKEN], env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}, cwd=tmp_path,
        capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    said = re.fullmatch(r"error: Ray did not start: .*; its logs are in (\S+); everything so far is kept; (.*)", last)
    assert re.search(r"/session_[^/]*/logs$", said[1])
    assert Path(said[1], "gcs_server.out").exists()
    assert said[2] == "go on with: reeltune tune --smoke-test --name broken --resume"
    assert "Traceback" not in done.stderr
