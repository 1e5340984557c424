"""A real service of two replicas on a real cluster: it answers as without Ray, swaps and ends without a loss."""

import json
import signal
import subprocess
import threading
from contextlib import suppress

import psutil
import pytest

from tests import heads, nodes
from tests.served import PATIENCE, REELTUNE, served

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
KEY = "a-key-of-more-than-sixteen-signs"
SENT = {"X-API-Key": KEY}
PAIR = {"pairs": [{"user": "u1", "item": "i1"}]}
TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": heads.TOKEN}


@pytest.fixture(scope="module")
def head(tmp_path_factory):
    """One node of two CPUs: several on one machine would share a port, and a new one of them knows no path at first."""
    with heads.head_node(tmp_path_factory.mktemp("head"), PYTHONPATH=str(nodes.ROOT)) as found:
        yield found


@pytest.fixture(scope="module")
def link(bundles, tmp_path_factory):
    """What the service was started with: a link to the first bundle."""
    found = tmp_path_factory.mktemp("deployed") / "model"
    found.symlink_to(bundles[0])
    return found


@pytest.fixture(scope="module")
def on_ray(head, link):
    [port] = heads.free_ports(1)
    words = (link, "--address", head.gcs, "--replicas", "2", "--drain", "600")
    variables = {**TOKEN, "REELTUNE_API_KEY": KEY}
    with served(*words, folder=link.parent, variables=variables, port=port) as found:
        heads.until(lambda: "2 of 2 replicas answer" in found.errors.read_text(), found.process, PATIENCE)
        heads.until(lambda: found.ask("/healthz").status == 200, found.process, PATIENCE)
        yield found


def said(service, line, times=1):
    """Wait until standard error has this so many times."""
    heads.until(lambda: service.errors.read_text().count(line) >= times, service.process, PATIENCE)


def pointed(link, bundle):
    """Point the link elsewhere in one step."""
    next_link = link.with_name("next")
    next_link.symlink_to(bundle)
    next_link.replace(link)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/predict", {"pairs": [{"user": f"u{user}", "item": f"i{item}"} for user in range(5) for item in range(9)]}),
        ("/recommend", {"users": ["u1", "nobody"], "n": 5, "seen": [{"user": "u1", "item": "i1"}]}),
        ("/similar", {"item": "i3", "n": 5}),
        ("/fold-in", {"ratings": [{"item": "i1", "rating": 5}], "items": ["i2", "nothing"], "n": 5}),
        ("/fold-in-table", {"ratings": [{"user": "new", "item": "i1", "rating": 5}], "n": 5}),
        ("/predict", {"pairs": []}),
        ("/predict", b"no json"),
        ("/nowhere", {}),
    ],
)
def test_it_answers_what_the_service_without_ray_answers(on_ray, service, path, body):
    found, wanted = on_ray.ask(path, body, SENT), service.ask(path, body)
    assert (found.status, found.json) == (wanted.status, wanted.json)


def test_a_key_is_needed_and_stands_in_no_log(on_ray, head):
    for headers in (None, {"X-API-Key": "another-key-of-sixteen"}):
        assert on_ray.ask("/predict", PAIR, headers).status == 401
    assert on_ray.ask("/predict", PAIR, SENT).status == 200
    assert KEY not in on_ray.errors.read_text()
    logs = [path for path in head.temporary.rglob("*") if path.is_file() and not path.is_socket()]
    assert len(logs) > 10
    assert [path for path in logs if KEY.encode() in path.read_bytes()] == []


def test_both_replicas_answer_and_one_page_counts_for_both(on_ray):
    def counted():
        on_ray.ask("/predict", PAIR, SENT)
        page = on_ray.ask("/metrics", headers=SENT).text
        lines = [line for line in page.splitlines() if line.startswith("reeltune_requests_total{") and "/pred" in line]
        return {line.split('replica="')[1].split('"')[0] for line in lines if float(line.split()[-1]) > 0}

    heads.until(lambda: len(counted()) == 2, on_ray.process, PATIENCE)


def test_a_second_service_on_the_cluster_is_refused(on_ray, head, link):
    done = subprocess.run(
        [REELTUNE, "serve", str(link), "--address", f"ray://{head.client}"],
        env=nodes.environment(), cwd=link.parent, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "`reeltune serve` runs on this cluster (2 replicas); end that command first" in done.stderr


def test_a_new_bundle_takes_over_under_load_without_a_lost_request_and_the_end_leaves_nothing(
    on_ray, head, link, bundles
):
    before = on_ray.ask("/healthz").json["model"]
    ended, given = threading.Event(), []

    def client():
        connection = on_ray.connection()
        while not ended.is_set():
            given.append(on_ray.ask("/predict", PAIR, SENT, connection=connection))
        connection.close()

    clients = [threading.Thread(target=client) for _ in range(4)]
    for each in clients:
        each.start()
    pointed(link, bundles[1])
    on_ray.process.send_signal(signal.SIGHUP)
    said(on_ray, f"answers now, in place of {before}", times=2)
    (link.parent / "empty").mkdir()
    pointed(link, link.parent / "empty")
    on_ray.process.send_signal(signal.SIGHUP)
    said(on_ray, "still answers: ")
    asked = len(given)
    heads.until(lambda: len(given) > asked + 20, on_ray.process, PATIENCE)
    ended.set()
    for each in clients:
        each.join()
    assert {answer.status for answer in given} == {200}
    after = on_ray.ask("/healthz").json["model"]
    assert {answer.json["model"] for answer in given} == {before, after}

    ends_with_an_answer_to_what_is_in_flight(on_ray)
    heads.until(lambda: left(head) == [], seconds=PATIENCE)


def ends_with_an_answer_to_what_is_in_flight(service):
    """A request is half sent when the service is told to end."""
    connection, body = service.connection(), json.dumps(PAIR).encode()
    connection.putrequest("POST", "/predict")
    for name, value in {**SENT, "Content-Type": "application/json", "Content-Length": len(body)}.items():
        connection.putheader(name, str(value))
    connection.endheaders()
    connection.send(body[:5])
    service.ask("/healthz")  # the other request has begun by the time that this one is answered
    service.process.send_signal(signal.SIGINT)
    heads.until(lambda: service.ask("/healthz").status == 404, service.process, PATIENCE)
    connection.send(body[5:])
    answer = connection.getresponse()
    status, text = answer.status, answer.read()
    connection.close()
    assert (status, list(json.loads(text))) == (200, ["model", "predictions"])
    assert service.process.wait(PATIENCE) == 0, service.errors.read_text()


def left(head):
    """The processes of the service that are there."""
    names = []
    for one in psutil.Process(head.process.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            names.append(" ".join(one.cmdline()))
    return [name for name in names if any(part in name for part in ("ray::Serve", "ray::Proxy", "ray::Keeper"))]
