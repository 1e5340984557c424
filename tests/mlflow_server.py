"""A real MLflow server on the loopback address, of a database and artifacts in a folder."""

import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import requests


@contextmanager
def server(folder):
    """The port of a server, a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    stores = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "files")]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(
            [*command, *stores], stdout=log, stderr=log, env=environment, cwd=folder, start_new_session=True
        )
    try:
        _wait(f"http://127.0.0.1:{port}/health", process)
        yield port
    finally:
        os.killpg(process.pid, 9)  # its workers too
        process.wait(timeout=30)


def _wait(url, process):
    end = time.monotonic() + 180
    while time.monotonic() < end:
        try:
            requests.get(url, timeout=5).raise_for_status()
            return
        except requests.RequestException:
            assert process.poll() is None, "the server has ended"
            time.sleep(0.2)
    raise AssertionError("no server")
