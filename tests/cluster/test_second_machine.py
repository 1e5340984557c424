"""A cluster of two machines as docs/cluster.md starts it, and a third one, which is no node, from which it is used."""

import json
import re
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load

from reeltune.trainables.data import load_data
from reeltune.trainables.data.reading.parts import Parquet
from tests import heads, inside, machines, s3
from tests.machines import Machine, Network

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
TOKEN_MODE = {"RAY_AUTH_MODE": "token"}
WRONG = {**TOKEN_MODE, "RAY_AUTH_TOKEN": "f" * 64}
LONG = ["train", "pmf", "--data", "synthetic", "--set", "epochs=1000", "--set", "batch_size=4"]
SMOKE = ["--smoke-test", "--no-ensemble", "--concurrent", "1"]
WEIGHTS = "models/pmf/model.safetensors"
SEARCH = ["--data", "synthetic", "--trials", "9000", "--no-ensemble", "--no-asha"]
# The head notices a lost machine by health checks, in about 25 s with these; with Ray's own values, in 65 s.
HEALTH = {"period_ms": "1000", "timeout_ms": "4000", "failure_threshold": "5"}
HEALTH_CHECKS = {f"RAY_health_check_{name}": value for name, value in HEALTH.items()}
# `reeltune`, which takes its cluster for lost after 8 s without an answer, and not 40 s. (The answer is a connection
# that is taken, which a busy machine does too.)
HASTY = """
import sys
from reeltune.cluster.cli.app import main
from reeltune.cluster.session import watchdog
watchdog.LOST_AFTER = 8.0
sys.argv[0] = "reeltune"
main()
"""
# Until the name is listed: TensorBoard answers before it has read a run.
LISTED = """
import sys, time, urllib.request
for _ in range(100):
    found = urllib.request.urlopen(sys.argv[1]).read().decode()
    if sys.argv[2] in found:
        break
    time.sleep(0.3)
print(found)
"""


@dataclass(frozen=True, kw_only=True)
class Three:
    head: Machine
    node: Machine
    laptop: Machine  # no node
    network: Network
    node_block: str  # what makes a node of another machine

    @contextmanager
    def that_reach(self, port, *more):
        """While they all reach a port of the machine on which they are."""
        with ExitStack() as stack:
            for machine in (self.head, self.node, self.laptop, *more):
                stack.enter_context(machine.forwards(port))
            yield


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    if reason := machines.why_not():
        pytest.skip(reason)
    with machines.network(tmp_path_factory.mktemp("machines")) as network:
        head, node, laptop = (network.machine(name) for name in ("head", "node", "laptop"))
        head_block, node_block, *_ = blocks(head)
        # A CPU each is enough, and a trial of two workers then needs both machines.
        one_cpu = "ray start --num-cpus 1"
        started(head.shell(head_block.replace("ray start", one_cpu), **HEALTH_CHECKS, **s3.ENVIRONMENT))
        for other in (node, laptop):
            (other.home / ".ray").mkdir()
            (other.home / ".ray/auth_token").write_text((head.home / ".ray/auth_token").read_text())
        node_block = node_block.replace("ray start", one_cpu)
        started(node.shell(node_block, **s3.ENVIRONMENT))
        yield Three(head=head, node=node, laptop=laptop, network=network, node_block=node_block)


def blocks(head):
    """The blocks of commands for several machines that docs/cluster.md has, in its order."""
    page = (machines.ROOT / "docs/cluster.md").read_text()
    part = page.split("## Several machines")[1].split("## What it takes")[0]
    return [re.sub(r"\bHEAD\b", head.address, block) for block in re.findall(r"^```\n(.*?)^```", part, re.M | re.S)]


def one_at_a_time(block):
    """The same with one process for trials and one lane for refits: each takes seconds of a CPU to start."""
    return block.replace("--smoke-test", "--smoke-test --concurrent 1")


def started(done):
    assert done.returncode == 0, done.stdout + done.stderr


def refused(machine, *words, **variables):
    """The one line that a command says before it has read any data."""
    done = machine.reeltune(*words, **variables)
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    return line


def refusals(machine, addresses, **variables):
    """What `refused` gives for a fit at each of these addresses; in one process, as each takes seconds to start."""
    commands = [["train", "pmf", "--data", "synthetic", "--address", address] for address in addresses]
    done = machine.run("python", "-m", "tests.inside", json.dumps(commands), **variables)
    assert (done.returncode, done.stderr) == (0, "")
    codes, _, errors = zip(*json.loads(done.stdout), strict=True)
    assert set(codes) == {2}
    assert [text.count("\n") for text in errors] == [1] * len(addresses)
    return [text.rstrip("\n") for text in errors]


SAID = {
    "{}:6379": "--address ray://{}:10001, or a job: ssh -N -L 8265:127.0.0.1:8265 {}, then reeltune submit",
    "{}:10001": "Ray's client is served there: type --address ray://{}:10001",
    "ray://{}:6379": "no server for Ray's client there: the cluster's own port is there; try ray://{}:10001",
    "http://{}:8265": "a dashboard takes jobs, by reeltune submit --address http://{}:8265 -- VERB ...; VERB",
    "auto": "no Ray was started on this machine; name the cluster: --address ray://HOST:10001",
}


def test_an_address_that_does_not_work_from_here_is_told_with_those_that_do(three):
    lines = refusals(three.laptop, [address.format(three.head.address) for address in SAID])
    for said, line in zip(SAID.values(), lines, strict=True):
        assert said.replace("{}", three.head.address) in line


@pytest.mark.parametrize("variables", [WRONG, {"HOME": "/nowhere"}], ids=["wrong", "none"])
def test_a_token_that_is_wrong_or_missing_is_named(three, variables):
    typed = [address.format(three.head.address) for address in ("ray://{}:10001", "{}:6379")]
    for address, line in zip(typed, refusals(three.laptop, typed, **variables), strict=True):
        assert line.startswith(
            f"error: --address {address}: the cluster did not take the token, or wants one; put its token"
        )


def test_something_else_that_listens_is_no_cluster(three):
    line = refused(three.head, "train", "pmf", "--data", "synthetic", "--address", "127.0.0.1:8265")
    assert line.endswith("no Ray cluster there: something else listens; Ray's own port is 6379")


def test_a_search_through_rays_client_runs_on_the_head_and_comes_to_the_machine_that_asked(three):
    (client,) = [block for block in blocks(three.head) if "ray://" in block]
    done = three.laptop.shell(one_at_a_time(client))
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
        done = three.laptop.shell(one_at_a_time(sent))
    assert done.returncode == 0, done.stderr
    assert (three.head.home / "runs/job/report.html").exists()
    assert "job: SUCCEEDED, exit code 0, " in done.stdout
    assert done.stderr.count(" wins ") == 2, "of submit, and of jobs logs"


def test_a_dashboard_that_is_not_forwarded_is_told_with_the_line_that_does(three):
    line = refused(three.laptop, "submit", "--address", f"http://{three.head.address}:8265", "--", "architectures")
    assert (
        f"run ssh -N -L 8265:127.0.0.1:8265 {three.head.address}, then submit --address http://127.0.0.1:8265" in line
    )


def test_trials_of_two_workers_run_across_two_machines(three):
    words = [*SMOKE, "--workers-per-trial", "2", "--name", "pairs", "--address", "auto"]
    done = three.head.reeltune("tune", "pmf", *words)
    assert done.returncode == 0, done.stderr
    assert "starting 2 workers" in done.stderr
    assert "[2/2] pmf-001 done" in done.stderr


def test_a_job_installs_what_the_cluster_lacks(three):
    with three.laptop.forwards(8265, to=three.head):
        done = three.laptop.reeltune("submit", "--install", "--name", "installs", "--", "architectures")
    assert done.returncode == 0, done.stderr
    assert "Salakhutdinov" in done.stderr


def test_a_run_in_a_store_is_reported_and_shown_on_any_machine(three, s3_port, bucket):
    where = s3.uri(s3_port, bucket)
    begin, _, query = where.partition("?")
    run = f"{begin}/stored?{query}"
    with three.that_reach(s3_port):
        words = [*SMOKE, "--storage", where, "--name", "stored", "--address", "auto"]
        done = three.head.reeltune("tune", "bias", *words, **s3.ENVIRONMENT)
        assert done.returncode == 0, done.stderr
        told = three.laptop.reeltune("report", run, **s3.ENVIRONMENT)
        assert (told.returncode, told.stdout) == (0, f"{begin}/stored/report.html?{query}\n"), told.stderr
        board = three.laptop.start("reeltune", "board", run, **s3.ENVIRONMENT)
        try:
            page = board.stdout.readline().strip()
            runs = three.laptop.run("python", "-c", LISTED, f"{page}data/runs", "000-bias")
        finally:
            heads.kill(board)
            board.communicate()
    assert any("000-bias" in name for name in json.loads(runs.stdout)), runs.stdout + runs.stderr


def test_rows_from_a_store_are_fitted_on_two_machines_of_which_none_has_all(three, s3_port, bucket, tmp_path):
    where, store = s3.uri(s3_port, bucket), s3.store(s3_port, bucket)
    data = load_data("synthetic:users=40,items=30,ratings=600")
    pairs = {"user": data.users.text[data.rows.users - 1], "item": data.items.text[data.rows.items - 1]}
    frame = pd.DataFrame({**pairs, "rating": data.rows.ratings})
    for number, part in enumerate((frame[:250], frame[250:])):
        store.write(f"ratings/{number}.parquet", part.to_parquet())
    words = ["train", "pmf", "--shard", "users", "--set", "epochs=2", "--score-test", "--json"]
    frame.to_parquet(tmp_path / "whole.parquet")
    alone = inside.reeltune(*words, "--data", str(tmp_path / "whole.parquet"), "--name", "alone")
    begin, _, query = where.partition("?")
    source = f"{begin}/ratings?{query}"
    words += ["--data", source, "--stream", "--workers", "2", "--storage", where, "--name", "streamed"]
    with three.that_reach(s3_port):
        done = three.head.reeltune(*words, "--address", "auto", **s3.ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    here, there = (json.loads(each.stdout)["test"]["mean_mse"] for each in (alone, done))
    assert there == pytest.approx(here, rel=1e-4)
    one, two = (load(content) for content in (read_weights("alone"), store.read(f"streamed/{WEIGHTS}")))
    assert all(torch.allclose(one[name], two[name], atol=5e-6) for name in one)
    assert [name for name in store.below("streamed").names() if name.startswith("fits")] == []
    assert Parquet.at(f"{begin}/ratings/1.parquet?{query}").head(9).frame.shape == (9, 3), "a file is enough"


def read_weights(name):
    return Path(f"runs/{name}/{WEIGHTS}").read_bytes()


def test_a_node_without_the_stores_credentials_is_named_before_anything_runs(three, s3_port, bucket):
    poor = three.network.machine("poor")
    (poor.home / ".ray").mkdir()
    (poor.home / ".ray/auth_token").write_text((three.head.home / ".ray/auth_token").read_text())
    started(poor.shell(three.node_block, AWS_EC2_METADATA_DISABLED="true"))
    with s3.proxied(s3_port) as proxy, three.that_reach(proxy.port, poor):
        s3.store(proxy.port, bucket)
        proxy.fault = "anonymous"
        words = ["--smoke-test", "--storage", s3.uri(proxy.port, bucket), "--name", "refused", "--address", "auto"]
        done = three.head.reeltune("tune", "bias", *words, **s3.ENVIRONMENT)
    poor.kill()
    assert done.returncode == 2, done.stderr
    last = done.stderr.splitlines()[-1]
    assert f": node {poor.address} cannot use it: " in last
    assert last.endswith(
        "a node reads and writes with its own credentials, of its role or of where Ray was started on it"
    )
    assert "; node " not in last, "the others have them"


def until_said(process, text):
    """Read what a command says on standard error until a line has this text."""
    said = []
    for line in process.stderr:
        said.append(line)
        if text in line:
            return said
    raise AssertionError("".join(said))


def test_the_plain_log_tells_what_happens_to_the_cluster(three):
    """The last test: it loses the head."""
    head = three.head
    held = head.reeltune("submit", "--name", "holder", "--no-wait", "--", *LONG, "--workers", "2")
    assert held.returncode == 0, held.stderr
    heads.until(lambda: (head.home / "runs/holder/fits").is_dir(), seconds=300)
    search = head.start("python", "-c", HASTY, "tune", "pmf", *SEARCH, "--name", "told", "--address", "auto")
    until_said(search, ": job reeltune-holder holds 2 CPUs")
    assert head.reeltune("jobs", "stop", "holder").stdout.startswith("holder: STOPPED")
    until_said(search, "] pmf-000 ")
    three.node.kill()
    until_said(search, f"node {three.node.address} is lost with ")
    until_said(search, "] pmf-")
    assert not (head.home / "runs/told/.probe").exists()
    assert json.loads((head.home / "runs/told/run.json").read_text())["machine"]["nodes"] == "2 nodes of a cluster"
    words = [*LONG, "--name", "far", "--address", f"ray://{head.address}:10001"]
    client = three.laptop.start("reeltune", *words, RAY_CLIENT_RECONNECT_GRACE_PERIOD="10")
    until_said(client, "waiting for 1 CPU: ")  # so it has joined: a cluster that is lost before that is refused
    head.run("pkill", "-9", "gcs_server")
    _, said = search.communicate(timeout=200)
    assert search.returncode == 1
    last = "reeltune tune pmf " + " ".join(SEARCH) + " --name told --address auto --resume"
    assert said.splitlines()[-1].startswith("error: Ray is gone")
    assert said.splitlines()[-1].endswith(f"go on with: {last}")
    assert "gcs_client" not in said
    head.kill()
    _, said = client.communicate(timeout=200)
    assert client.returncode == 1
    assert said.splitlines()[-1].startswith("error: ")
    assert "go on with: reeltune train pmf" in said.splitlines()[-1]
