"""What of a cluster cannot be is one line, before anything is read or started."""

import sys

import pytest

from tests import inside

# Ray is up in this process before: looking for a cluster leaves it without a token to start one with.
pytestmark = pytest.mark.usefixtures("resources")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--replicas", "2"], "--replicas 2: is about a Ray cluster; give --address too, or leave it out"),
        (["--cpus-per-replica", "2"], "--cpus-per-replica 2: is about a Ray cluster; give --address too, or leave it"),
        (["--address", "auto", "--replicas", "0"], "--replicas 0: expected 1 or more"),
        (["--address", "auto", "--cpus-per-replica", "0"], "--cpus-per-replica 0.0: expected 0.01 or more"),
        (["--address", "auto", "--port", "0"], "--port 0: Ray Serve listens at the same port on all nodes; name one"),
        (["--address", "local"], "--address local: leave it out to serve on this machine; a cluster is auto or"),
        (["--address", "nowhere"], "--address 'nowhere': has no port: ray://nowhere:10001, or nowhere:6379 on one of"),
        (["--address", "127.0.0.1:1"], "--address 127.0.0.1:1: no Ray cluster there ("),
    ],
)
def test_what_cannot_be_is_one_line(words, sentence):
    done = inside.reeltune("serve", "model", *words)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith(f"error: {sentence}")


def test_without_the_extra_a_line_says_what_to_install(monkeypatch):
    for name in ("driver", "application", "replica", "keeper"):
        monkeypatch.delitem(sys.modules, f"reeltune.cluster.ray_serve.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    done = inside.reeltune("serve", "model", "--address", "auto")
    assert done.returncode == 2
    assert "prometheus_client is not installed; pip install 'reeltune[ray-serve]', or from a checkout: " in done.stderr
