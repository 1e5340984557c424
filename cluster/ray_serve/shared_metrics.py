"""The metrics of all replicas on one page: a request to `/metrics` reaches any one of them."""

from collections.abc import Awaitable, Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.registry import Collector

from reeltune.cluster.serving.metrics import Metrics


class SharedMetrics(Metrics):
    """Those of one replica; its page has those of the others too, which `others` gives by their names."""

    def __init__(self, replica: str, others: Callable[[], Awaitable[dict[str, tuple[Metric, ...]]]]) -> None:
        super().__init__()
        self._replica, self._others = replica, others

    async def page(self) -> bytes:
        return page_of({**await self._others(), self._replica: self.now()})


def page_of(replicas: dict[str, tuple[Metric, ...]]) -> bytes:
    """One page, on which each sample has the label `replica`: counts of one that ends leave no other one smaller."""
    registry = CollectorRegistry()
    registry.register(_Together(replicas))
    return generate_latest(registry)


class _Together(Collector):
    def __init__(self, replicas: dict[str, tuple[Metric, ...]]) -> None:
        self._replicas = replicas

    def collect(self) -> Iterator[Metric]:
        families: dict[str, Metric] = {}
        for replica, metrics in self._replicas.items():
            for metric in metrics:
                family = families.setdefault(metric.name, Metric(metric.name, metric.documentation, metric.type))
                family.samples += _labelled(metric, replica)
        yield from families.values()


def _labelled(metric: Metric, replica: str) -> Iterable:
    return [sample._replace(labels={**sample.labels, "replica": replica}) for sample in metric.samples]
