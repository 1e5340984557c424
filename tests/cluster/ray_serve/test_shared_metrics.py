"""One page has the metrics of all replicas, each with its name."""

import asyncio

from prometheus_client.parser import text_string_to_metric_families

from reeltune.cluster.ray_serve.shared_metrics import SharedMetrics
from reeltune.cluster.serving.metrics import Metrics


def test_counts_of_all_replicas_are_on_one_page_with_their_names():
    other = Metrics()
    other.requests.labels("/predict", 200).inc(3)

    async def others():
        return {"second": other.now()}

    own = SharedMetrics("first", others)
    own.requests.labels("/predict", 200).inc()
    own.requests.labels("/similar", 422).inc()
    families = list(text_string_to_metric_families(asyncio.run(own.page()).decode()))
    names = [family.name for family in families]
    assert len(names) == len(set(names))
    counts = {
        (sample.labels["replica"], sample.labels["path"]): sample.value
        for family in families
        for sample in family.samples
        if sample.name == "reeltune_requests_total"
    }
    assert counts == {("first", "/predict"): 1, ("first", "/similar"): 1, ("second", "/predict"): 3}
