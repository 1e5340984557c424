"""A real `reeltune serve`, what it answers, and bundles for it."""

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.bundle import describe, save
from reeltune.trainables.data import load_data
from reeltune.trainables.fitting.fit import Fit
from reeltune.trainables.fitting.loop import run
from reeltune.trainables.folding.prior import learnt
from tests.worlds import shape_of, small_config

REELTUNE = str(Path(sys.executable).parent / "reeltune")
WORLD = "synthetic:users=40,items=30,ratings=600"
PATIENCE = 200  # seconds: a shared machine may stall; less than a test may take


@dataclass(frozen=True)
class Answer:
    status: int
    text: str
    headers: dict[str, str]

    @property
    def json(self):
        return json.loads(self.text)


@dataclass(frozen=True)
class Served:
    process: subprocess.Popen
    greeting: list[str]
    errors: Path  # standard error so far

    @property
    def url(self):
        return self.greeting[0].split(": ")[0]

    def connection(self):
        return http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=PATIENCE)

    def ask(self, path, body=None, headers=None, *, connection=None):
        """POST a body (bytes as they are, anything else as JSON), or GET without one."""
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        if connection is None:
            with closing(self.connection()) as own:
                return self.ask(path, body, headers, connection=own)
        named = {"Content-Type": "application/json", **(headers or {})}
        connection.request("GET" if body is None else "POST", path, content, named)
        found = connection.getresponse()
        return Answer(found.status, found.read().decode(), {k.lower(): v for k, v in found.getheaders()})

    def until(self, true):
        """Wait until this is true of `/healthz`."""
        end = time.monotonic() + PATIENCE
        while not true(health := self.ask("/healthz").json):
            assert time.monotonic() < end, (health, self.errors.read_text())
            time.sleep(0.05)


@contextmanager
def served(*words, folder, variables=None, port=0) -> Iterator[Served]:
    """Start a service, at a free port unless one is named, and end it if it has not ended."""
    errors = Path(folder) / "errors.txt"
    environment = {name: value for name, value in os.environ.items() if name != "REELTUNE_API_KEY"}
    command = [REELTUNE, "serve", *map(str, words), "--port", str(port)]
    with errors.open("w") as said:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**environment, **(variables or {})},
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
        )
    try:
        greeting = [process.stdout.readline().strip() for _ in range(3)]
        assert greeting[0].startswith("http"), errors.read_text()
        yield Served(process, greeting, errors)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def bundle_at(path, name="svdpp", *, seed=1, **settings):
    """A bundle of a small fit, with which new users can be folded in."""
    data = load_data(WORLD)
    shape = shape_of(data)
    fit = Fit(ARCHITECTURES[name], small_config(name, **settings), shape, data.rows, seed=seed)
    list(run(fit))
    about = describe(
        name, fit.config, shape.scale, decoder="argmax", temperature=1.0, seed=seed, data=WORLD, metrics={}
    )
    weights = fit.model.served().state_dict()
    save(path, about, weights, data.users, data.items, fitted=data.rows, priors=learnt(fit.model, fit.rows, seed=seed))
    return path
