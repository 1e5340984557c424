"""A real head node of Ray, with ports, a temporary folder and a token of its own."""

import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

import psutil

TOKEN = "0123456789abcdef" * 4
PORTS = (
    "--port",
    "--dashboard-port",
    "--dashboard-agent-listen-port",
    "--dashboard-agent-grpc-port",
    "--metrics-export-port",
    "--runtime-env-agent-port",
    "--ray-client-server-port",
    "--node-manager-port",
    "--object-manager-port",
)


@dataclass(frozen=True, kw_only=True)
class Head:
    address: str  # the dashboard's
    gcs: str  # for --address
    client: str  # for --address ray://
    home: Path  # where Ray was started
    temporary: Path  # where its logs are
    process: subprocess.Popen


# Below those that systems give to connections, and above those that Ray gives to its workers and a Slurm script to its
# jobs: nobody else takes one between the moment when it is found free and the moment when it is listened at.
FREE = range(30_000, 32_760)
SHARES = 8  # of these ports: up to so many processes that share the tests have one each
_given: deque[int] = deque(maxlen=100)  # the last ones, by this process: who was told one may not listen yet


def free_ports(count):
    """Ports that nobody listens at, all different."""
    share = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % SHARES
    candidates = [port for port in FREE[share::SHARES] if port not in _given]
    random.SystemRandom().shuffle(candidates)
    found = []
    for port in candidates:
        with socket.socket() as one, suppress(OSError):
            one.bind(("", port))
            found.append(port)
        if len(found) == count:
            _given.extend(found)
            return found
    raise AssertionError(f"not {count} free ports in {FREE}")


def environment(**more):
    """Ray's variables are those given alone."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    kept["PATH"] = f"{Path(sys.executable).parent}:{kept['PATH']}"
    return {**kept, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN, **more}


def kill(process):
    """End Ray at once: asked to end it takes half a minute."""
    started = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    for one in started:
        with suppress(psutil.NoSuchProcess):
            one.kill()
    process.kill()
    process.wait(timeout=30)


def joined_at(home):
    """The address that Ray says other nodes join at, when it has started."""
    said = re.search(r"ray start --address='([^']+)'", (home / "head.log").read_text())
    return said and said[1]


def answers(address):
    request = urllib.request.Request(f"{address}/api/version", headers={"Authorization": f"Bearer {TOKEN}"})
    try:
        return urllib.request.urlopen(request, timeout=5).status == 200
    except (OSError, HTTPException):  # it may listen already, and hang up
        return False


def until(holds, process=None, seconds=200, *, log=None):
    """Wait until something is so. Returns what it is; shows the log of a process that ends before, or takes longer."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := holds():
            return found
        assert process is None or process.poll() is None, f"the process has ended: {process.returncode}{_end(log)}"
        time.sleep(0.1)
    raise AssertionError(f"not so within {seconds} s{_end(log)}")


def _end(log):
    return f"\n{log.read_text()[-5000:]}" if log else ""


@contextmanager
def head_node(home, *words, cpus=2, **more):
    """A head node that does not see this checkout by itself, unless `more` variables say so."""
    temporary = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    options = [word for option, port in ports.items() for word in (option, str(port))]
    options += ["--min-worker-port", "0", "--max-worker-port", "0", "--num-cpus", str(cpus), "--temp-dir", temporary]
    options += ["--node-ip-address", "127.0.0.1", "--include-dashboard=true", "--disable-usage-stats", "--block"]
    variables = environment(**{"REELTUNE_CACHE": str(home / "cache"), "PYTHONPATH": "", **more})
    with (home / "head.log").open("w") as log:
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", *options, *words]
        process = subprocess.Popen(command, cwd=home, env=variables, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{ports['--dashboard-port']}"
    try:
        until(lambda: answers(address), process, log=home / "head.log")
        until(lambda: joined_at(home), process, log=home / "head.log")
        yield Head(
            address=address,
            gcs=joined_at(home),
            client=f"127.0.0.1:{ports['--ray-client-server-port']}",
            home=home,
            temporary=Path(temporary),
            process=process,
        )
    finally:
        kill(process)
        shutil.rmtree(temporary, ignore_errors=True)
