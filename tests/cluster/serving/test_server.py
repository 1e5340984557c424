"""A real service on the loopback address: what it answers, refuses, and how it changes its bundle and ends."""

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from urllib.parse import urlsplit

import pytest

from reeltune.cluster.serving.answers import Answers
from reeltune.cluster.serving.options import BODY_LIMIT
from reeltune.cluster.serving.schemas import PredictRequest
from reeltune.trainables.bundle import load
from tests import inside
from tests.served import PATIENCE, served

KEY = "a key of more than sixteen signs".replace(" ", "-")
PAIR = {"pairs": [{"user": "u1", "item": "i1"}]}


def test_the_first_lines_say_where_and_what_it_is_and_how_to_ask(service, bundles):
    where, command, page = service.greeting
    assert where.startswith("http://127.0.0.1:")
    assert f"svdpp of synthetic:users=40,items=30,ratings=600, from {bundles[0]} (" in where
    done = subprocess.run(shlex.split(command), capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["predictions"][0]["known_user"] is True
    assert page == f"its page: {service.url}/docs"


def test_each_endpoint_answers_and_names_the_bundle(service):
    name = service.ask("/healthz").json["model"]
    for path, body in {
        "/predict": PAIR,
        "/recommend": {"users": ["u1", 7], "n": 3},
        "/similar": {"item": "i1"},
        "/fold-in": {"ratings": [{"item": "i1", "rating": 5}]},
        "/fold-in-table": {"ratings": [{"user": "new", "item": "i1", "rating": 5}]},
    }.items():
        answer = service.ask(path, body)
        assert (answer.status, answer.json["model"]) == (200, name), answer


def test_health_is_of_the_bundle(service):
    health = service.ask("/healthz")
    assert health.status == 200
    assert {key: health.json[key] for key in ("status", "architecture", "users", "items", "last_reload")} == {
        "status": "ok",
        "architecture": "svdpp",
        "users": 40,
        "items": 30,
        "last_reload": "none",
    }


@pytest.mark.parametrize(
    ("path", "body", "status", "sentence"),
    [
        ("/predict", b"no json", 400, "the body is no JSON: Expecting value at character 0"),
        ("/predict", b'{"pairs": "\xff"}', 400, "the body is no JSON that can be read"),
        ("/predict", b"[" * 100_000, 400, "the body is no JSON that can be read"),
        ("/predict", b'{"pairs": [' + b"9" * 5000 + b"]}", 400, "the body is no JSON that can be read"),
        ("/predict", b"", 422, "body: Field required"),
        ("/predict", [], 422, "body: "),
        ("/predict", {"pairs": []}, 422, "pairs: List should have at least 1 item"),
        ("/predict", {"pairs": [{"user": 1, "item": 2}] * 10_001}, 422, "pairs: List should have at most 10000 items"),
        ("/predict", {"pairs": [{"user": None, "item": 2}] * 3}, 422, "pairs.0.user: expected an id: text or a whole "),
        (
            "/predict",
            {"pairs": [{"user": "u" * (1 << 20), "item": 2}]},
            422,
            "pairs.0.user: an id has 1,000 characters",
        ),
        (
            "/predict",
            {"pairs": [{"user": "u1", "item": 2, "time": "2026-01-01"}]},
            422,
            "pairs.0.time: this model takes",
        ),
        ("/predict", {"pairs": [{"user": "u1", "item": 2, "when": 1}]}, 422, "pairs.0.when: Extra inputs are not "),
        ("/predict", b'{"pairs": [{"user": "\\ud800", "item": 2}]}', 422, "half of a surrogate pair"),
        ("/recommend", {"users": [1] * 1001}, 422, "users: List should have at most 1000 items"),
        ("/recommend", {"users": [1], "n": 0}, 422, "n: Input should be greater than or equal to 1"),
        ("/recommend", {"users": [1], "n": "ten"}, 422, "n: expected a whole number"),
        ("/recommend", {"users": [1], "at": "2026-01-01"}, 422, "at: this model takes no time; leave it out"),
        ("/similar", {"item": {"a": 1}}, 422, "item: expected an id: text or a whole number"),
        ("/fold-in", b'{"ratings": [{"item": 1, "rating": NaN}]}', 422, "ratings.0.rating: Input should be a finite"),
        (
            "/fold-in",
            {"ratings": [{"item": 1, "rating": 10**400}]},
            422,
            "ratings.0.rating: expected a number, and this ",
        ),
        (
            "/fold-in",
            {"ratings": [{"item": "i1", "rating": 77}]},
            422,
            "has rated item 'i1' with 77; the model's ratings",
        ),
        ("/nowhere", {}, 404, "Not Found"),
    ],
)
def test_what_cannot_be_answered_is_one_sentence(service, path, body, status, sentence):
    answer = service.ask(path, body)
    assert answer.status == status
    assert list(answer.json) == ["detail"]
    assert sentence in answer.json["detail"]
    assert len(answer.text) < 500
    assert service.ask("/predict", PAIR).status == 200


def test_a_list_of_a_million_is_refused(service):
    body = b'{"pairs": [' + b"1," * 999_999 + b"1]}"
    answer = service.ask("/predict", body)
    assert answer.status == 422
    assert len(answer.text) < 500


def test_a_body_that_is_not_called_json_is_refused(service):
    answer = service.ask("/predict", PAIR, {"Content-Type": "text/plain"})
    assert (answer.status, "Content-Type: application/json" in answer.json["detail"]) == (415, True)


def test_too_large_a_body_is_refused_before_it_is_read(service):
    answer = service.ask("/predict", b"", {"Content-Length": str(BODY_LIMIT + 1)})
    assert answer.status == 413
    assert f"larger than {BODY_LIMIT:,} bytes" in answer.json["detail"]


def test_so_is_one_that_does_not_say_its_length(service):
    connection = service.connection()
    connection.putrequest("POST", "/predict")
    for name, value in {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}.items():
        connection.putheader(name, value)
    connection.endheaders()
    for size in (*[1 << 20] * (BODY_LIMIT >> 20), 1):  # not a byte is on its way when the last one is too many
        connection.send(b"%x\r\n%s\r\n" % (size, b"1" * size))
    answer = connection.getresponse()
    status, _ = answer.status, answer.read()
    connection.close()
    assert status == 413


def test_without_a_key_a_request_for_another_host_is_refused(service):
    for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", ""):
        assert service.ask("/healthz", headers={"Host": host}).status == 421
    for host in ("localhost", "127.0.0.1:1", "[::1]:80", "LOCALHOST:8000"):
        assert service.ask("/healthz", headers={"Host": host}).status == 200


def test_metrics_count_requests_pairs_and_unknown_ids(service):
    def value(line):
        page = service.ask("/metrics").text
        return sum(float(each.split()[-1]) for each in page.splitlines() if each.startswith(line))

    names = [
        'reeltune_requests_total{path="/predict",status="200"}',
        "reeltune_pairs_total",
        'reeltune_unknown_ids_total{kind="user"}',
        'reeltune_request_seconds_count{path="/predict"}',
    ]
    before = [value(name) for name in names]
    service.ask("/predict", {"pairs": [{"user": "u1", "item": "i1"}, {"user": "nobody", "item": "i1"}]})
    assert [value(name) - earlier for name, earlier in zip(names, before, strict=True)] == [1, 2, 1, 1]
    name = service.ask("/healthz").json["model"]
    assert value(f'reeltune_model_info{{model="{name}"}}') == 1


def test_many_at_once_are_answered_each_with_its_own(service, answers):
    users = [f"u{number}" for number in range(32)]
    alone = [answers.predict([PredictRequest(pairs=[{"user": user, "item": "i1"}])])[0] for user in users]
    found = {}

    def ask(user):
        body = {"pairs": [{"user": user, "item": "i1"}]}
        found[user] = service.ask("/predict", body).json["predictions"]

    threads = [threading.Thread(target=ask, args=(user,)) for user in users]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for user, one in zip(users, alone, strict=True):
        assert found[user][0]["prediction"] == pytest.approx(one.predictions[0].prediction, abs=1e-5)


def test_a_new_bundle_takes_over_without_a_lost_request_and_the_service_drains(bundles, tmp_path):
    """A link is pointed elsewhere under load, to good bundles and bad ones; then the service is told to end."""
    link = tmp_path / "model"
    link.symlink_to(bundles[0])
    # What is in flight at the end may take as long as this machine needs.
    with served(link, "--drain", "600", folder=tmp_path, variables={"REELTUNE_API_KEY": KEY}) as service:
        key = {"X-API-Key": KEY}
        names = [service.ask("/healthz").json["model"]]
        ended, given = threading.Event(), []

        def client():
            connection = service.connection()
            while not ended.is_set():
                given.append(service.ask("/predict", PAIR, key, connection=connection))
            connection.close()

        clients = [threading.Thread(target=client) for _ in range(4)]
        for each in clients:
            each.start()
        for bundle in (bundles[1], bundles[0], bundles[1]):
            pointed(link, bundle)
            before = service.ask("/healthz").json["model"]
            service.process.send_signal(signal.SIGHUP)
            service.until(lambda health, before=before: health["model"] != before)
            names.append(service.ask("/healthz").json["model"])
        (tmp_path / "empty").mkdir()
        pointed(link, tmp_path / "empty")
        service.process.send_signal(signal.SIGHUP)
        service.until(lambda health: health["last_reload"] == "failed")
        asked = len(given)
        while len(given) < asked + 20:
            time.sleep(0.01)
        ended.set()
        for each in clients:
            each.join()

        wanted = {names[0]: bundles[0], names[1]: bundles[1]}
        assert names == [names[0], names[1]] * 2
        assert {answer.status for answer in given} == {200}
        assert {answer.json["model"] for answer in given} == set(wanted)
        for name, bundle in wanted.items():
            [alone] = Answers(load(bundle), name).predict([PredictRequest(**PAIR)])
            ratings = [answer.json["predictions"][0]["prediction"] for answer in given if answer.json["model"] == name]
            assert ratings == pytest.approx([alone.predictions[0].prediction] * len(ratings), abs=1e-5)
        said = service.errors.read_text()
        assert f"reload: the bundle {names[1]} answers now, in place of {names[0]}" in said
        assert f"reload: failed, and the bundle {names[1]} still answers: {tmp_path / 'empty'}: no model bundle" in said
        assert 'reeltune_reloads_total{outcome="failed"} 1.0' in service.ask("/metrics", headers=key).text

        the_command_works_with_the_key(service)
        the_key_is_needed(service)
        drains(service)


def pointed(link, bundle):
    """Point a link elsewhere in one step, as a deployment does."""
    link.with_name("next").symlink_to(bundle)
    os.replace(link.with_name("next"), link)


def the_command_works_with_the_key(service):
    variables = {**os.environ, "REELTUNE_API_KEY": KEY}
    done = subprocess.run(service.greeting[1], shell=True, env=variables, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["predictions"]


def the_key_is_needed(service):
    for headers in ({}, {"X-API-Key": KEY[:-1]}, {"Authorization": f"Basic {KEY}"}, {"X-API-Key": "é"}):
        answer = service.ask("/predict", PAIR, headers)
        assert (answer.status, list(answer.json)) == (401, ["detail"])
    for headers in ({"X-API-Key": KEY}, {"Authorization": f"Bearer {KEY}"}):
        assert service.ask("/predict", PAIR, {**headers, "Host": "elsewhere.example"}).status == 200
    assert [service.ask(path).status for path in ("/metrics", "/healthz", "/docs", "/openapi.json")] == [
        401,
        200,
        200,
        200,
    ]
    assert service.ask("/openapi.json").json["paths"]["/predict"]["post"]["security"] == [{"key": []}]
    assert KEY not in service.errors.read_text() + "".join(service.greeting)


def drains(service):
    """After SIGTERM soon nobody new gets in, and whoever is in gets an answer and no more; the exit code is 0."""
    connection, body = service.connection(), json.dumps(PAIR).encode()
    connection.putrequest("POST", "/predict")
    for name, value in {"Content-Type": "application/json", "X-API-Key": KEY, "Content-Length": len(body)}.items():
        connection.putheader(name, str(value))
    connection.endheaders()
    connection.send(body[:5])
    service.ask("/healthz")  # the other request has begun by the time that this one is answered
    service.process.send_signal(signal.SIGTERM)
    until_refused(service)
    connection.send(body[5:])
    answer = connection.getresponse()
    status, text, last = answer.status, answer.read(), answer.getheader("connection")
    connection.close()
    assert (status, list(json.loads(text)), last) == (200, ["model", "predictions"], "close")
    assert service.process.wait(PATIENCE) == 0


def until_refused(service):
    where = urlsplit(service.url)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            socket.create_connection((where.hostname, where.port), PATIENCE).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.05)
    raise AssertionError("it still takes connections")


def refused(*words):
    done = inside.reeltune("serve", *map(str, words))
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_a_port_that_is_in_use_is_one_line(bundles, service):
    port = urlsplit(service.url).port
    assert refused(bundles[0], "--port", port) == (
        f"error: --host 127.0.0.1 --port {port}: Address already in use; --port 0 takes any free one\n"
    )


def test_what_would_let_anybody_ask_is_refused(bundles, monkeypatch):
    monkeypatch.delenv("REELTUNE_API_KEY", raising=False)
    assert "whoever reaches this machine could ask; give --api-key-file FILE" in refused(
        bundles[0], "--host", "0.0.0.0"
    )


@pytest.mark.parametrize(
    "content", ["short", "", "with a space and long enough", "é" * 20, "line\nline of more than 16"]
)
def test_a_key_that_is_none_is_refused_and_not_shown(bundles, tmp_path, content):
    (tmp_path / "key").write_text(content)
    said = refused(bundles[0], "--api-key-file", tmp_path / "key")
    assert "expected 16 or more letters, digits and signs" in said
    assert not content or content not in said


def test_a_key_file_that_is_not_there_is_one_line(bundles):
    assert (
        refused(bundles[0], "--api-key-file", "nowhere") == "error: --api-key-file nowhere: No such file or directory\n"
    )


def test_without_the_extra_a_line_says_what_to_install(bundles, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "reeltune.cluster.serving.server", raising=False)
    assert "uvicorn is not installed; pip install 'reeltune[serve]'" in refused(bundles[0])


def test_a_host_that_is_none_is_one_line(bundles, monkeypatch):
    monkeypatch.setenv("REELTUNE_API_KEY", KEY)
    for host in ("no such host", "a..b"):
        said = refused(bundles[0], "--host", host)
        assert said.startswith(f"error: --host {host} --port 8000: no such address: ")
        assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--reload-every", "0", "--reload-every 0.0: expected 0.1 or more"),
        ("--reload-every", "inf", "--reload-every inf: expected 86,400 seconds, a day, or less"),
        ("--drain", "nan", "--drain nan: expected 0 or more"),
        ("--port", "70000", "--port"),
    ],
)
def test_a_number_out_of_range_is_one_line(bundles, option, value, sentence):
    assert refused(bundles[0], option, value).startswith(f"error: {sentence}")
