"""A cluster of two machines as docs/cluster.md starts it, and a third one, which is no node, from which it is used."""

import re
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
        head_block, node_block, *_ = blocks(head)
        started(head.shell(head_block))
        for other in (node, laptop):
            (other.home / ".ray").mkdir()
            (other.home / ".ray/auth_token").write_text((head.home / ".ray/auth_token").read_text())
        started(node.shell(node_block))
        yield Three(head=head, node=node, laptop=laptop)


def blocks(head):
    """The blocks of commands for several machines that docs/cluster.md has, in its order."""
    page = (machines.ROOT / "docs/cluster.md").read_text()
    part = page.split("## Several machines")[1].split("## What it takes")[0]
    return [re.sub(r"\bHEAD\b", head.address, block) for block in re.findall(r"^```\n(.*?)^```", part, re.M | re.S)]


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


def test_a_search_through_rays_client_runs_on_the_head_and_comes_to_the_machine_that_asked(three):
    (client,) = [block for block in blocks(three.head) if "ray://" in block]
    done = three.laptop.shell(client)
    assert done.returncode == 0, done.stderr
    assert "joining auto" in done.stderr or f"joining {three.head.address}:6379" in done.stderr
    assert (three.laptop.home / "runs/client/report.html").exists()


def test_jobs_go_through_a_forwarded_port_and_are_looked_at_by_name(three):
    before, (forward, sent) = blocks(three.head)[:3], blocks(three.head)[3:]
    assert "ray://" in before[2]
    assert forward == f"ssh -N -L 8265:127.0.0.1:8265 {three.head.address}\n"
    without = three.laptop.reeltune("jobs")
    assert (without.returncode, without.stderr.rpartition("; ")[2]) == (
        2,
        "a head node elsewhere is reached while this runs: ssh -N -L 8265:127.0.0.1:8265 HEAD\n",
    )
    with three.laptop.forwards(8265, to=three.head):
        done = three.laptop.shell(sent)
    assert done.returncode == 0, done.stderr
    assert (three.head.home / "runs/job/report.html").exists()
    assert "job: SUCCEEDED, exit code 0, " in done.stdout
    assert done.stderr.count("winner by validation error: ") == 2, "of submit, and of jobs logs"


def test_a_dashboard_that_is_not_forwarded_is_told_with_the_line_that_does(three):
    line = refused(three.laptop, "submit", "--address", f"http://{three.head.address}:8265", "--", "architectures")
    assert (
        f"run ssh -N -L 8265:127.0.0.1:8265 {three.head.address}, then submit --address http://127.0.0.1:8265" in line
    )
