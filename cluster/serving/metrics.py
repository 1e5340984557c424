"""What Prometheus reads at `/metrics`."""

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
__all__ = ["CONTENT_TYPE_LATEST", "Measured", "Metrics"]


class Metrics:
    """A registry of this service's own: several in one process do not mix."""

    def __init__(self) -> None:
        self._registry = found = CollectorRegistry()
        path, status = "path", "status"
        self.requests = Counter("reeltune_requests", "Requests answered", [path, status], registry=found)
        self.seconds = Histogram(
            "reeltune_request_seconds",
            "From a request's head to its answer's end",
            [path],
            buckets=SECONDS,
            registry=found,
        )
        self.batches = Histogram("reeltune_batch_requests", "Requests in a call", buckets=SIZES, registry=found)
        self.pairs = Counter("reeltune_pairs", "Pairs rated", registry=found)
        self.unknown = Counter(
            "reeltune_unknown_ids", "Ids in pairs that the model does not know", ["kind"], registry=found
        )
        self.reloads = Counter("reeltune_reloads", "Looks for another bundle", ["outcome"], registry=found)
        self.model = Gauge("reeltune_model_info", "1 for the bundle that answers", ["model"], registry=found)

    def uses(self, model: str) -> None:
        self.model.clear()
        self.model.labels(model).set(1)

    def now(self) -> tuple[Metric, ...]:
        """What they are now, as they can be sent elsewhere."""
        return tuple(self._registry.collect())

    async def page(self) -> bytes:
        return generate_latest(self._registry)


class Measured:
    """Counts and times the requests of an application. Paths that it does not have are one: 'other'.

    Once the service is `ending`, each answer is the last one on its connection.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, paths: frozenset[str], ending: Callable[[], bool]) -> None:
        self._app, self._metrics, self._paths, self._ending = app, metrics, paths, ending

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"] if scope["path"] in self._paths else "other"
        start, status = time.perf_counter(), 500

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if self._ending():
                    message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
            await send(message)

        try:
            await self._app(scope, receive, sent)
        finally:
            self._metrics.requests.labels(path, status).inc()
            self._metrics.seconds.labels(path).observe(time.perf_counter() - start)
