"""A cluster of two machines as docs/cluster.md starts it, and a third one, which is no node, from which it is used."""

import time
from dataclasses import dataclass

import pytest

from tests import machines
from tests.machines import Machine

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(bool(machines.why_not()), reason=machines.why_not() or "there can be machines"),
]
TOKEN_MODE = {"RAY_AUTH_MODE": "token"}
WRONG = {**TOKEN_MODE, "RAY_AUTH_TOKEN": "f" * 64}
SECONDS = 30  # beyond the 10 that are promised: the machines share few CPUs with other tests


@dataclass(frozen=True, kw_only=True)
class Three:
    head: Machine
    node: Machine
    laptop: Machine


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    with machines.network(tmp_path_factory.mktemp("machines")) as network:
        head, node, laptop = (network.machine(name) for name in ("head", "node", "laptop"))
        started(head.run("ray", "get-auth-token", "--generate", **TOKEN_MODE))
        for other in (node, laptop):
            (other.home / ".ray").mkdir()
            (other.home / ".ray/auth_token").write_text((head.home / ".ray/auth_token").read_text())
        started(head.shell("ray start --head --num-cpus 1 --disable-usage-stats", **TOKEN_MODE))
        join = f"ray start --address {head.address}:6379 --num-cpus 1 --disable-usage-stats"
        started(node.shell(join, **TOKEN_MODE))
        yield Three(head=head, node=node, laptop=laptop)


def started(done):
    assert done.returncode == 0, done.stdout + done.stderr


def refused(machine, *words, **variables):
    """The one line that a command says before it has read any data."""
    begun = time.monotonic()
    done = machine.reeltune(*words, **variables)
    assert done.returncode == 2, done.stderr
    assert time.monotonic() - begun < SECONDS
    (line,) = done.stderr.splitlines()
    return line


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("{}:6379", "--address ray://{}:10001, or a job: ssh -N -L 8265:127.0.0.1:8265 {}, then reeltune submit"),
        ("{}:10001", "Ray's client is served there: type --address ray://{}:10001"),
        ("ray://{}:6379", "no server for Ray's client there: the cluster's own port is there; try ray://{}:10001"),
        ("http://{}:8265", "a dashboard takes jobs, by reeltune submit --address http://{}:8265 -- VERB ...; VERB"),
        ("auto", "no Ray was started on this machine; name the cluster: --address ray://HOST:10001"),
    ],
)
def test_an_address_that_does_not_work_from_here_is_told_with_those_that_do(three, address, said):
    typed = address.format(three.head.address)
    line = refused(three.laptop, "train", "pmf", "--data", "synthetic", "--address", typed)
    assert said.replace("{}", three.head.address) in line


@pytest.mark.parametrize("address", ["ray://{}:10001", "{}:6379"])
@pytest.mark.parametrize("variables", [WRONG, {"HOME": "/nowhere"}], ids=["wrong", "none"])
def test_a_token_that_is_wrong_or_missing_is_named(three, address, variables):
    typed = address.format(three.head.address)
    line = refused(three.laptop, "train", "pmf", "--data", "synthetic", "--address", typed, **variables)
    assert line.startswith(f"error: --address {typed}: the cluster did not take the token, or wants one; put its token")


def test_something_else_that_listens_is_no_cluster(three):
    line = refused(three.head, "train", "pmf", "--data", "synthetic", "--address", "127.0.0.1:8265")
    assert line.endswith("no Ray cluster there: something else listens; Ray's own port is 6379")
